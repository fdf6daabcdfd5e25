import type { checkpointQueries } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { auditLogQueries } from '@agent-ticket/drizzle/record/audit-log.ts';
import type { Ledger } from '../ledger.ts';

export interface RetentionPorts {
  readonly auditLog: ReturnType<typeof auditLogQueries>;
  readonly checkpoints: ReturnType<typeof checkpointQueries>;
  readonly ledger: Ledger;
  readonly randomId: () => string;
  readonly retentionMs: number;
}

/** One purge deletes whole runs up to this many events, more than the longest run has, and leaves the rest. */
const MAX_EVENTS = 11_000;

/**
 * Deletes events that were sealed longer than the retention ago: whole runs between checkpoints, from the beginning,
 * never the newest event. Checkpoints stay, so that what is left is still proven from the checkpoint before it. The
 * log says first that it will be shorter. `now` in ms; answers how many events went.
 */
export async function purgeAudit(ports: RetentionPorts, now: number): Promise<number> {
  const { auditLog, checkpoints } = ports;
  const old = await checkpoints.writtenBy(now - ports.retentionMs);
  const bounds = await auditLog.bounds();
  if (old === undefined || bounds === undefined || old.through < bounds.first) return 0;
  const limit = Math.min(old.through, bounds.last - 1, bounds.first + MAX_EVENTS);
  const end = await checkpoints.covering(limit);
  if (end === undefined || end.through < bounds.first) return 0;
  const event = {
    eventId: ports.randomId(),
    at: now,
    type: 'audit.purged',
    outcome: 'success',
    details: { from: bounds.first, through: end.through },
  } as const;
  await ports.ledger.settle('audit', { event });
  return auditLog.purge(end.through);
}
