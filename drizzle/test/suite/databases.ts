import { is, sql } from 'drizzle-orm';
import { SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { ControlDatabase } from '../../control/database.ts';
import * as controlSchema from '../../control/schema.ts';
import type { RecordDatabase } from '../../record/database.ts';
import * as recordSchema from '../../record/schema.ts';

export interface Databases {
  readonly control: ControlDatabase;
  readonly record: RecordDatabase;
}

/** Opens both databases on one driver, with every table there and empty. What the tests below are written against. */
export type OpenDatabases = () => Promise<Databases>;

export const tablesOf = (schema: object): SQLiteTable[] =>
  Object.values(schema).filter((value) => is(value, SQLiteTable));
export const CONTROL_TABLES = tablesOf(controlSchema);
export const RECORD_TABLES = tablesOf(recordSchema);

export async function emptied({ control, record }: Databases): Promise<Databases> {
  await empty(control, CONTROL_TABLES);
  await empty(record, RECORD_TABLES);
  return { control, record };
}

async function empty(db: ControlDatabase | RecordDatabase, tables: readonly SQLiteTable[]): Promise<void> {
  const [first, ...rest] = tables.map((table) => db.delete(table));
  if (first !== undefined) await db.batch([first, ...rest]);
}

/** Makes every write of one kind to a table fail while `work` runs, as a disk would. */
export async function whileRefusing<T>(
  { control }: Databases,
  write: 'INSERT' | 'UPDATE',
  table: string,
  work: () => Promise<T>,
): Promise<T> {
  const trigger = sql`BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`;
  await control.run(
    sql`CREATE TRIGGER refuse_writes BEFORE ${sql.raw(write)} ON ${sql.identifier(table)} ${trigger}`,
  );
  try {
    return await work();
  } finally {
    await control.run(sql`DROP TRIGGER refuse_writes`);
  }
}

/** The message at the root of an error, below what the driver and drizzle put around it. */
export function rootMessage(error: unknown): string {
  let root = error;
  while (root instanceof Error && root.cause !== undefined) root = root.cause;
  return root instanceof Error ? root.message : String(root);
}
