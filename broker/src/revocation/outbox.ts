import {
  type OutboxCommand,
  type OutboxRow,
  publicRevocation,
  type RevocationRow,
} from '@agent-ticket/drizzle/control/change.ts';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import { isBadValue, isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { ControlCommand, Receipt } from '@agent-ticket/shared/control.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import type { Measure } from '@agent-ticket/shared/metrics.ts';
import { AgentSlug, InstanceName } from '@agent-ticket/shared/names.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import { REVOCATION_CODES, REVOCATION_KEPT_MS, type Revocation } from '@agent-ticket/shared/revocation.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import { readTargetName } from '@agent-ticket/shared/target.ts';
import * as z from 'zod';
import { type AgentWorker, commandedWorkers, type WorkersConfig, workerOf } from '../config/workers.ts';
import { addReceipts, type SendPorts, sendCommand } from './send-command.ts';

export interface ChangePorts extends SendPorts {
  readonly measure: Measure;
  readonly registry: AgentRegistry;
  readonly config: SendPorts['config'] & WorkersConfig;
  readonly control: ControlStore;
  readonly record: RecordStore;
}

/** Whether every object has answered. If not, the outbox keeps delivering, and the caller's answer is 202. */
export const isDone = ({ unreachable, pending }: Receipt): boolean => unreachable === 0 && pending === 0;

/** Counts as one: only the agent worker knows the number of objects that are still to be asked. */
export const NOTHING_DONE: Receipt = { ...addReceipts([]), pending: 1 };

/** {@link deliver}, where a row that cannot be delivered is logged and waits. Rejects on an outage of the control database. */
export async function tryDeliver(row: OutboxRow, ports: ChangePorts): Promise<Receipt> {
  try {
    return await deliver(row, ports);
  } catch (error) {
    if (isOutage(error)) throw error;
    ports.log(
      error instanceof UnreadableRow
        ? { event: 'change_unreadable', id: row.id }
        : { event: 'bug', step: 'outbox', id: row.id, error: describeError(error) },
    );
    return NOTHING_DONE;
  }
}

const StoredCommand: z.ZodType<OutboxCommand> = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('revoke'),
    ids: z.array(z.string()),
    audience: z.string().exactOptional(),
    at: z.strictObject({ agent: AgentSlug, instance: InstanceName }).exactOptional(),
  }),
  z.strictObject({
    op: z.literal('destroy'),
    agent: AgentSlug,
    instance: InstanceName,
    id: z.string(),
    lock: z.string(),
    before: z.int(),
  }),
]);
const StoredEvent = z.custom<AuditEvent>(
  (value) =>
    typeof value === 'object' && value !== null && 'eventId' in value && 'type' in value && 'at' in value,
);

const Audiences = z.array(z.string());

interface Readable {
  readonly event: AuditEvent;
  readonly command: OutboxCommand | undefined;
  /** Audiences of the agent workers that have executed the command. */
  readonly delivered: readonly string[];
}

/** An outbox row that cannot be read or delivered. It stays in the outbox and delays no other row. */
class UnreadableRow extends Error {}

function readRow(row: OutboxRow): Readable {
  const read = (text: string): unknown => readStrictJson(new TextEncoder().encode(text));
  const event = StoredEvent.safeParse(read(row.event));
  const command = row.command === null ? undefined : StoredCommand.safeParse(read(row.command));
  const delivered = Audiences.safeParse(read(row.delivered));
  if (!event.success || event.data.eventId !== row.id || command?.success === false || !delivered.success)
    throw new UnreadableRow();
  return { event: event.data, command: command?.data, delivered: delivered.data };
}

/**
 * Delivers one outbox row. The event and the copies of the revocations go to the record database first, because new
 * sessions are checked there. The command goes to every agent worker that it concerns afterwards, to all at once: one
 * that is away delays no other, and is asked again while the others are not. The row is deleted when everything has
 * arrived. A command for a named object is sent even when the record database is away.
 */
async function deliver(row: OutboxRow, ports: ChangePorts): Promise<Receipt> {
  const { control, record } = ports;
  const { event, command, delivered } = readRow(row);
  const revocations = await revocationsOf(command, ports);
  const isRecorded = await recorded(
    row.id,
    async () => {
      await copyEarlier(revocations, ports);
      await record.deliverChange(event, copiesOf(revocations, ports.clock()));
    },
    ports,
  );
  const places = placesOf(command, revocations, event, ports).filter(
    ({ worker }) => !delivered.includes(worker.audience),
  );
  const sent = await Promise.all(
    places.map(async ({ worker, rows }) => ({
      audience: worker.audience,
      receipt: await send(command, rows, worker, isRecorded, ports),
    })),
  );
  const receipt = addReceipts(sent.map((each) => each.receipt));
  if (isRecorded && isDone(receipt)) {
    if (command?.op === 'destroy') await control.finishDeletion(row.id, command, ports.clock());
    else await control.outbox.done(row.id);
    return receipt;
  }
  const arrived = sent.filter((each) => isDone(each.receipt)).map(({ audience }) => audience);
  if (arrived.length > 0) await control.outbox.noteDelivered(row.id, arrived);
  return isDone(receipt) && command !== undefined ? NOTHING_DONE : receipt;
}

/** The present versions of a command's revocations: a row may have changed since the command was enqueued. */
async function revocationsOf(
  command: OutboxCommand | undefined,
  { control, clock }: ChangePorts,
): Promise<RevocationRow[]> {
  if (command === undefined) return [];
  if (command.op === 'destroy')
    return (await control.revocations.findAll([command.id])).map((row) => ending(row, clock()));
  const rows = await control.revocations.findAll(command.ids);
  // The first revocation that hits a session decides its close code, so the strongest code is sent first.
  return rows.sort((a, b) => REVOCATION_CODES.indexOf(a.code) - REVOCATION_CODES.indexOf(b.code));
}

async function recorded(id: string, write: () => Promise<void>, { log }: ChangePorts): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (isBadValue(error)) log({ event: 'change_unreadable', id });
    else if (isOutage(error)) log({ event: 'record_unavailable', error: describeError(error) });
    else throw error;
    return false;
  }
}

interface Place {
  readonly worker: AgentWorker;
  /** The revocations that concern it, in the order in which they are sent. */
  readonly rows: readonly RevocationRow[];
}

/** The agent workers that a command concerns. */
function placesOf(
  command: OutboxCommand | undefined,
  revocations: readonly RevocationRow[],
  event: AuditEvent,
  ports: ChangePorts,
): Place[] {
  if (command === undefined) return [];
  if (command.op === 'destroy' && !revocations.some(({ id }) => id === command.id)) throw new UnreadableRow();
  const audience = command.op === 'revoke' ? command.audience : undefined;
  const concerned = revocations.map((row) => ({ row, workers: workersOf(row, audience, event, ports) }));
  return commandedWorkers(ports.config).flatMap((worker) => {
    const rows = concerned.filter(({ workers }) => workers.includes(worker)).map(({ row }) => row);
    return rows.length === 0 ? [] : [{ worker, rows }];
  });
}

/** The agent workers that may have sessions which a revocation hits: all of them, where nothing says which. */
function workersOf(
  { target }: RevocationRow,
  audience: string | undefined,
  event: AuditEvent,
  ports: ChangePorts,
): readonly AgentWorker[] {
  const { workers } = ports.config;
  const named = workers.filter((worker) => worker.audience === audience);
  if (named.length > 0) return named;
  const read = readTargetName(target);
  // The event of a change of a grant names the agent of the grant.
  const agent = 'agent' in read ? read.agent : read.kind === 'grant' ? event.agent : undefined;
  const isKnown = ports.registry.some(({ slug }) => slug === agent);
  return agent !== undefined && isKnown ? [workerOf(agent, ports)] : workers;
}

/** Sends one agent worker its part of a command. */
async function send(
  command: OutboxCommand | undefined,
  rows: readonly RevocationRow[],
  worker: AgentWorker,
  isRecorded: boolean,
  ports: ChangePorts,
): Promise<Receipt> {
  const receipts: Receipt[] = [];
  for (const row of rows) {
    const revocation = publicRevocation(row);
    // The agent worker needs the record database to find sessions, but not to find objects that a target names.
    const at = command?.op === 'revoke' ? command.at : undefined;
    const isNamed = at !== undefined || readTargetName(row.target).kind === 'instance';
    const cmd: ControlCommand =
      command?.op === 'destroy'
        ? {
            op: 'destroy',
            agent: AgentSlug.parse(command.agent),
            instance: InstanceName.parse(command.instance),
            revocation,
          }
        : { op: 'revoke', revocation, ...(at === undefined ? {} : { at }) };
    const receipt = isRecorded || isNamed ? await sendCommand(cmd, worker, ports) : undefined;
    if (receipt === undefined) return NOTHING_DONE;
    receipts.push(receipt);
  }
  return addReceipts(receipts);
}

/** The delay between two attempts for a row: short at first, up to a minute later. */
const retryDelayMs = (attempts: number): number => Math.min(60_000, 1_000 * 2 ** attempts);

/**
 * Delivers every due row once. Runs on a schedule, and may run concurrently on any number of instances. A row that
 * cannot be read, that the record database refuses, or that causes a bug is logged and delays no other row. Rejects on
 * an outage of the control database.
 */
export async function flushOutbox(ports: ChangePorts, limit = 50): Promise<void> {
  const now = ports.clock();
  for (const row of await ports.control.outbox.due(now, limit)) {
    if (!(await ports.control.outbox.take(row, now + retryDelayMs(row.attempts)))) continue;
    await tryDeliver(row, ports);
  }
}

/**
 * Advances the change numbers after a restore of the control database. The restored numbers continue where the backup
 * ended, while copies hold revocations with greater numbers: new tickets would be hit by revocations that this database
 * no longer has. So the next number is greater than every number in the copies.
 */
export async function keepNumbersAhead({ control, record, clock }: ChangePorts): Promise<void> {
  const copied = await record.revocations.newestRev();
  if (copied > (await control.revocations.newestRev())) await control.revocations.jumpTo(copied, clock());
}

/** Rows of one batch: each costs a write, and one more for each index. */
const COPIES = 100;

/**
 * Writes the copies of all revocations after a number, in the order of their numbers, and answers the greatest number.
 * The record database so has a copy of every revocation up to the greatest number there.
 */
async function copyAfter(rev: number, { control, record, clock }: ChangePorts): Promise<number> {
  let newest = rev;
  for (let rows = await control.revocations.following(newest, COPIES); rows.length > 0; ) {
    await record.revocations.apply(copiesOf(rows, clock()));
    newest = rows.at(-1)?.rev ?? newest;
    rows = await control.revocations.following(newest, COPIES);
  }
  return newest;
}

/**
 * Writes the copies that are missing before those of a change: their commands still wait, or the record database was
 * restored from a backup. If the copies of the change came alone, nothing would show later that others are missing.
 */
async function copyEarlier(revocations: readonly RevocationRow[], ports: ChangePorts): Promise<void> {
  if (revocations.length === 0) return;
  const copied = await ports.record.revocations.newestRev();
  if (Math.max(...revocations.map(({ rev }) => rev)) > copied + 1) await copyAfter(copied, ports);
}

/**
 * Writes the copies that are missing at the end: after a restore of the record database to a moment within the minute
 * since the last checkpoint, which the seal of the audit log does not show.
 */
export async function copyMissing(ports: ChangePorts): Promise<void> {
  await copyAfter(await ports.record.revocations.newestRev(), ports);
}

/**
 * Makes the copies in the record database complete again after a restore of that database. Writes those that the backup
 * did not have, and lifts those that lasted in the backup and are no revocations any more, but for those of keys. May be
 * repeated.
 */
export async function restoreCopies(ports: ChangePorts): Promise<void> {
  const { control, record, clock } = ports;
  const newest = await copyAfter(0, ports);
  for (let copies = await record.revocations.listEndless('', COPIES); copies.length > 0; ) {
    const known = await control.revocations.findAll(copies.map(({ id }) => id));
    const over = copies.filter((copy) => !isOfKey(copy) && !known.some(({ id }) => id === copy.id));
    await record.revocations.apply(
      over.map((copy) => ({ ...copy, rev: Math.max(newest, copy.rev + 1), until: clock() })),
    );
    copies = await record.revocations.listEndless(copies.at(-1)?.id ?? '', COPIES);
  }
}

/** That of a key is never lifted: a restored control database may have the key as it was before. */
const isOfKey = ({ id }: { readonly id: string }): boolean => id.startsWith('any key:');

/** The copies of revocations, as of `now` in ms. */
const copiesOf = (rows: readonly RevocationRow[], now: number): Revocation[] =>
  rows.filter((row) => !isLockOfDeletion(row)).map((row) => publicRevocation(ending(row, now)));

/** It only has to prevent new tickets, and no command would lift its copy afterwards. */
const isLockOfDeletion = ({ target, kind, code }: RevocationRow): boolean =>
  kind === 'any' && code === 'rights_changed' && readTargetName(target).kind === 'instance';

/** That of a deletion has no end before the deletion is done. Copies and agent workers need it only so long. */
const ending = (row: RevocationRow, now: number): RevocationRow =>
  row.kind === 'before' && row.until === null ? { ...row, until: now + REVOCATION_KEPT_MS } : row;
