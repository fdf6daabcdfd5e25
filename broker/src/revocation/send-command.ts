import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
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
import { type AgentRegistry, agentsOf, registryDigest } from '@agent-ticket/shared/registry.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import type { Trace } from '@agent-ticket/shared/trace-context.ts';
import { SignJWT } from 'jose';
import { type AgentWorker, commandedWorkers, type WorkersConfig } from '../config/workers.ts';
import type { Keyring } from '../keys/keyring.ts';

export interface SendPorts {
  readonly config: { readonly issuer: string };
  readonly keyring: Pick<Keyring, 'signer'>;
  /** Passes the signed command to the `/control` of an agent worker, with the trace that it is part of. May reject. */
  readonly sendControl: (
    worker: AgentWorker,
    token: string,
    signal: AbortSignal,
    trace?: Trace,
  ) => Promise<Response>;
  readonly clock: () => number;
  readonly randomId: () => string;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** The agent worker asks a hundred objects in far less time. After this timeout the outbox repeats the command. */
export const SEND_TIMEOUT_MS = 5_000;
const RECEIPT_MAX_BYTES = 4096;

/**
 * Signs a command with the ticket key, sends it to an agent worker and returns the receipt. Type and audience separate
 * commands from tickets (RFC 8725 §3.11, §3.12). Returns `undefined` and logs where no receipt comes: an unreachable
 * agent worker is no fault of the caller.
 */
export async function sendCommand(
  cmd: ControlCommand,
  worker: AgentWorker,
  ports: SendPorts,
): Promise<Receipt | undefined> {
  const now = ports.clock();
  const line = { event: 'control_unanswered', worker: worker.name, command: cmd.op };
  const signer = await ports.keyring.signer(now);
  if (!signer.ok) {
    const { reason, detail } = signer.denial;
    ports.log({ ...line, reason, detail });
    return undefined;
  }
  const { alg, kid, privateKey } = signer.value.material;
  const iat = Math.floor(now / 1000);
  const claims: ControlClaims = {
    iss: ports.config.issuer,
    aud: controlAudience(worker.audience),
    jti: ports.randomId(),
    iat,
    exp: iat + CONTROL_TTL_SECONDS,
    cmd,
  };
  const token = await new SignJWT({ ...claims })
    .setProtectedHeader({ alg, typ: CONTROL_TYPE, kid })
    .sign(privateKey);
  const { body, why } = await post(worker, token, ports);
  const receipt = body === undefined ? undefined : Receipt.safeParse(readStrictJson(body));
  if (receipt?.success === true) return receipt.data;
  ports.log({ ...line, ...why });
  return undefined;
}

/** The body of a 200 answer, or the reason why there is none. */
async function post(
  worker: AgentWorker,
  token: string,
  { sendControl }: SendPorts,
): Promise<{ readonly body?: Uint8Array | undefined; readonly why: Readonly<Record<string, unknown>> }> {
  try {
    const answer = await sendControl(worker, token, AbortSignal.timeout(SEND_TIMEOUT_MS));
    const why = { status: answer.status };
    if (answer.status === 200 || answer.status === 202)
      return { body: await readBounded(answer, RECEIPT_MAX_BYTES), why };
    await answer.body?.cancel();
    return { why };
  } catch (error) {
    return { why: { error: describeError(error) } };
  }
}

/** Has each agent worker correct its sessions that are open in the record only. Runs each minute. */
export async function reconcileSessions(
  ports: SendPorts & { readonly config: WorkersConfig },
): Promise<void> {
  const receipts = await Promise.all(
    commandedWorkers(ports.config).map((worker) => sendCommand({ op: 'reconcile' }, worker, ports)),
  );
  const sum = addReceipts(receipts.filter((receipt) => receipt !== undefined));
  if (sum.closed > 0) ports.log({ event: 'sessions_reconciled', closed: sum.closed, objects: sum.objects });
}

/**
 * Asks each agent worker for the digest of the agents that it serves, notes the answer, and names in the log whose agents
 * are not those of the broker's registry. Runs each minute, so that no request makes the broker ask. Decides nothing.
 */
export async function compareRegistries(
  ports: SendPorts & {
    readonly config: WorkersConfig;
    readonly registry: AgentRegistry;
    readonly control: Pick<ControlStore, 'agentWorkers'>;
  },
): Promise<void> {
  await Promise.all(
    commandedWorkers(ports.config).map(async (worker) => {
      const digest = (await sendCommand({ op: 'digest' }, worker, ports))?.registry;
      if (digest === undefined) return;
      await ports.control.agentWorkers.note(worker.audience, digest, ports.clock());
      if (digest !== (await registryDigest(agentsOf(ports.registry, worker.name))))
        ports.log({ event: 'registry_differs', worker: worker.name });
    }),
  );
}

/** One receipt for all. */
export const addReceipts = (receipts: readonly Receipt[]): Receipt =>
  receipts.reduce(
    (sum, { closed, objects, unreachable, pending, ms }) => ({
      closed: sum.closed + closed,
      objects: sum.objects + objects,
      unreachable: sum.unreachable + unreachable,
      pending: sum.pending + pending,
      ms: sum.ms + ms,
    }),
    { closed: 0, objects: 0, unreachable: 0, pending: 0, ms: 0 },
  );
