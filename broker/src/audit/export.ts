import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { AuditEventRow } from '@agent-ticket/drizzle/record/audit-log.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { yieldTurn } from '../runtime/yield-turn.ts';
import { auditEventView, checkpointView } from './view.ts';

interface ExportPorts {
  readonly record: Pick<RecordStore, 'auditLog' | 'checkpoints'>;
}

/** Rows that are read and written down in one turn of the loop: some milliseconds. */
const PAGE = 250;

/**
 * The log from after an event to its end, as NDJSON: `{"event": …}` in the order of arrival, `{"checkpoint": …}`
 * after the last event that it covers, and first of all the checkpoint that is the base of the rest. Holds one page of
 * each in memory, and reads the next when the reader takes it. Resume with the last `seq` that arrived.
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

/** Text of about a page of lines at a time. */
async function* exportLines(
  { record: { auditLog, checkpoints } }: ExportPorts,
  after: number,
): AsyncGenerator<string, undefined> {
  const bounds = await auditLog.bounds();
  const purged = (bounds?.first ?? 1) - 1;
  // A purge may have stopped within a run, of which nothing is proven any more: what is left begins after it.
  const begin = after >= purged ? after : ((await checkpoints.reaching(purged))?.through ?? purged);
  const base = await baseOf(checkpoints, begin);
  if (base !== undefined) yield checkpointLine(base);
  let [seq, n] = [begin, base?.n ?? 0];
  for (;;) {
    const signed = await checkpoints.following(n, PAGE);
    const rows = await auditLog.arrivals(seq, PAGE);
    // Only up to where both pages go: a checkpoint must not come before an event that it covers, nor after the next.
    const end = Math.min(
      signed.length < PAGE ? Number.POSITIVE_INFINITY : (signed.at(-1)?.through ?? 0),
      rows.length < PAGE ? Number.POSITIVE_INFINITY : (rows.at(-1)?.seq ?? 0),
    );
    const taken = rows.filter((row) => row.seq <= end);
    // A page that ends on a covered event may be followed by more quiet checkpoints; they come with the next page.
    const shown = signed.filter(({ through }) => through <= end);
    if (taken.length + shown.length > 0) yield interleave(taken, shown);
    seq = taken.at(-1)?.seq ?? seq;
    n = shown.at(-1)?.n ?? n;
    if (rows.length < PAGE && signed.length < PAGE) return;
    await yieldTurn();
  }
}

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

/** Characters that JSON may hold as they are and that many readers take for the end of a line. */
const LINE_ENDS = /[\u0085\u2028\u2029]/g;

/** One line, for every reader of lines. */
const lineOf = (value: object): string =>
  `${JSON.stringify(value).replace(LINE_ENDS, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
const eventLine = (row: AuditEventRow): string => lineOf({ event: auditEventView(row) });
const checkpointLine = (row: CheckpointRow): string => lineOf({ checkpoint: checkpointView(row) });

function interleave(rows: readonly AuditEventRow[], signed: readonly CheckpointRow[]): string {
  const lines: string[] = [];
  let next = 0;
  for (const checkpoint of signed) {
    for (; (rows[next]?.seq ?? Number.POSITIVE_INFINITY) <= checkpoint.through; next += 1)
      lines.push(...rows.slice(next, next + 1).map(eventLine));
    lines.push(checkpointLine(checkpoint));
  }
  return [...lines, ...rows.slice(next).map(eventLine)].join('');
}
