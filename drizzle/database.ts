import { asc, type Column, fillPlaceholders, getTableColumns, inArray, type SQL, sql } from 'drizzle-orm';
import type { BatchItem, BatchResponse } from 'drizzle-orm/batch';
import type { RunnableQuery } from 'drizzle-orm/runnable-query';
import type {
  BaseSQLiteDatabase,
  PreparedQueryConfig,
  SQLiteColumn,
  SQLitePreparedQuery,
  SQLiteTable,
} from 'drizzle-orm/sqlite-core';

/**
 * What the D1 and the libSQL driver have in common. `batch` is the transaction on both, all or nothing;
 * `transaction` is left out on purpose, since D1 has none and libSQL's locks itself up.
 */
export type Database<Schema extends Record<string, unknown>> = Omit<
  BaseSQLiteDatabase<'async', unknown, Schema>,
  'transaction'
> & {
  batch<U extends BatchItem<'sqlite'>, T extends Readonly<[U, ...U[]]>>(batch: T): Promise<BatchResponse<T>>;
};

/** A statement for a `batch`. */
export type Statement = BatchItem<'sqlite'>;

type Prepared = SQLitePreparedQuery<PreparedQueryConfig>;

/**
 * A statement for a `batch` whose SQL is built once, at the first call: building costs drizzle more than running costs
 * SQLite. The values of its placeholders come with each call.
 *
 * @param build the query, with `sql.placeholder` for each value that differs.
 */
export function built<Query extends Statement & { prepare(): Prepared }>(
  build: () => Query,
): (values: Readonly<Record<string, unknown>>) => RunnableQuery<Query['_']['result'], 'sqlite'> {
  let prepared: Prepared | undefined;
  return (values) => {
    prepared ??= build().prepare();
    return new BuiltStatement<Query['_']['result']>(prepared, values);
  };
}

class BuiltStatement<Result> implements RunnableQuery<Result, 'sqlite'> {
  declare readonly _: { readonly dialect: 'sqlite'; readonly result: Result };
  readonly #prepared: Prepared;
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(prepared: Prepared, values: Readonly<Record<string, unknown>>) {
    this.#prepared = prepared;
    this.#values = values;
  }

  /** Every driver's `batch` asks its statements for this. Drizzle's own prepared queries take no part in a batch. */
  _prepare(): Prepared {
    const query = this.#prepared.getQuery();
    const filled = { ...query, params: fillPlaceholders(query.params, this.#values) };
    return Object.create(this.#prepared, { getQuery: { value: () => filled } });
  }
}

/** Rows of a `batch`'s answer to one statement with RETURNING; empty for anything else. */
export const rowsOf = (result: unknown): readonly unknown[] => (Array.isArray(result) ? result : []);

/**
 * Values as one JSON text. SQLite would make bytes that are no UTF-8 of half a surrogate pair, as texts have that were
 * cut to a length.
 */
export function jsonOf(values: readonly unknown[]): string {
  const text = JSON.stringify(values);
  // JSON.stringify escapes lone surrogates and no others.
  return text.includes('\\ud')
    ? JSON.stringify(values, (_name, value: unknown) =>
        typeof value === 'string' ? value.toWellFormed() : value,
      )
    : text;
}

/**
 * Rows for an INSERT from the placeholder `rows`, whatever their number: {@link jsonOf} objects whose members are the
 * names of the table's columns in the schema. `WHERE true`, so that an ON CONFLICT that follows is not read as a join's ON.
 */
export function rowsFrom(table: SQLiteTable): SQL {
  const names = Object.keys(getTableColumns(table));
  const values = names.map((name) => sql`value ->> ${sql.raw(`'$.${name}'`)}`);
  return sql`SELECT ${sql.join(values, sql`, `)} FROM json_each(${sql.placeholder('rows')}) WHERE true`;
}

/** The elements of a JSON list as rows: one bound parameter for any number of them. */
export const each = (values: readonly unknown[]): SQL => sql`json_each(${JSON.stringify(values)})`;

/** {@link each} as a subquery of values. */
export const among = (values: readonly string[]): SQL => sql`(SELECT value FROM ${each(values)})`;

/**
 * Condition of the rows that follow a cursor in a list by time and a second column, newest first. Without a cursor a bound
 * that every row meets: the first page is a seek in the index like the others.
 */
export const isAfter = (
  time: Column | SQL,
  tie: Column,
  cursor: readonly [time: number, tie: number | string] | undefined,
): SQL =>
  cursor === undefined
    ? sql`${time} <= ${Number.MAX_SAFE_INTEGER}`
    : sql`(${time}, ${tie}) < (${cursor[0]}, ${cursor[1]})`;

/**
 * Deletes the rows that meet a condition, the first ones by a column and no more than `limit`: a statement of a bounded
 * size. How many went.
 */
export async function deleteFirst(
  db: Pick<Database<Record<string, never>>, 'select' | 'delete'>,
  first: {
    readonly key: SQLiteColumn;
    readonly by: SQLiteColumn;
    readonly where: SQL | undefined;
    readonly limit: number;
  },
): Promise<number> {
  const { key, by, where, limit } = first;
  const rows = db.select({ key }).from(key.table).where(where).orderBy(asc(by)).limit(limit);
  const gone = await db.delete(key.table).where(inArray(key, rows)).returning({ key });
  return gone.length;
}

/**
 * A page of a list whose filters have no index together: those that one index serves bound the search, and so many rows
 * of it are examined for the other filters. A page may have fewer rows than asked for, or none, and more may follow.
 */
export const MAX_EXAMINED = 1_000;

export interface FoundPage<Row, Cursor> {
  readonly rows: Row[];
  /** The last row that was examined, where the search stopped before the page was full; undefined: there is no more. */
  readonly stoppedAt?: Cursor | undefined;
}

/** The page, and where the search goes on. `last` is the row at {@link MAX_EXAMINED}, read in one batch with `rows`. */
export const foundPage = <Row, Cursor>(
  [rows, [last]]: readonly [Row[], readonly Cursor[]],
  limit: number,
): FoundPage<Row, Cursor> => ({ rows, stoppedAt: rows.length < limit ? last : undefined });
