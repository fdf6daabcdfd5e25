import type { lockQueries } from '@agent-ticket/drizzle/control/locks.ts';
import type { outboxQueries } from '@agent-ticket/drizzle/control/outbox.ts';
import type { recordLockQueries } from '@agent-ticket/drizzle/record/locks.ts';
import { CONTROL_TTL_SECONDS, ControlCommand, Receipt, targetName } from '@agent-ticket/shared/control.ts';
import { readBounded } from '@agent-ticket/shared/read-bounded.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import type { Keyring } from './keys/keyring.ts';
import { signControl } from './termination/sign-control.ts';

export interface TerminationPorts {
  readonly issuer: string;
  readonly ticketAudience: string;
  readonly outbox: ReturnType<typeof outboxQueries>;
  /** The locks that stand, which decide what a command about one means. */
  readonly locks: Pick<ReturnType<typeof lockQueries>, 'ofTarget'>;
  readonly recordLocks: ReturnType<typeof recordLockQueries>;
  readonly keyring: Keyring;
  /** One POST to the agent worker's `/control` with the signed command. May reject. */
  readonly sendControl: (token: string, signal: AbortSignal) => Promise<Response>;
  readonly clock: () => number;
  readonly randomId: () => string;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** A command on its way. It rests in the outbox until every object has answered. */
export interface PendingCommand {
  readonly id: string;
  readonly command: ControlCommand;
  /** Sessions that started later are not meant, in ms. */
  readonly before: number;
}

/** The agent worker fans out to a hundred objects in far less; past this the outbox goes on. */
const SEND_TIMEOUT_MS = 5_000;
const RECEIPT_MAX_BYTES = 4096;

/** What a command waits between two tries: the first soon, the later ones up to a minute apart. */
export const retryDelayMs = (attempts: number): number => Math.min(60_000, 1_000 * 2 ** attempts);

/** Whether every object has answered; otherwise the outbox goes on, and the answer to the caller is 202. */
export const isDone = ({ unreachable, pending }: Receipt): boolean => unreachable === 0 && pending === 0;

/** A receipt that says: nothing known, all of it still to do. */
const NOTHING_DONE: Receipt = { closed: 0, objects: 0, unreachable: 0, pending: 1, ms: 0 };

/**
 * Carries out one command that is in the outbox: the lock's copy first, where new sessions look, then the agent
 * worker. Whatever fails leaves the command where it is, for {@link flushOutbox}.
 */
export async function carryOut(pending: PendingCommand, ports: TerminationPorts): Promise<Receipt> {
  const { id, before } = pending;
  try {
    const command = await asOfNow(pending.command, ports);
    if (command.op === 'lock') await ports.recordLocks.set(targetName(command.target), command.until);
    if (command.op === 'unlock') await ports.recordLocks.remove(targetName(command.target));
    const receipt = await send(command, before, ports);
    if (receipt === undefined) return NOTHING_DONE;
    if (isDone(receipt)) await ports.outbox.done(id);
    return receipt;
  } catch (error) {
    // The command is safe in the outbox, and its caller is told that it is pending.
    ports.log({
      event: 'control_failed',
      command: pending.command.op,
      error: error instanceof Error ? error.name : typeof error,
    });
    return NOTHING_DONE;
  }
}

/**
 * A lock command as the standing locks on its target make it: several may stand, and a command may be carried out
 * long after others came and went. The longest counts; with none the target is free.
 */
async function asOfNow(command: ControlCommand, ports: TerminationPorts): Promise<ControlCommand> {
  if (command.op !== 'lock' && command.op !== 'unlock') return command;
  const { target } = command;
  const ends = (await ports.locks.ofTarget(targetName(target), ports.clock())).map((lock) => lock.expiresAt);
  if (ends.length === 0) return { op: 'unlock', target };
  return { op: 'lock', target, until: ends.includes(null) ? null : Math.max(...ends.map((end) => end ?? 0)) };
}

async function send(
  command: ControlCommand,
  before: number,
  ports: TerminationPorts,
): Promise<Receipt | undefined> {
  const now = ports.clock();
  const signer = await ports.keyring.signer(now);
  if (!signer.ok) return undefined;
  const iat = Math.floor(now / 1000);
  const token = await signControl(
    { iss: ports.issuer, jti: ports.randomId(), iat, exp: iat + CONTROL_TTL_SECONDS, cmd: command, before },
    ports.ticketAudience,
    signer.value.material,
  );
  const answer = await ports.sendControl(token, AbortSignal.timeout(SEND_TIMEOUT_MS));
  if (answer.status !== 200 && answer.status !== 202) {
    ports.log({ event: 'control_refused', command: command.op, status: answer.status });
    return undefined;
  }
  const body = await readBounded(answer, RECEIPT_MAX_BYTES);
  const receipt = body === undefined ? undefined : Receipt.safeParse(readStrictJson(body));
  return receipt?.success === true ? receipt.data : undefined;
}

/** Tries every due command once. Run on a schedule; safe to run anywhere, any number of times at once. */
export async function flushOutbox(ports: TerminationPorts, limit = 50): Promise<number> {
  const now = ports.clock();
  let carried = 0;
  for (const row of await ports.outbox.due(now, limit)) {
    if (!(await ports.outbox.take(row, now + retryDelayMs(row.attempts)))) continue;
    const command = ControlCommand.parse(JSON.parse(row.command));
    await carryOut({ id: row.id, command, before: row.before }, ports);
    carried += 1;
  }
  return carried;
}

/** Has the agent worker close sessions that the record takes for open and their objects do not. Needs no outbox: it comes again. */
export async function reconcileSessions(ports: TerminationPorts): Promise<Receipt | undefined> {
  const receipt = await send({ op: 'reconcile' }, ports.clock(), ports);
  if (receipt !== undefined && receipt.closed > 0)
    ports.log({ event: 'sessions_reconciled', closed: receipt.closed, objects: receipt.objects });
  return receipt;
}

/** A command as it goes into the outbox; its own first try follows at once, so the outbox waits a little. */
export const outboxRow = ({ id, command, before }: PendingCommand) => ({
  id,
  command: JSON.stringify(command),
  before,
  dueAt: before + SEND_TIMEOUT_MS,
});
