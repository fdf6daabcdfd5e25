import type {
  Change,
  NewRevocation,
  OutboxCommand,
  RevocationRow,
} from '@agent-ticket/drizzle/control/change.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { Receipt } from '@agent-ticket/shared/control.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { REVOCATION_KEPT_MS, type RevocationCode } from '@agent-ticket/shared/revocation.ts';
import { type Target, targetName } from '@agent-ticket/shared/target.ts';
import { type ChangePorts, isDone, NOTHING_DONE, tryDeliver } from './outbox.ts';
import { SEND_TIMEOUT_MS } from './send-command.ts';

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

/** The HTTP status of a change: 200, or 202 while the change may not have arrived at live sessions. */
export const statusOf = (receipt: Receipt): 200 | 202 => (isDone(receipt) ? 200 : 202);

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
  for (const { kind } of wanted.revocations ?? []) ports.measure('revocations_total', { kind });
  try {
    const receipt = await tryDeliver(row, ports);
    // One that some objects have not answered is late by an unknown time.
    if (ids.length > 0 && isDone(receipt)) ports.measure('revocation_close_seconds', {}, receipt.ms / 1000);
    return receipt;
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
