import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { SegmentRow } from '@agent-ticket/drizzle/record/audit-segments.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { yieldTurn } from '../runtime/yield-turn.ts';
import { type ArchiveStore, askArchive, sha256 } from './archive-store.ts';
import { chainOn } from './chain.ts';
import { logBegin } from './read-log.ts';
import { compareSeal, NO_SEAL, type SealPorts } from './seal.ts';
import { compress, MAX_TEXT_BYTES, readSegment, segmentName } from './segment.ts';
import { auditEventView, checkpointLine, eventLine } from './view.ts';

interface ArchivePorts extends SealPorts {
  readonly config: { readonly issuer: string; readonly auditHotMs: number | undefined };
  readonly record: Pick<RecordStore, 'auditLog' | 'checkpoints' | 'segments'>;
  readonly archive?: ArchiveStore | undefined;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/**
 * The most events of a segment, some 7 MB of text, unless there are more between two checkpoints. The most checkpoints
 * are those of one day, for days on which little happens.
 */
const SEGMENT = { events: 10_000, checkpoints: 1_440 };
/** Rows that one turn of the event loop reads, chains and formats: some milliseconds. */
const PAGE = 250;
/** Length of the text that is encoded at once, in UTF-16 units. */
const PART_LENGTH = 256 * 1024;
/** Events that one statement deletes. Each event costs a write for its row and one for each index. */
const BATCH = 500;

/**
 * Moves the next segment of the audit log to the archive, if all of its events were sealed longer than `auditHotMs` ago:
 * writes its file, reads the file back, stores a row for the segment, and deletes its events. Once the row is stored,
 * readers use the segment instead of the events.
 *
 * The log alone determines where a segment ends, so a repetition writes the same text under the same name. An interrupted
 * call, or several instances at once, therefore lose and duplicate no event. Events that their checkpoints do not prove do
 * not move, and nothing moves while the log differs from the stored seal. The newest event of the database also stays
 * there until a newer event exists.
 *
 * Resolves to whether a segment was moved, by whichever instance. Rejects with an `ArchiveFault` if the archive does not
 * answer. `now` in ms.
 */
export async function archiveAudit(
  ports: ArchivePorts,
  now: number,
  most: typeof SEGMENT = SEGMENT,
): Promise<boolean> {
  const { archive, config, record } = ports;
  if (archive === undefined || config.auditHotMs === undefined) return false;
  if ((await compareSeal(ports, now)).fault !== undefined) return false;
  const base = await archivedEnd(ports);
  await deleteEvents(base.through, ports);
  const end = await nextEnd(base, now - config.auditHotMs, most, ports);
  if (end === undefined) return false;
  const run = await textOf(base, end, ports);
  const place = { fromN: base.n + 1, n: end.n, from: base.through + 1, through: end.through };
  const refuse = async (reason: string) => {
    // Another instance has moved these events meanwhile, or retention has deleted them.
    if ((await archivedEnd(ports)).n !== base.n) return true;
    ports.log({ event: 'archive_refused', reason, from: place.from, through: place.through });
    return false;
  };
  if (run === undefined) return refuse('not what the checkpoints signed');
  const { text, content } = await compress(run);
  if (text.length > MAX_TEXT_BYTES) return refuse('too large');
  const segment: SegmentRow = {
    ...{ ...place, at: end.at, bytes: text.length, digest: await sha256(text), purgedAt: null },
  };
  await askArchive((answered) => answered(archive.put(segmentName(segment), content)));
  const kept = await readSegment(archive, segment);
  if (typeof kept === 'string') return refuse(`the archive's file is ${kept}`);
  await record.segments.insert(segment);
  await deleteEvents(end.through, ports);
  return true;
}

/**
 * The time for which the next segment has waited to be moved, in ms, exact to a minute. 0: no segment is due. `undefined`:
 * the configuration moves no segment. `now` in ms.
 */
export async function archiveOverdue(
  ports: Pick<ArchivePorts, 'archive' | 'record'> & {
    readonly config: Pick<ArchivePorts['config'], 'auditHotMs'>;
  },
  now: number,
): Promise<number | undefined> {
  const { auditHotMs } = ports.config;
  if (ports.archive === undefined || auditHotMs === undefined) return undefined;
  const end = await nextEnd(await archivedEnd(ports), now - auditHotMs, SEGMENT, ports);
  return end === undefined ? 0 : now - auditHotMs - end.at;
}

type LogEnd = Pick<CheckpointRow, 'n' | 'through' | 'hash'>;

/** The checkpoint that is the base of the next segment. */
async function archivedEnd({ record }: Pick<ArchivePorts, 'record'>): Promise<LogEnd> {
  const newest = await record.segments.newest();
  const end = newest && (await record.checkpoints.find(newest.n));
  return end ?? (await logBegin(record)).base ?? NO_SEAL;
}

/**
 * The last checkpoint of the segment after a base, if the segment is complete and every event in it was sealed by
 * `until`, in ms. A segment is complete if one more checkpoint would make it too long.
 */
async function nextEnd(
  base: LogEnd,
  until: number,
  most: typeof SEGMENT,
  { record: { checkpoints } }: Pick<ArchivePorts, 'record'>,
): Promise<CheckpointRow | undefined> {
  const old = await checkpoints.writtenBy(until);
  const [through, n] = [base.through + most.events, base.n + most.checkpoints];
  if (old === undefined || (old.through <= through && old.n <= n)) return undefined;
  const fitting = await checkpoints.covering(through);
  return checkpoints.find(Math.max(base.n + 1, Math.min(fitting?.n ?? 0, n)));
}

/**
 * The lines of the events and checkpoints after a base, in parts. `undefined`: the events do not match the checkpoints.
 * Does NOT verify signatures.
 */
async function textOf(
  base: LogEnd,
  end: CheckpointRow,
  { record: { auditLog, checkpoints } }: Pick<ArchivePorts, 'record'>,
): Promise<Blob[] | undefined> {
  const first = base.n === 0 ? undefined : await checkpoints.find(base.n);
  const parts: Blob[] = [];
  let lines = first === undefined ? '' : checkpointLine(first);
  const flush = (): void => {
    parts.push(new Blob([lines]));
    lines = '';
  };
  const rows = inPages(
    (after) => auditLog.arrivals(after, PAGE),
    base.through,
    ({ seq }) => seq,
  );
  let { n, hash, through } = base;
  for await (const checkpoint of inPages(
    (after) => checkpoints.following(after, PAGE),
    n,
    (row) => row.n,
  )) {
    while (through < checkpoint.through) {
      const row = (await rows.next()).value;
      if (row === undefined) return undefined;
      hash = chainOn(hash, auditEventView(row)) ?? '';
      lines += eventLine(row);
      through = row.seq;
      if (lines.length > PART_LENGTH) flush();
    }
    if (checkpoint.n !== n + 1 || checkpoint.through !== through || checkpoint.hash !== hash)
      return undefined;
    n = checkpoint.n;
    lines += checkpointLine(checkpoint);
    if (lines.length > PART_LENGTH) flush();
    if (n === end.n) break;
  }
  flush();
  return n === end.n ? parts : undefined;
}

/** All rows after a given row, page by page. */
async function* inPages<Row>(
  read: (after: number) => Promise<Row[]>,
  after: number,
  numberOf: (row: Row) => number,
): AsyncGenerator<Row, undefined> {
  let last = after;
  for (;;) {
    const page = await read(last);
    yield* page;
    const end = page.at(-1);
    if (end === undefined || page.length < PAGE) return;
    last = numberOf(end);
    await yieldTurn();
  }
}

/** Deletes the events that are in segments of the archive from the database. */
async function deleteEvents(through: number, { record }: Pick<ArchivePorts, 'record'>): Promise<void> {
  if (through === 0) return;
  for (let gone = BATCH; gone === BATCH; ) {
    await yieldTurn();
    gone = await record.auditLog.purge(through, BATCH);
  }
}
