import type { paths } from '@agent-ticket/broker/src/openapi/generated-types.ts';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import * as z from 'zod';
import { type ExitCode, type Lines, type Terminal, UsageError } from '../command.ts';
import { type Access, findAccess } from './access.ts';
import { dataOf, openClient } from './client.ts';
import { EVENT_COLUMNS } from './columns.ts';
import { operationOf } from './operation.ts';
import { escaped, json, plain } from './plain-text.ts';
import type { Common } from './row.ts';
import { pagesOf } from './show.ts';
import { tableOf } from './table.ts';

interface ExportOptions extends Common {
  /** Lines are appended to it, after those that are there; left out: the output. */
  readonly file?: string | undefined;
  /** The number of the last event that is not wanted; left out: 0 of an export, of a tail the newest. */
  readonly after?: number | undefined;
}

interface TailOptions extends ExportOptions {
  /** Seconds between two questions. Each is an event of the log itself. */
  readonly every: number;
  /** Also the events of reading the log, those of this command among them. */
  readonly reads: boolean;
}

const Line = z.union([
  z.object({ event: z.looseObject({ seq: z.int(), type: z.string() }) }),
  z.object({ checkpoint: z.looseObject({ n: z.int(), through: z.int() }) }),
  z.object({ segment: z.looseObject({ name: z.string(), fault: z.string() }) }),
]);
type Line = z.infer<typeof Line>;

/**
 * `agent-ticket audit export`: the log as it was signed, for `audit verify`. A file that is there is continued after its
 * last checkpoint: later lines are not proven yet, and come again with the checkpoint that proves them. Exits with 1 where
 * the archive has lost events.
 */
export async function auditExport(options: ExportOptions, terminal: Terminal): Promise<ExitCode> {
  const access = await findAccess(options.profile, terminal);
  let lost = 0;
  const watch = (lines: readonly string[]): void => {
    for (const { name, fault } of lines.flatMap((line) => lostSegmentOf(line) ?? [])) {
      lost += 1;
      terminal.err(`The archive has lost segment ${plain(name)}: ${plain(fault)}.\n`);
    }
  };
  if (options.file === undefined) {
    for await (const lines of exported(options.after ?? 0, access, terminal)) {
      watch(lines);
      terminal.out(lines.map((line) => `${escaped(line)}\n`).join(''));
      await terminal.drained();
    }
    return lost === 0 ? 0 : 1;
  }
  const file = await terminal.openLines(options.file, (line) => checkpointOf(line) !== undefined);
  try {
    const last = file.last === undefined ? undefined : checkpointOf(file.last);
    let events = 0;
    for await (const lines of exported(last?.through ?? options.after ?? 0, access, terminal)) {
      watch(lines);
      // An export begins with the checkpoint before it, which the file has.
      const missing = lines.filter(
        (line) => (checkpointOf(line)?.n ?? Number.POSITIVE_INFINITY) > (last?.n ?? 0),
      );
      if (missing.length > 0) await file.append(missing.map((line) => `${line}\n`).join(''));
      events += missing.filter((line) => eventOf(line) !== undefined).length;
      if (terminal.isInteractive) terminal.err(`\r${events} events …`);
    }
    if (terminal.isInteractive) terminal.err('\r');
    terminal.err(`${events} events after number ${last?.through ?? 0} are in ${options.file}.\n`);
    return lost === 0 ? 0 : 1;
  } finally {
    await file.close();
  }
}

/**
 * `agent-ticket audit tail`: each event once, in the order of arrival, until the process ends. With a file the last event in
 * it is where a later start goes on, so that neither a restart of this process nor one of the broker loses or repeats
 * any. Goes on through outages of the broker.
 */
export async function auditTail(options: TailOptions, terminal: Terminal): Promise<ExitCode> {
  const access = await findAccess(options.profile, terminal);
  const file =
    options.file === undefined
      ? undefined
      : await terminal.openLines(options.file, (line) => eventOf(line) !== undefined);
  try {
    return await follow(file, options, access, terminal);
  } finally {
    await file?.close();
  }
}

async function follow(
  file: Lines | undefined,
  options: TailOptions,
  access: Access,
  terminal: Terminal,
): Promise<ExitCode> {
  let last =
    (file?.last === undefined ? undefined : eventOf(file.last)?.seq) ??
    options.after ??
    (await newest(access, terminal));
  const table = tableOf(EVENT_COLUMNS, terminal.columns);
  const asJson = options.json || terminal.columns === undefined;
  let isAway = false;
  while (!terminal.interrupted.aborted) {
    try {
      for await (const lines of exported(last, access, terminal)) {
        for (const { name } of lines.flatMap((line) => lostSegmentOf(line) ?? []))
          terminal.err(`The archive has lost segment ${plain(name)}.\n`);
        const found = lines.flatMap((line) => {
          const event = eventOf(line);
          return event === undefined || event.seq <= last ? [] : [{ line, event }];
        });
        // With those that are not shown: the last line is where to go on.
        if (found.length > 0) await file?.append(found.map(({ line }) => `${line}\n`).join(''));
        const events = found.map(({ event }) => event);
        const shown = events.filter(({ type }) => options.reads || type !== 'admin.read');
        if (shown.length > 0)
          terminal.out(
            asJson ? shown.map((event) => `${json({ event })}\n`).join('') : table(shown, terminal.now()),
          );
        await terminal.drained();
        last = events.at(-1)?.seq ?? last;
        if (terminal.interrupted.aborted) return 0;
      }
      isAway = false;
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (!isAway) terminal.err('The broker does not answer; going on when it does …\n');
      isAway = true;
    }
    await terminal.wait(options.every * 1000);
  }
  // The prompt of the shell comes behind the `^C` of a terminal.
  if (terminal.isInteractive) terminal.err('\n');
  return 0;
}

/** An outage of the broker, or a connection that broke within an answer. */
const isPassing = (error: unknown): boolean =>
  error instanceof UsageError
    ? ['UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED', 'INTERNAL'].includes(String(error.facts.code))
    : error instanceof TypeError && error.cause !== undefined;

async function newest(access: Access, terminal: Terminal): Promise<number> {
  for await (const page of pagesOf(operationOf('GET /admin/agents/audit'), {}, 1, access, terminal)) {
    const seq = page[0]?.seq;
    if (typeof seq === 'number') return seq;
  }
  return 0;
}

/** Whole lines of the export, as many as came together. The last one without a line feed was cut off and is none. */
async function* exported(
  after: number,
  access: Access,
  terminal: Terminal,
): AsyncGenerator<readonly string[]> {
  const body = await dataOf(
    openClient<paths>(access, terminal).GET('/admin/agents/audit/export', {
      params: { query: { after } },
      parseAs: 'stream',
    }),
  );
  let rest = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (lines.length > 0) yield lines;
  }
}

const read = (line: string): Line | undefined => Line.safeParse(parseJson(line)).data;

function checkpointOf(line: string) {
  const found = read(line);
  return found !== undefined && 'checkpoint' in found ? found.checkpoint : undefined;
}

function eventOf(line: string) {
  const found = read(line);
  return found !== undefined && 'event' in found ? found.event : undefined;
}

function lostSegmentOf(line: string) {
  const found = read(line);
  return found !== undefined && 'segment' in found ? found.segment : undefined;
}
