import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@libsql/client';
import { drizzle } from 'drizzle-orm/libsql';
import { migrate } from 'drizzle-orm/libsql/migrator';
import * as control from './control/schema.ts';
import { type ControlStore, controlStore } from './control/store.ts';
import { STATEMENT_DEADLINE_MS, within } from './deadline.ts';
import { isBusy } from './outage.ts';
import * as record from './record/schema.ts';
import { type RecordStore, recordStore } from './record/store.ts';

export interface OpenDatabase<Store> {
  readonly store: Store;
  /** One question; rejects when there is no answer. */
  ping(): Promise<void>;
  close(): void;
}

/** How long a statement may take in all, waiting for a lock included, in ms. */
interface Patience {
  readonly deadlineMs: number;
}

const PATIENCE: Patience = { deadlineMs: STATEMENT_DEADLINE_MS };
const LONGEST_PAUSE_MS = 50;

const migrations = (database: 'control' | 'record'): string =>
  fileURLToPath(new URL(`./${database}/migrations`, import.meta.url).href);

const READS = /^\s*select\b/i;

/** Whether a statement, as text or as the driver's object, begins by asking. */
const reads = (statement: unknown): boolean => {
  if (typeof statement === 'string') return READS.test(statement);
  return typeof statement === 'object' && statement !== null && 'sql' in statement && reads(statement.sql);
};

/**
 * The client as the queries see it. Another process may hold the file's lock for a moment: then a statement is said
 * again, which did nothing so far. The waiting happens here, since SQLite's own would stop the whole process, and in
 * turn: of many that wait, only the first one asks. Reading needs no lock and waits for nobody.
 */
function patient(client: Client, { deadlineMs }: Patience): Client {
  let turn: Promise<unknown> = Promise.resolve();

  async function patiently<T>(end: number, work: () => Promise<T>): Promise<T> {
    for (let pause = 1; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        return await within(deadlineMs, work());
      } catch (error) {
        const again = isBusy(error) || (isClosed(error) && !client.closed);
        if (!again || performance.now() + pause > end) throw error;
        // A connection on which a statement failed at a lock keeps the statement open and commits nothing any more.
        if (client.protocol === 'file' && isBusy(error)) await client.reconnect();
      }
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
    }
  }

  function ask<T>(isReading: boolean, work: () => Promise<T>): Promise<T> {
    const end = performance.now() + deadlineMs;
    if (isReading || client.protocol !== 'file') return patiently(end, work);
    const mine = turn.then(() => patiently(end, work));
    turn = mine.catch(() => {});
    return mine;
  }

  return new Proxy(client, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (name === 'batch') {
        return (statements: readonly unknown[]) => {
          const isReading = statements.length > 0 && statements.every(reads);
          // A batch that begins by reading could not take the lock afterwards if somebody wrote in between.
          const mode = isReading ? 'read' : 'write';
          return ask(isReading, async () => Reflect.apply(member, target, [statements, mode]));
        };
      }
      if (name !== 'execute') return member.bind(target);
      return (...args: readonly unknown[]) =>
        ask(reads(args[0]), async () => Reflect.apply(member, target, args));
    },
  });
}

/** Another call gave up the connection before this one could use it. */
const isClosed = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'CLIENT_CLOSED';

/** One client per process and database: a second one on the same file only adds lock contention. */
async function open(url: string, token: string | undefined, patience: Patience): Promise<Client> {
  const client = patient(
    createClient({ url, ...(token === undefined ? {} : { authToken: token }) }),
    patience,
  );
  if (url.startsWith('file:')) await client.execute('PRAGMA journal_mode = WAL');
  return client;
}

/**
 * Opens a libSQL database (`file:…`, `libsql://…`, `http://…`) and brings it to the newest schema. Any number of
 * processes may open one at once.
 *
 * @param token that a libSQL server asks for.
 */
export const openControl = (
  url: string,
  token?: string,
  patience = PATIENCE,
): Promise<OpenDatabase<ControlStore>> =>
  openMigrated(url, token, patience, async (client) => {
    const db = drizzle(client, { schema: control });
    await migrate(db, { migrationsFolder: migrations('control') });
    return controlStore(db);
  });

/** As {@link openControl}, for the record database. The two must not share a file: each counts its own migrations. */
export const openRecord = (
  url: string,
  token?: string,
  patience = PATIENCE,
): Promise<OpenDatabase<RecordStore>> =>
  openMigrated(url, token, patience, async (client) => {
    const db = drizzle(client, { schema: record });
    await migrate(db, { migrationsFolder: migrations('record') });
    return recordStore(db);
  });

/** A database that cannot be brought up to date is closed again: its file would stay locked. */
async function openMigrated<Store>(
  url: string,
  token: string | undefined,
  patience: Patience,
  prepare: (client: Client) => Promise<Store>,
): Promise<OpenDatabase<Store>> {
  const client = await open(url, token, patience);
  try {
    const store = await prepareBesideOthers(() => prepare(client), patience);
    // Takes the write lock and writes nothing: a database that can only be read must be known now.
    await client.batch([], 'write');
    return {
      store,
      ping: async () => {
        await client.execute('SELECT 1');
      },
      close: () => client.close(),
    };
  } catch (error) {
    client.close();
    throw error;
  }
}

/**
 * Of several processes that start at once one makes the tables. The others meet its lock, or fail as a whole on tables
 * that were made between their check and their try; the second check finds all done.
 */
async function prepareBesideOthers<T>(prepare: () => Promise<T>, { deadlineMs }: Patience): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (let failed = 0; ; ) {
    try {
      return await prepare();
    } catch (error) {
      failed += isBusy(error) ? 0 : 1;
      if (failed > 1 || performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LONGEST_PAUSE_MS * Math.random()));
  }
}
