import type { FoundPage } from '@agent-ticket/drizzle/database.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import { base64url } from 'jose';
import * as z from 'zod';
import { decimal, readQuery } from './query.ts';

/** A page of a list: how many, and after which place. The place is the last row's sort key, never an offset. */
interface Page<Place> {
  readonly limit: number;
  readonly after: Place | undefined;
  /** Names the list and its filters. */
  readonly of: string;
}

const DEFAULT_LIMIT = 50;

/** The parameters of every list. */
export const PAGE = z.object({
  limit: decimal(z.int().min(1).max(200).default(DEFAULT_LIMIT)),
  cursor: z.string().optional(),
});

/**
 * Reads `limit` and `cursor`. A forged cursor is refused, and so is a cursor of another list or of other filters: it
 * would leave out rows that the caller has not seen.
 */
export async function readPage<Place>(url: string, place: z.ZodType<Place>): Promise<Outcome<Page<Place>>> {
  const page = readQuery(url, PAGE);
  if (!page.ok) return page;
  const { limit, cursor } = page.value;
  const of = await nameOfList(url);
  if (cursor === undefined) return ok({ limit, after: undefined, of });
  const wrong = (hint: string) => err('field_invalid', { field: 'cursor', hint });
  // One character more than whole bytes is no base64url at all.
  const read =
    CURSOR.test(cursor) && cursor.length % 4 !== 1
      ? Cursor.safeParse(readStrictJson(base64url.decode(cursor)))
      : undefined;
  if (read?.success !== true) return wrong('it must be the next_cursor of the page before');
  const after = place.safeParse(read.data.after);
  return after.success && read.data.of === of
    ? ok({ limit, after: after.data, of })
    : wrong('it is of another list or of other filters: ask without it for the first page');
}

/** A place has a label and an id of a principal at most. */
const CURSOR = /^[A-Za-z0-9_-]{2,4096}$/;
const Cursor = z.strictObject({ of: z.string(), after: z.unknown() });

const NAME_BYTES = 6;

/** A short digest of path and filters. It finds mistakes; rights are checked for each page. */
async function nameOfList(url: string): Promise<string> {
  const { pathname, searchParams } = new URL(url);
  const filters = [...searchParams].filter(([name]) => !Object.hasOwn(PAGE.shape, name)).sort();
  const text = JSON.stringify([pathname, filters]);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return base64url.encode(new Uint8Array(digest).subarray(0, NAME_BYTES));
}

/**
 * `{items, next_cursor}` from one row more than the page holds, which shows whether there is another page, or from the
 * place where a search stopped that examines no more rows for one page.
 */
export function pageOf<Row, Item, Place>(
  { rows, stoppedAt }: FoundPage<Row, Place>,
  { limit, of }: Pick<Page<Place>, 'limit' | 'of'>,
  item: (row: Row) => Item,
  placeOf: (row: Row) => Place,
): { items: Item[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  const next = last === undefined ? stoppedAt : placeOf(last);
  return {
    items: shown.map(item),
    next_cursor: next === undefined ? null : base64url.encode(JSON.stringify({ of, after: next })),
  };
}
