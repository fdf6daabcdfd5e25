import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { AuditEventRow } from '@agent-ticket/drizzle/record/audit-log.ts';
import type { SegmentRow } from '@agent-ticket/drizzle/record/audit-segments.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import { yieldTurn } from '../runtime/yield-turn.ts';
import type { ArchiveStore } from './archive-store.ts';
import { readSegment, type SegmentFault, segmentName } from './segment.ts';
import { eventLine, readEventLine } from './view.ts';

export interface LogPorts {
  readonly record: Pick<RecordStore, 'segments'>;
  /** Left out: there is none. */
  readonly archive?: ArchiveStore | undefined;
}

/** Events that one turn of the loop reads: some milliseconds. */
const PAGE = 250;

/** An event of the log, from either place. */
export interface LogEvent {
  readonly seq: number;
  /** Its line of an export. That of the archive is the one which was sealed, whatever this version makes of it. */
  readonly line: () => string;
  /** `undefined` for an event of the archive that this version cannot read, such as one of a newer version. */
  readonly row: () => AuditEventRow | undefined;
}

const ofRow = (row: AuditEventRow): LogEvent => ({
  seq: row.seq,
  line: () => eventLine(row),
  row: () => row,
});

/** A segment whose events cannot be read. */
export interface LostSegment {
  readonly segment: SegmentRow;
  readonly fault: SegmentFault;
}

/**
 * Where the log begins, after what retention has deleted: `purged`, the last event of that, and `base`, the checkpoint after
 * whose last event the rest is proven. A purge may have deleted only some of the events before that checkpoint. 0 and
 * `undefined`: nothing was deleted.
 */
export async function logBegin({
  segments,
  checkpoints,
}: Pick<RecordStore, 'segments' | 'checkpoints'>): Promise<{
  readonly purged: number;
  readonly base: CheckpointRow | undefined;
}> {
  const { segment, rows } = await segments.following(0, 1);
  const purged = (segment?.from ?? rows[0]?.seq ?? 1) - 1;
  return { purged, base: purged === 0 ? undefined : await checkpoints.reaching(purged) };
}

/**
 * The events after a number in the order of arrival, from the archive and then from the database, in pages. Holds one
 * segment at most. A segment that cannot be read is answered in place of its events. Rejects where the database does not
 * answer, and with an `ArchiveFault` where the archive does not.
 */
export async function* readLog(
  { record, archive }: LogPorts,
  after: number,
): AsyncGenerator<readonly LogEvent[] | LostSegment, undefined> {
  let last = after;
  for (;;) {
    const { segment, rows } = await record.segments.following(last, PAGE);
    if (segment === undefined) {
      if (rows.length > 0) yield rows.map(ofRow);
      if (rows.length < PAGE) return;
      last = rows.at(-1)?.seq ?? last;
    } else {
      const text = await readSegment(archive, segment);
      if (typeof text === 'string') {
        // Retention may have deleted it meanwhile.
        const again = await record.segments.following(last, 1);
        if (again.segment?.digest !== segment.digest) continue;
        yield { segment, fault: text };
      } else yield* eventsOf(segment, text, last);
      last = segment.through;
    }
    await yieldTurn();
  }
}

/** The number is the first member of an event. */
const NUMBERED = /^\{"event":\{"seq":(\d+),/;

/** The events in the text of a segment after a number, in pages. */
async function* eventsOf(
  segment: SegmentRow,
  text: Uint8Array<ArrayBuffer>,
  after: number,
): AsyncGenerator<LogEvent[], undefined> {
  const lines = new TextDecoder().decode(text).split('\n');
  for (let from = 0; from < lines.length; from += PAGE) {
    const events = lines.slice(from, from + PAGE).filter((line) => line.startsWith('{"event"'));
    const numbered = events.map((line): LogEvent => {
      const seq = Number(NUMBERED.exec(line)?.[1] ?? Number.NaN);
      // Its digest is right, so that a broker wrote it.
      if (!Number.isSafeInteger(seq))
        throw new Error(`${segmentName(segment)} has an event without a number`);
      return { seq, line: () => `${line}\n`, row: () => readEventLine(parseJson(line)) };
    });
    const wanted = numbered.filter(({ seq }) => seq > after);
    if (wanted.length > 0) yield wanted;
    await yieldTurn();
  }
}
