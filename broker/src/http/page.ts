import type { FoundPage } from '@agent-ticket/drizzle/database.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import { base64url } from 'jose';
import * as z from 'zod';
import { readQuery } from './query.ts';

/** A page of a list: how many, and after which place. The place is the last row's sort key, never an offset. */
interface Page<Place> {
  readonly limit: number;
  readonly after: Place | undefined;
}

const DEFAULT_LIMIT = 50;

/** The parameters of every list. */
export const PAGE = z.object({
  limit: z.coerce.number<string>().int().min(1).max(200).default(DEFAULT_LIMIT),
  cursor: z.string().optional(),
});

/** Reads `limit` and `cursor`. A cursor of another list, or one that was made up, is refused. */
export function readPage<Place>(url: string, place: z.ZodType<Place>): Outcome<Page<Place>> {
  const page = readQuery(url, PAGE);
  if (!page.ok) return page;
  const { limit, cursor } = page.value;
  if (cursor === undefined) return ok({ limit, after: undefined });
  // One character more than whole bytes is no base64url at all.
  const after =
    /^[A-Za-z0-9_-]{2,512}$/.test(cursor) && cursor.length % 4 !== 1
      ? place.safeParse(readStrictJson(base64url.decode(cursor)))
      : undefined;
  return after?.success === true
    ? ok({ limit, after: after.data })
    : err('field_invalid', { field: 'cursor' });
}

/**
 * `{items, next_cursor}` from one row more than the page holds, which shows whether there is another page, or from the
 * place where a search stopped that examines no more rows for one page.
 */
export function pageOf<Row, Item, Place>(
  { rows, stoppedAt }: FoundPage<Row, Place>,
  limit: number,
  item: (row: Row) => Item,
  placeOf: (row: Row) => Place,
): { items: Item[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  const next = last === undefined ? stoppedAt : placeOf(last);
  return {
    items: shown.map(item),
    next_cursor: next === undefined ? null : base64url.encode(JSON.stringify(next)),
  };
}
