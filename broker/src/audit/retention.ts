import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { yieldTurn } from '../runtime/yield-turn.ts';
import { type ArchiveStore, askArchive, sha256 } from './archive-store.ts';
import { segmentName } from './segment.ts';

interface RetentionPorts {
  readonly record: Pick<RecordStore, 'auditLog' | 'checkpoints' | 'deliver'>;
  readonly config: { readonly auditRetentionMs: number };
}

interface SegmentRetentionPorts extends RetentionPorts {
  readonly record: Pick<RecordStore, 'auditLog' | 'checkpoints' | 'segments' | 'deliver'>;
  readonly archive?: ArchiveStore | undefined;
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
  await recordPurge(bounds.first, end.through, ports, now);
  let total = 0;
  for (let gone = BATCH; gone === BATCH; total += gone) {
    await yieldTurn();
    gone = await auditLog.purge(end.through, BATCH);
  }
  return total;
}

/**
 * Deletes the oldest segment of the archive, when its last checkpoint is older than the retention: after the event of the
 * purge, nothing reads it any more; its row goes after its file, so that no file is left when this stops half way. Whether
 * there was one. Any number of instances may run it at once. `now` in ms.
 */
export async function purgeSegment(ports: SegmentRetentionPorts, now: number): Promise<boolean> {
  const { segments } = ports.record;
  const segment = await segments.oldest();
  if (segment === undefined || segment.at > now - ports.config.auditRetentionMs) return false;
  const { archive } = ports;
  if (archive === undefined) throw new Error('segments are past their retention, and there is no archive');
  const { n, from, through, purgedAt } = segment;
  if (purgedAt === null) {
    if (from <= through) await recordPurge(from, through, ports, now);
    await segments.endReading(n, now);
  }
  await askArchive((answered) => answered(archive.delete(segmentName(segment))));
  await segments.delete(n);
  return true;
}

/** Directly, as nothing but this database changes. A second event of the same purge is not written. */
async function recordPurge(
  from: number,
  through: number,
  { record }: { readonly record: Pick<RecordStore, 'deliver'> },
  now: number,
): Promise<void> {
  const eventId = await purgeId(from, through);
  const details = { from, through };
  const event = { eventId, at: now, type: 'audit.purged', outcome: 'success', details } as const;
  await record.deliver([{ event }], now);
}

/** The same for every purge of the same run: a UUID of our own making (RFC 9562 §5.8) from a digest. */
async function purgeId(first: number, through: number): Promise<string> {
  const hex = await sha256(new Uint8Array(new TextEncoder().encode(`audit.purged ${first} ${through}`)));
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
