import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { yieldTurn } from '../runtime/yield-turn.ts';

interface RetentionPorts {
  readonly record: Pick<RecordStore, 'auditLog' | 'checkpoints' | 'deliver'>;
  readonly config: { readonly auditRetentionMs: number };
}

/** One purge deletes whole runs up to this many events, more than the longest run has, and leaves the rest. */
const MAX_EVENTS = 11_000;
/** One statement deletes so many: each costs a write for its row and one for each of its indexes. */
const BATCH = 500;

/**
 * Deletes events that were sealed longer than the retention ago: whole runs between checkpoints, from the beginning,
 * never the newest event. Checkpoints stay, so that the rest is still proven from the checkpoint before it. An event of
 * the purge is written first, once however many instances purge at the same time. A purge that stopped half way is
 * completed by the next; exports leave out a run that is not whole any more. `now` in ms; answers how many
 * events this call deleted.
 */
export async function purgeAudit(ports: RetentionPorts, now: number): Promise<number> {
  const { auditLog, checkpoints } = ports.record;
  const old = await checkpoints.writtenBy(now - ports.config.auditRetentionMs);
  const bounds = await auditLog.bounds();
  if (old === undefined || bounds === undefined || old.through < bounds.first) return 0;
  const limit = Math.min(old.through, bounds.last - 1, bounds.first + MAX_EVENTS);
  const end = await checkpoints.covering(limit);
  if (end === undefined || end.through < bounds.first) return 0;
  const event = {
    eventId: await purgeId(bounds.first, end.through),
    at: now,
    type: 'audit.purged',
    outcome: 'success',
    details: { from: bounds.first, through: end.through },
  } as const;
  // Directly, as nothing but this database changes; a second event of the same id is not written.
  await ports.record.deliver([{ event }], now);
  let total = 0;
  for (let gone = BATCH; gone === BATCH; total += gone) {
    await yieldTurn();
    gone = await auditLog.purge(end.through, BATCH);
  }
  return total;
}

/** The same for every purge of the same run: a UUID of our own making (RFC 9562 §5.8) from a digest. */
async function purgeId(first: number, through: number): Promise<string> {
  const name = new TextEncoder().encode(`audit.purged ${first} ${through}`);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', name));
  const hex = [...digest.slice(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
