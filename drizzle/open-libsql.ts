import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@libsql/client';
import { drizzle } from 'drizzle-orm/libsql';
import { migrate } from 'drizzle-orm/libsql/migrator';
import type { ControlDatabase } from './control/database.ts';
import * as control from './control/schema.ts';
import type { RecordDatabase } from './record/database.ts';
import * as record from './record/schema.ts';

export interface OpenDatabase<Db> {
  readonly db: Db;
  close(): void;
}

const migrations = (room: 'control' | 'record'): string =>
  fileURLToPath(new URL(`./${room}/migrations`, import.meta.url).href);

/** One client per process and database: a second one on the same file only adds lock contention. */
async function open(url: string): Promise<Client> {
  const client = createClient({ url });
  if (url.startsWith('file:')) await client.execute('PRAGMA journal_mode = WAL');
  return client;
}

/** Opens a libSQL database (`file:…`, `libsql://…`, `http://…`) and brings it to the newest schema. */
export const openControl = (url: string): Promise<OpenDatabase<ControlDatabase>> =>
  openMigrated(url, async (client) => {
    const db = drizzle(client, { schema: control });
    await migrate(db, { migrationsFolder: migrations('control') });
    return db;
  });

/** As {@link openControl}, for the record database. The two must not share a file: each counts its own migrations. */
export const openRecord = (url: string): Promise<OpenDatabase<RecordDatabase>> =>
  openMigrated(url, async (client) => {
    const db = drizzle(client, { schema: record });
    await migrate(db, { migrationsFolder: migrations('record') });
    return db;
  });

/** A database that cannot be brought up to date is closed again: its file would stay locked. */
async function openMigrated<Db>(
  url: string,
  prepare: (client: Client) => Promise<Db>,
): Promise<OpenDatabase<Db>> {
  const client = await open(url);
  try {
    return { db: await prepare(client), close: () => client.close() };
  } catch (error) {
    client.close();
    throw error;
  }
}
