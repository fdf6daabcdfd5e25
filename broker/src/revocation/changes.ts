import {
  type Change,
  type NewRevocation,
  type OutboxCommand,
  type OutboxRow,
  publicRevocation,
  type RevocationRow,
} from '@agent-ticket/drizzle/control/change.ts';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import { isBadValue, isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Receipt } from '@agent-ticket/shared/control.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { AgentSlug, InstanceName } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import {
  REVOCATION_CODES,
  REVOCATION_KEPT_MS,
  type RevocationCode,
} from '@agent-ticket/shared/revocation.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import { readTargetName, type Target, targetName } from '@agent-ticket/shared/target.ts';
import * as z from 'zod';
import { SEND_TIMEOUT_MS, type SendPorts, sendCommand } from './send-command.ts';

export interface ChangePorts extends SendPorts {
  readonly control: ControlStore;
  readonly record: RecordStore;
}

/** A change of policy, as its caller passes it. */
interface WantedChange extends Omit<Change, 'dueAt' | 'command'> {
  /** Default: the command that delivers the revocations to live sessions. */
  readonly command?: OutboxCommand | undefined;
}

/** One revocation, made by a change. Times in ms. */
interface RevocationOrder {
  readonly target: Target;
  readonly kind: RevocationRow['kind'];
  readonly code: RevocationCode;
  readonly reason: string;
  readonly by: string;
  readonly now: number;
  /** Left out: until no right from before can be open any more. */
  readonly until?: number | null;
  /** Left out: one row for each kind and target. */
  readonly id?: string;
}

export function newRevocation({
  target,
  kind,
  code,
  reason,
  by,
  now,
  until,
  id,
}: RevocationOrder): NewRevocation {
  const name = targetName(target);
  return {
    id: id ?? `${kind} ${name}`,
    target: name,
    kind,
    until: until === undefined ? now + REVOCATION_KEPT_MS : until,
    code,
    reason,
    createdBy: by,
    createdAt: now,
  };
}

/** Whether every object has answered. If not, the outbox keeps delivering, and the caller's answer is 202. */
export const isDone = ({ unreachable, pending }: Receipt): boolean => unreachable === 0 && pending === 0;

/** The HTTP status of a change: 200, or 202 while the change may not have arrived at live sessions. */
export const statusOf = (receipt: Receipt): 200 | 202 => (isDone(receipt) ? 200 : 202);

const NOTHING_TO_DO: Receipt = { closed: 0, objects: 0, unreachable: 0, pending: 0, ms: 0 };
/** Counts as one: only the agent worker knows the number of objects that are still to be asked. */
const NOTHING_DONE: Receipt = { ...NOTHING_TO_DO, pending: 1 };

/**
 * Makes one change of policy, with its event and its revocations in one batch, and delivers it at once. `undefined`
 * where the change did not apply. The change is durable once this resolves, whatever the receipt says: the outbox keeps
 * delivering it.
 */
export async function changePolicy(
  wanted: WantedChange & { readonly statement?: undefined },
  ports: ChangePorts,
): Promise<Receipt>;
export async function changePolicy(wanted: WantedChange, ports: ChangePorts): Promise<Receipt | undefined>;
export async function changePolicy(wanted: WantedChange, ports: ChangePorts): Promise<Receipt | undefined> {
  const ids = (wanted.revocations ?? []).map(({ id }) => id);
  const command = wanted.command ?? (ids.length === 0 ? undefined : ({ op: 'revoke', ids } as const));
  const row = await ports.control.change({ ...wanted, command, dueAt: ports.clock() + SEND_TIMEOUT_MS });
  if (row === undefined) return undefined;
  try {
    return await tryDeliver(row, ports);
  } catch (error) {
    // The change is durable: an outage of a database after it must not be reported as a failed change.
    if (!isOutage(error)) throw error;
    ports.log({ event: 'change_waits', error: describeError(error) });
    return NOTHING_DONE;
  }
}

/** Ends a grant, token or lock. Answers it as it was, with the receipt, or `gone` where another caller was first. */
export async function endResource(
  wanted: WantedChange,
  shown: object,
  gone: DenialReason,
  ports: ChangePorts,
): Promise<Outcome<{ readonly status: 200 | 202; readonly body: object }>> {
  const receipt = await changePolicy(wanted, ports);
  return receipt === undefined ? err(gone) : ok({ status: statusOf(receipt), body: { ...shown, receipt } });
}

/** {@link deliver}, where a row that cannot be delivered is logged and waits. Rejects on an outage of the control database. */
async function tryDeliver(row: OutboxRow, ports: ChangePorts): Promise<Receipt> {
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
  z.strictObject({ op: z.literal('revoke'), ids: z.array(z.string()) }),
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

/** An outbox row that cannot be read or delivered. It stays in the outbox and delays no other row. */
class UnreadableRow extends Error {}

function readRow(row: OutboxRow): { event: AuditEvent; command: OutboxCommand | undefined } {
  const read = (text: string): unknown => readStrictJson(new TextEncoder().encode(text));
  const event = StoredEvent.safeParse(read(row.event));
  const command = row.command === null ? undefined : StoredCommand.safeParse(read(row.command));
  if (!event.success || event.data.eventId !== row.id || command?.success === false)
    throw new UnreadableRow();
  return { event: event.data, command: command?.data };
}

/**
 * Delivers one outbox row. The event and the copies of the revocations go to the record database first, because new
 * sessions are checked there. The command goes to the agent worker afterwards. The row is deleted when both have
 * arrived. A command for a named object is sent even when the record database is away.
 */
async function deliver(row: OutboxRow, ports: ChangePorts): Promise<Receipt> {
  const { control, record } = ports;
  const { event, command } = readRow(row);
  const revocations = await revocationsOf(command, ports);
  const isRecorded = await recorded(
    row.id,
    () => record.deliverChange(event, revocations.map(publicRevocation)),
    ports,
  );
  const receipt = await send(command, revocations, isRecorded, ports);
  if (!isRecorded || !isDone(receipt))
    return isDone(receipt) && command !== undefined ? NOTHING_DONE : receipt;
  if (command?.op === 'destroy') await control.finishDeletion(row.id, command, ports.clock());
  else await control.outbox.done(row.id);
  return receipt;
}

/**
 * The present versions of a command's revocations: a row may have changed since the command was enqueued. The lock of a
 * deletion is not copied: it only has to prevent new tickets, and no command would lift its copies afterwards.
 */
async function revocationsOf(
  command: OutboxCommand | undefined,
  { control, clock }: ChangePorts,
): Promise<RevocationRow[]> {
  if (command === undefined) return [];
  if (command.op === 'destroy') {
    const until = clock() + REVOCATION_KEPT_MS;
    return (await control.revocations.findAll([command.id])).map((row) => ({ ...row, until }));
  }
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

async function send(
  command: OutboxCommand | undefined,
  revocations: readonly RevocationRow[],
  isRecorded: boolean,
  ports: ChangePorts,
): Promise<Receipt> {
  if (command === undefined) return NOTHING_TO_DO;
  if (command.op === 'destroy') {
    const { agent, instance, id } = command;
    const before = revocations.find((row) => row.id === id);
    if (before === undefined) throw new UnreadableRow();
    const place = { agent: AgentSlug.parse(agent), instance: InstanceName.parse(instance) };
    return (
      (await sendCommand({ op: 'destroy', ...place, revocation: publicRevocation(before) }, ports)) ??
      NOTHING_DONE
    );
  }
  let sum = NOTHING_TO_DO;
  for (const row of revocations) {
    // The agent worker needs the record database to find sessions, but not to find objects that a target names.
    const isNamed = readTargetName(row.target).kind === 'instance';
    const receipt =
      isRecorded || isNamed
        ? await sendCommand({ op: 'revoke', revocation: publicRevocation(row) }, ports)
        : undefined;
    if (receipt === undefined) return NOTHING_DONE;
    sum = addReceipts(sum, receipt);
  }
  return sum;
}

const addReceipts = (one: Receipt, other: Receipt): Receipt => ({
  closed: one.closed + other.closed,
  objects: one.objects + other.objects,
  unreachable: one.unreachable + other.unreachable,
  pending: one.pending + other.pending,
  ms: one.ms + other.ms,
});

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
