import type { BatchItem, BatchResponse } from 'drizzle-orm/batch';
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core';

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
