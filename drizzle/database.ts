import { type Column, getTableColumns, lte, type SQL, sql } from 'drizzle-orm';
import type { BatchItem, BatchResponse } from 'drizzle-orm/batch';
import type { BaseSQLiteDatabase, SQLiteTable } from 'drizzle-orm/sqlite-core';

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
 * Rows for an INSERT from one bound parameter, whatever their number: each is an object whose members are the names of
 * the table's columns in the schema. `WHERE true`, so that an ON CONFLICT that follows is not read as a join's ON.
 */
export function rowsFrom(table: SQLiteTable, rows: readonly object[]): SQL {
  const names = Object.keys(getTableColumns(table));
  const values = names.map((name) => sql`value ->> ${sql.raw(`'$.${name}'`)}`);
  return sql`SELECT ${sql.join(values, sql`, `)} FROM json_each(${jsonOf(rows)}) WHERE true`;
}

/** The values of a JSON list as a subquery: one bound parameter for any number of them. */
export const among = (values: readonly string[]): SQL =>
  sql`(SELECT value FROM json_each(${JSON.stringify(values)}))`;

/**
 * Condition of the rows that follow a cursor in a list by time and a second column, newest first. Without a cursor a bound
 * that every row meets: the first page is a seek in the index like the others.
 */
export const isAfter = (
  time: Column,
  tie: Column,
  cursor: readonly [time: number, tie: number | string] | undefined,
): SQL =>
  cursor === undefined
    ? lte(time, Number.MAX_SAFE_INTEGER)
    : sql`(${time}, ${tie}) < (${cursor[0]}, ${cursor[1]})`;
