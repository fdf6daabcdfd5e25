import { getTableName, is, sql } from 'drizzle-orm';
import { SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { ControlDatabase } from '../../control/change.ts';
import * as controlSchema from '../../control/schema.ts';
import type { ControlStore } from '../../control/store.ts';
import type { RecordDatabase } from '../../record/revocations.ts';
import * as recordSchema from '../../record/schema.ts';
import type { RecordStore } from '../../record/store.ts';

export interface Databases {
  readonly control: ControlStore;
  readonly record: RecordStore;
  /** The same databases by connections of the tests' own: for rows that no store writes or reads. */
  readonly controlDb: ControlDatabase;
  readonly recordDb: RecordDatabase;
}

/** Opens both databases on one driver, with every table there and empty. What the tests below are written against. */
export type OpenDatabases = () => Promise<Databases>;

const tablesOf = (schema: object): SQLiteTable[] =>
  Object.values(schema).filter((value) => is(value, SQLiteTable));
export const CONTROL_TABLES = tablesOf(controlSchema);
export const RECORD_TABLES = tablesOf(recordSchema);

export async function emptied(databases: Databases): Promise<Databases> {
  await empty(databases.controlDb, CONTROL_TABLES);
  await empty(databases.recordDb, RECORD_TABLES);
  return databases;
}

async function empty(db: ControlDatabase | RecordDatabase, tables: readonly SQLiteTable[]): Promise<void> {
  const [first, ...rest] = tables.map((table) => db.delete(table));
  if (first !== undefined) await db.batch([first, ...rest]);
}

/** Every row of the control database, by table. */
export async function controlRows({ controlDb }: Databases): Promise<Record<string, unknown[]>> {
  const rows = CONTROL_TABLES.map(
    async (table) => [getTableName(table), await controlDb.select().from(table)] as const,
  );
  return Object.fromEntries(await Promise.all(rows));
}

export type Write = 'INSERT' | 'UPDATE' | 'DELETE';

/** Makes every write of one kind to a table fail while `work` runs, as a disk would. */
export async function whileRefusing<T>(
  { controlDb }: Databases,
  write: Write,
  table: string,
  work: () => Promise<T>,
): Promise<T> {
  const trigger = sql`BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`;
  await controlDb.run(
    sql`CREATE TRIGGER refuse_writes BEFORE ${sql.raw(write)} ON ${sql.identifier(table)} ${trigger}`,
  );
  try {
    return await work();
  } finally {
    await controlDb.run(sql`DROP TRIGGER refuse_writes`);
  }
}

/** The message at the root of an error, below what the driver and drizzle put around it. */
export function rootMessage(error: unknown): string {
  let root = error;
  while (root instanceof Error && root.cause !== undefined) root = root.cause;
  return root instanceof Error ? root.message : String(root);
}
