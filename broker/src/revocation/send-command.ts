import {
  CONTROL_TTL_SECONDS,
  CONTROL_TYPE,
  type ControlClaims,
  type ControlCommand,
  controlAudience,
  Receipt,
} from '@agent-ticket/shared/control.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { readBounded } from '@agent-ticket/shared/read-bounded.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import { SignJWT } from 'jose';
import type { Keyring } from '../keys/keyring.ts';

export interface SendPorts {
  readonly config: { readonly issuer: string; readonly ticketAudience: string };
  readonly keyring: Pick<Keyring, 'signer'>;
  /** One POST to the agent worker's `/control` with the signed command. May reject. */
  readonly sendControl: (token: string, signal: AbortSignal) => Promise<Response>;
  readonly clock: () => number;
  readonly randomId: () => string;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** The agent worker asks a hundred objects in far less time. After this timeout the outbox repeats the command. */
export const SEND_TIMEOUT_MS = 5_000;
const RECEIPT_MAX_BYTES = 4096;

/**
 * Signs a command with the ticket key, sends it to the agent worker and returns the receipt. Type and audience separate
 * commands from tickets (RFC 8725 §3.11, §3.12). Returns `undefined` and logs where no receipt comes: an unreachable
 * agent worker is no fault of the caller.
 */
export async function sendCommand(cmd: ControlCommand, ports: SendPorts): Promise<Receipt | undefined> {
  const now = ports.clock();
  const signer = await ports.keyring.signer(now);
  if (!signer.ok) {
    const { reason, detail } = signer.denial;
    ports.log({ event: 'control_unanswered', command: cmd.op, reason, detail });
    return undefined;
  }
  const { alg, kid, privateKey } = signer.value.material;
  const iat = Math.floor(now / 1000);
  const claims: ControlClaims = {
    iss: ports.config.issuer,
    aud: controlAudience(ports.config.ticketAudience),
    jti: ports.randomId(),
    iat,
    exp: iat + CONTROL_TTL_SECONDS,
    cmd,
  };
  const token = await new SignJWT({ ...claims })
    .setProtectedHeader({ alg, typ: CONTROL_TYPE, kid })
    .sign(privateKey);
  const { body, why } = await post(token, ports);
  const receipt = body === undefined ? undefined : Receipt.safeParse(readStrictJson(body));
  if (receipt?.success === true) return receipt.data;
  ports.log({ event: 'control_unanswered', command: cmd.op, ...why });
  return undefined;
}

/** The body of a 200 answer, or the reason why there is none. */
async function post(
  token: string,
  { sendControl }: SendPorts,
): Promise<{ readonly body?: Uint8Array | undefined; readonly why: Readonly<Record<string, unknown>> }> {
  try {
    const answer = await sendControl(token, AbortSignal.timeout(SEND_TIMEOUT_MS));
    const why = { status: answer.status };
    if (answer.status === 200 || answer.status === 202)
      return { body: await readBounded(answer, RECEIPT_MAX_BYTES), why };
    await answer.body?.cancel();
    return { why };
  } catch (error) {
    return { why: { error: describeError(error) } };
  }
}

/** Has the agent worker correct sessions that are open in the record only. Runs each minute. */
export async function reconcileSessions(ports: SendPorts): Promise<void> {
  const receipt = await sendCommand({ op: 'reconcile' }, ports);
  if (receipt !== undefined && receipt.closed > 0)
    ports.log({ event: 'sessions_reconciled', closed: receipt.closed, objects: receipt.objects });
}
