import type { deletionQueries } from '@agent-ticket/drizzle/control/deletions.ts';
import type { outboxQueries } from '@agent-ticket/drizzle/control/outbox.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { recordLockQueries } from '@agent-ticket/drizzle/record/locks.ts';
import type { recallQueries } from '@agent-ticket/drizzle/record/recalls.ts';
import { CONTROL_TTL_SECONDS, ControlCommand, Receipt } from '@agent-ticket/shared/control.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { readBounded } from '@agent-ticket/shared/read-bounded.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import { targetName } from '@agent-ticket/shared/target.ts';
import type { Keyring } from '../keys/keyring.ts';
import { asOfNow, type MeaningPorts } from './meaning.ts';
import { recallOf } from './recall.ts';
import { signControl } from './sign-control.ts';

export interface TerminationPorts extends MeaningPorts {
  readonly issuer: string;
  readonly ticketAudience: string;
  readonly outbox: ReturnType<typeof outboxQueries>;
  readonly deletions: ReturnType<typeof deletionQueries>;
  readonly recordLocks: ReturnType<typeof recordLockQueries>;
  readonly recalls: Pick<ReturnType<typeof recallQueries>, 'set'>;
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
  /** Sessions that started later are not meant, unless a ticket from before opened them. In ms. */
  readonly before: number;
}

/** The agent worker fans out to a hundred objects in far less; past this the outbox goes on. */
const SEND_TIMEOUT_MS = 5_000;
const RECEIPT_MAX_BYTES = 4096;

/** What a command waits between two tries: the first soon, the later ones up to a minute apart. */
const retryDelayMs = (attempts: number): number => Math.min(60_000, 1_000 * 2 ** attempts);

/** Whether every object has answered; otherwise the outbox goes on, and the answer to the caller is 202. */
export const isDone = ({ unreachable, pending }: Receipt): boolean => unreachable === 0 && pending === 0;

/** What the caller of a command is told: 200, or 202 while some of it is still to do. */
export const statusOf = (receipt: Receipt): 200 | 202 => (isDone(receipt) ? 200 : 202);

/** A receipt that says: all of it still to do. How much that is only the agent worker knows, so it is counted as one. */
const NOTHING_DONE: Receipt = { closed: 0, objects: 0, unreachable: 0, pending: 1, ms: 0 };

/** A command given now, in ms. */
export const newCommand = (
  command: ControlCommand,
  now: number,
  { randomId }: Pick<TerminationPorts, 'randomId'>,
): PendingCommand => ({ id: randomId(), command, before: now });

/** Puts a command into the outbox and tries it at once. It means every session until now, not until its call began. */
export async function order(command: ControlCommand, ports: TerminationPorts): Promise<Receipt> {
  const pending = newCommand(command, ports.clock(), ports);
  await ports.outbox.insert(outboxRow(pending));
  return carryOut(pending, ports);
}

/**
 * Carries out one command that is in the outbox: first what new sessions must meet, a lock's copy or a recall, then the
 * agent worker. An outage leaves the command where it is, for {@link flushOutbox}, and its caller is told that it is pending.
 */
export async function carryOut(pending: PendingCommand, ports: TerminationPorts): Promise<Receipt> {
  try {
    const commands = await asOfNow(pending.command, ports);
    for (const command of commands) await writeStops(command, pending, ports);
    const receipts: Receipt[] = [];
    for (const command of commands) {
      const receipt = await send(command, reachOf(command, pending, ports), ports);
      if (receipt === undefined) return NOTHING_DONE;
      receipts.push(receipt);
    }
    const receipt = receipts.reduce(sumOf);
    if (isDone(receipt)) await finish(pending, ports);
    return receipt;
  } catch (error) {
    if (!isOutage(error)) throw error;
    ports.log({ event: 'control_failed', command: pending.command.op, error: describeError(error) });
    return NOTHING_DONE;
  }
}

/** Writes what new sessions must meet. */
async function writeStops(
  command: ControlCommand,
  { before }: PendingCommand,
  { recordLocks, recalls }: TerminationPorts,
): Promise<void> {
  if (command.op === 'lock') await recordLocks.set(targetName(command.target), command.until);
  if (command.op === 'unlock') await recordLocks.remove(targetName(command.target));
  const recall = recallOf(command, before);
  if (recall !== undefined) await recalls.set(recall);
}

const sumOf = (one: Receipt, other: Receipt): Receipt => ({
  closed: one.closed + other.closed,
  objects: one.objects + other.objects,
  unreachable: one.unreachable + other.unreachable,
  pending: one.pending + other.pending,
  ms: one.ms + other.ms,
});

/**
 * Up to when a session must have started to be meant. A lock means whatever there is while it stands: one that opened
 * while the lock was being written may have been recorded before the lock's copy was there, and an object's clock may
 * be ahead of ours.
 */
const reachOf = (command: ControlCommand, { before }: PendingCommand, { clock }: TerminationPorts): number =>
  command.op === 'lock' ? clock() + CLOCK_SKEW_SECONDS * 1000 : before;

/** Every object has answered. Only now is a deleted instance opened again. */
const finish = ({ id, command, before }: PendingCommand, ports: TerminationPorts): Promise<void> =>
  command.op === 'destroy'
    ? ports.deletions.finish({ ...command.target, id, before }, ports.clock())
    : ports.outbox.done(id);

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
  const answer = await post(token, ports);
  const receipt = answer.body === undefined ? undefined : Receipt.safeParse(readStrictJson(answer.body));
  if (receipt?.success === true) return receipt.data;
  ports.log({ event: 'control_unanswered', command: command.op, ...answer.why });
  return undefined;
}

/** The body of a good answer, or why there is none. Whatever keeps the worker from answering is no fault of ours. */
async function post(
  token: string,
  { sendControl }: TerminationPorts,
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

/**
 * Tries every due command once; how many there were. Run on a schedule; safe to run anywhere, any number of times at
 * once. A row that cannot be read, or meets a bug, is logged and keeps no other from its turn.
 */
export async function flushOutbox(ports: TerminationPorts, limit = 50): Promise<number> {
  const now = ports.clock();
  let carried = 0;
  for (const row of await ports.outbox.due(now, limit)) {
    if (!(await ports.outbox.take(row, now + retryDelayMs(row.attempts)))) continue;
    const command = ControlCommand.safeParse(readStrictJson(new TextEncoder().encode(row.command)));
    if (!command.success) {
      ports.log({ event: 'control_unreadable', id: row.id });
      continue;
    }
    try {
      await carryOut({ id: row.id, command: command.data, before: row.before }, ports);
      carried += 1;
    } catch (error) {
      ports.log({ event: 'bug', step: 'outbox', id: row.id, error: describeError(error) });
    }
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
