import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

export type Row = Record<string, unknown>;

/** Converts a value to a type that SQLite accepts. */
export function bindable(value: unknown): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`D1_TYPE_ERROR: type '${typeof value}' not supported`);
}

/** SQLite in memory. It caches prepared statements, and its `unixepoch` reads the simulated clock. */
export function openSqlite(clock: () => number) {
  const database = new DatabaseSync(':memory:');
  database.function('unixepoch', { varargs: true }, () => clock() / 1000);
  const statements = { rows: new Map<string, StatementSync>(), lists: new Map<string, StatementSync>() };
  function prepare(sql: string, as: keyof typeof statements): StatementSync {
    const known = statements[as].get(sql);
    if (known !== undefined) return known;
    const statement = database.prepare(sql);
    statement.setReturnArrays(as === 'lists');
    statements[as].set(sql, statement);
    return statement;
  }
  return {
    /** The rows of one statement. */
    all: (sql: string, values: readonly unknown[] = []): Row[] =>
      prepare(sql, 'rows').all(...values.map(bindable)),
    /** The same, each row as a list of values. */
    lists: (sql: string, values: readonly unknown[]): unknown[] =>
      prepare(sql, 'lists').all(...values.map(bindable)),
    exec: (sql: string): void => database.exec(sql),
    close: (): void => database.close(),
  };
}
export type Sqlite = ReturnType<typeof openSqlite>;

/** The tables of a database, without SQLite's own tables. */
const tablesOf = (database: Sqlite): string[] =>
  database
    .all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*'")
    .map(({ name }) => String(name));

/** All rows of a database, for {@link restore}. */
export type Backup = readonly { readonly table: string; readonly rows: readonly Row[] }[];
export const backup = (database: Sqlite): Backup =>
  tablesOf(database).map((table) => ({ table, rows: database.all(`SELECT * FROM "${table}"`) }));

export function empty(database: Sqlite): void {
  database.exec('PRAGMA foreign_keys = OFF');
  for (const table of tablesOf(database)) database.all(`DELETE FROM "${table}"`);
  const [counters] = database.all("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'");
  if (counters !== undefined) database.all('DELETE FROM sqlite_sequence');
  database.exec('PRAGMA foreign_keys = ON');
}

export function restore(database: Sqlite, from: Backup): void {
  empty(database);
  database.exec('PRAGMA foreign_keys = OFF');
  for (const { table, rows } of from)
    for (const row of rows) {
      const names = Object.keys(row);
      const places = names.map(() => '?').join();
      database.all(`INSERT INTO "${table}" (${names.map((name) => `"${name}"`).join()}) VALUES (${places})`, [
        ...Object.values(row),
      ]);
    }
  database.exec('PRAGMA foreign_keys = ON');
}

const DRIZZLE = join(import.meta.dirname, '../../drizzle');

/** A database with every migration of a folder. */
export function openMigrated(folder: 'control' | 'record', clock: () => number): Sqlite {
  const database = openSqlite(clock);
  const files = join(DRIZZLE, folder, 'migrations');
  for (const name of readdirSync(files).sort())
    if (name.endsWith('.sql')) database.exec(readFileSync(join(files, name), 'utf8'));
  return database;
}
