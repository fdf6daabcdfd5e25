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

/** The agent worker fans out to a hundred objects in far less; past this the outbox goes on. */
export const SEND_TIMEOUT_MS = 5_000;
const RECEIPT_MAX_BYTES = 4096;

/**
 * Signs a command with the key that signs tickets, sends it to the agent worker and answers its receipt; type and
 * audience keep commands and tickets apart (RFC 8725 §3.11, §3.12). `undefined`, and a line in the log, where no receipt
 * comes: an agent worker out of reach is no fault of the caller's.
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

/** The body of a good answer, or why there is none. */
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

/** Has the agent worker close sessions that the record takes for open and their objects do not. It comes again each minute. */
export async function reconcileSessions(ports: SendPorts): Promise<void> {
  const receipt = await sendCommand({ op: 'reconcile' }, ports);
  if (receipt !== undefined && receipt.closed > 0)
    ports.log({ event: 'sessions_reconciled', closed: receipt.closed, objects: receipt.objects });
}
