import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { yieldTurn } from '../runtime/yield-turn.ts';
import type { SegmentLine } from './proof/export-line.ts';
import { type LogEvent, type LogPorts, type LostSegment, logBegin, readLog } from './read-log.ts';
import { isSegment, segmentName } from './segment.ts';
import { checkpointLine, lineOf } from './view.ts';

interface ExportPorts extends LogPorts {
  readonly record: Pick<RecordStore, 'segments' | 'checkpoints'>;
}

/** Checkpoints that are read and written down in one turn of the loop: some milliseconds. */
const PAGE = 250;

/**
 * The log from after an event to its end, from archive and database, as NDJSON: `{"event": …}` in the order of arrival,
 * `{"checkpoint": …}` after the last event that it covers, and first of all the checkpoint that is the base of the rest;
 * `{"segment": …}` in place of events that the archive has lost. Holds one page of each and one segment in memory, and
 * reads the next when the reader takes it. Resume with the last `seq` that arrived.
 */
export function exportAudit(ports: ExportPorts, after: number): ReadableStream<Uint8Array> {
  const lines = exportLines(ports, after);
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await lines.next();
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      async cancel() {
        await lines.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/** An export that runs. */
export interface RunningExport {
  /** When its reader last took a part of it, in ms. */
  takenAt: number;
  /** Ends it by an error, so that its reader takes no part for the whole. */
  readonly stop: () => void;
}

/** Exports of one principal at the same time: each may hold a segment in memory. */
const MAX_EXPORTS = 2;
/** An export whose reader has taken nothing for so long gives way to another one, in ms. */
const STALLED_MS = 60_000;

/**
 * An export as one of those that run for a principal. `undefined`: as many run as may. `now` and the times of `clock` in ms.
 *
 * @param running those of the principal, which this function adds to and removes from.
 */
export function exportBeside(
  running: Set<RunningExport>,
  open: () => ReadableStream<Uint8Array>,
  clock: () => number,
): ReadableStream<Uint8Array> | undefined {
  const now = clock();
  for (const each of running) if (each.takenAt + STALLED_MS < now) each.stop();
  if (running.size >= MAX_EXPORTS) return undefined;
  const reader = open().getReader();
  const own: RunningExport = { takenAt: now, stop: () => end(new Error('the export has stalled')) };
  running.add(own);
  let stopped: Error | undefined;
  function end(why: Error): void {
    stopped = why;
    running.delete(own);
    // Of what has failed or ended, too: there is nothing more to free.
    reader.cancel(why).catch(() => {});
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        own.takenAt = clock();
        if (stopped !== undefined) throw stopped;
        try {
          const { done, value } = await reader.read();
          if (stopped !== undefined) throw stopped;
          if (value !== undefined) controller.enqueue(value);
          if (!done) return;
          running.delete(own);
          controller.close();
        } catch (error) {
          running.delete(own);
          throw error;
        }
      },
      async cancel(reason) {
        running.delete(own);
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Text of about a page of lines at a time. */
async function* exportLines(ports: ExportPorts, after: number): AsyncGenerator<string, undefined> {
  const { checkpoints } = ports.record;
  const { purged, base: first } = await logBegin(ports.record);
  const begin = after >= purged ? after : (first?.through ?? purged);
  const base = await baseOf(checkpoints, begin);
  if (base !== undefined) yield checkpointLine(base);
  let n = base?.n ?? 0;
  /** Lines of rows, and of the checkpoints that cover no event after `through`. */
  async function* linesOf(page: readonly LogEvent[], through: number): AsyncGenerator<string, undefined> {
    for (let rows = page; ; ) {
      const signed = await checkpoints.following(n, PAGE);
      // Only up to where both pages go: a checkpoint must not come before an event that it covers, nor after the next.
      const end = signed.length < PAGE ? through : Math.min(through, signed.at(-1)?.through ?? through);
      const taken = rows.filter(({ seq }) => seq <= end);
      const shown = signed.filter((checkpoint) => checkpoint.through <= end);
      if (taken.length + shown.length > 0) yield interleave(taken, shown);
      rows = rows.slice(taken.length);
      n = shown.at(-1)?.n ?? n;
      if (rows.length === 0 && shown.length < PAGE) return;
      await yieldTurn();
    }
  }
  let last = begin;
  for await (const page of readLog(ports, begin)) {
    const isLost = 'fault' in page;
    if (isLost) yield lineOf({ segment: lostView(page) });
    last = isLost ? page.segment.through : (page.at(-1)?.seq ?? last);
    yield* linesOf(isLost ? [] : page, last);
  }
  // Those of minutes in which nothing happened, and that were written meanwhile.
  yield* linesOf([], last);
}

/** A segment whose events are not in the export, which its reader must not take for a log without them. */
const lostView = ({ segment, fault }: LostSegment): SegmentLine => ({
  name: isSegment(segment) ? segmentName(segment) : 'row-that-no-broker-wrote',
  ...{ from: segment.from, through: segment.through, fault },
});

/**
 * The checkpoint that is the base of the events after one. Of several that end with that event, since nothing happened
 * for minutes, the first: an export that ended there, to which this one is appended, may have none of them.
 */
async function baseOf(
  checkpoints: RecordStore['checkpoints'],
  after: number,
): Promise<CheckpointRow | undefined> {
  const first = await checkpoints.reaching(after);
  return first?.through === after ? first : checkpoints.covering(after);
}

function interleave(rows: readonly LogEvent[], signed: readonly CheckpointRow[]): string {
  const lines: string[] = [];
  let next = 0;
  for (const checkpoint of signed) {
    for (; (rows[next]?.seq ?? Number.POSITIVE_INFINITY) <= checkpoint.through; next += 1)
      lines.push(...rows.slice(next, next + 1).map(({ line }) => line()));
    lines.push(checkpointLine(checkpoint));
  }
  return [...lines, ...rows.slice(next).map(({ line }) => line())].join('');
}
