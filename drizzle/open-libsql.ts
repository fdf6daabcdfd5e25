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
  new URL(`./${room}/migrations`, import.meta.url).pathname;

/** One client per process and database: a second one on the same file only adds lock contention. */
async function open(url: string): Promise<Client> {
  const client = createClient({ url });
  if (url.startsWith('file:')) await client.execute('PRAGMA journal_mode = WAL');
  return client;
}

/** Opens a libSQL database (`file:…`, `libsql://…`, `http://…`) and brings it to the newest schema. */
export async function openControl(url: string): Promise<OpenDatabase<ControlDatabase>> {
  const client = await open(url);
  const db = drizzle(client, { schema: control });
  await migrate(db, { migrationsFolder: migrations('control') });
  return { db, close: () => client.close() };
}

/** As {@link openControl}, for the record database. The two must not share a file: each counts its own migrations. */
export async function openRecord(url: string): Promise<OpenDatabase<RecordDatabase>> {
  const client = await open(url);
  const db = drizzle(client, { schema: record });
  await migrate(db, { migrationsFolder: migrations('record') });
  return { db, close: () => client.close() };
}
