import * as z from 'zod';
import { type ExitCode, type Terminal, UsageError } from '../command.ts';
import type { Access } from './access.ts';
import { callBroker, type Json, notBroker } from './client.ts';
import type { Members, Operation } from './operation.ts';
import { json, plain } from './plain-text.ts';
import { type Column, tableOf } from './table.ts';

const Page = z.object({
  items: z.array(z.record(z.string(), z.unknown())),
  next_cursor: z.string().nullable().default(null),
  /** Of the audit log: older events are elsewhere. */
  archived_through: z.int().nullable().default(null),
});

/** The most that the broker gives at once. */
const PAGE_ROWS = 200;
/** A list that meets the limit of requests goes on when it may, if that is soon. */
const LONGEST_PAUSE_SECONDS = 60;

/**
 * The rows of a list, page by page: the next page is asked for when the last one was taken. At most `limit` rows;
 * `undefined` of a list that comes at once.
 */
export async function* pagesOf(
  operation: Operation,
  members: Members,
  limit: number | undefined,
  access: Access,
  terminal: Terminal,
): AsyncGenerator<readonly Json[]> {
  let cursor: string | undefined;
  for (let left = limit ?? 1; left > 0; ) {
    const size = limit === undefined ? {} : { limit: Math.min(left, PAGE_ROWS), cursor };
    const page = Page.safeParse(await patiently(operation, { ...members, ...size }, access, terminal));
    if (!page.success) throw notBroker(access, 200);
    left -= page.data.items.length;
    yield page.data.items;
    const { next_cursor: next, archived_through: archived } = page.data;
    if (next === null && left > 0 && archived !== null)
      terminal.err(`Events up to number ${archived} are in the archive, where "audit export" finds them.\n`);
    if (next === null) return;
    if (next === cursor) throw new UsageError(`${access.broker} gives the same page again and again.`);
    cursor = next;
  }
}

async function patiently(
  operation: Operation,
  members: Members,
  access: Access,
  terminal: Terminal,
): Promise<Json> {
  for (;;) {
    try {
      return await callBroker(operation, members, access, terminal);
    } catch (error) {
      const { code, retry_after: pause } = error instanceof UsageError ? error.facts : {};
      if (code !== 'RATE_LIMITED' || typeof pause !== 'number' || pause > LONGEST_PAUSE_SECONDS) throw error;
      const seconds = Math.max(1, pause);
      terminal.err(`too many requests: going on in ${seconds} s …\n`);
      await terminal.wait(seconds * 1000);
    }
  }
}

/** A list: NDJSON, or a table that fits the terminal. Holds one page in memory. */
export async function showList(
  pages: AsyncIterable<readonly Json[]> | Iterable<readonly Json[]>,
  columns: readonly Column[],
  isJson: boolean,
  terminal: Terminal,
): Promise<number> {
  const table = tableOf(columns, terminal.columns);
  let shown = 0;
  for await (const page of pages) {
    if (page.length > 0)
      terminal.out(isJson ? page.map((row) => `${json(row)}\n`).join('') : table(page, terminal.now()));
    shown += page.length;
    await terminal.drained();
  }
  if (shown === 0 && !isJson) terminal.err('None.\n');
  return shown;
}

/** One object: a line of JSON, or a line for each member. */
export function showObject(body: Json, isJson: boolean, terminal: Terminal): void {
  if (isJson) {
    terminal.out(`${json(body)}\n`);
    return;
  }
  const width = Math.max(...Object.keys(body).map((name) => name.length));
  for (const [name, value] of Object.entries(body)) {
    if (name === 'receipt') continue;
    const lines = Array.isArray(value) && value.some(isRow) ? value.map(rowText) : [cell(value)];
    for (const [index, line] of lines.entries())
      terminal.out(`${(index === 0 ? plain(name) : '').padEnd(width)}  ${line}\n`);
  }
}

const isRow = (value: unknown): boolean => typeof value === 'object' && value !== null;
/** The values of an object in one line, without the names of its members. */
const rowText = (row: unknown): string => Object.values(Object(row)).map(cell).join('  ');

/** A value as one line of text. */
export const cell = (value: unknown): string =>
  value === null || value === undefined
    ? '-'
    : typeof value === 'string'
      ? plain(value)
      : Array.isArray(value) && value.every((each) => typeof each === 'string')
        ? plain(value.join(' ')) || '-'
        : json(value);

const Receipt = z.object({
  closed: z.int(),
  objects: z.int(),
  unreachable: z.int(),
  pending: z.int(),
});

/**
 * Prints the receipt about live sockets on the error output, and answers the exit code: 1 where some objects were not
 * reached. The broker goes on asking those.
 */
export function showReceipt(body: Json, again: string, terminal: Terminal): ExitCode {
  const read = Receipt.safeParse(body.receipt);
  if (!read.success) return 0;
  const { closed, objects, unreachable, pending } = read.data;
  const left = unreachable + pending;
  if (left === 0) {
    terminal.err(`${count(closed, 'session')} closed, ${count(objects, 'object')} reached.\n`);
    return 0;
  }
  terminal.err(
    `${count(closed, 'session')} closed. Reached ${objects} of ${objects + left} objects; the broker goes on asking the others. ${again}\n`,
  );
  return 1;
}

export const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** A member of a value, as {@link cell} shows it. */
export const memberText = (value: unknown, name: string): string => cell(Object(value)[name]);
