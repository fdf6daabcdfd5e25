import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@libsql/client';
import { drizzle } from 'drizzle-orm/libsql';
import { migrate } from 'drizzle-orm/libsql/migrator';
import { drizzle as drizzleCalling } from 'drizzle-orm/sqlite-proxy';
import { migrate as migrateCalling } from 'drizzle-orm/sqlite-proxy/migrator';
import * as control from './control/schema.ts';
import { type ControlStore, controlStore } from './control/store.ts';
import type { Database } from './database.ts';
import { STATEMENT_DEADLINE_MS, within } from './deadline.ts';
import { openLibsqlFile } from './open-libsql-file.ts';
import { isBusy } from './outage.ts';
import * as record from './record/schema.ts';
import { type RecordStore, recordStore } from './record/store.ts';

export interface OpenDatabase<Store> {
  readonly store: Store;
  /** One question; rejects when there is no answer. */
  ping(): Promise<void>;
  /** Of a file: commits what was asked for before. */
  close(): Promise<void>;
}

/** How long a statement may take in all, waiting for a lock included, in ms. */
interface Patience {
  readonly deadlineMs: number;
}

const PATIENCE: Patience = { deadlineMs: STATEMENT_DEADLINE_MS };
const LONGEST_PAUSE_MS = 50;

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
  openMigrated({ url, token, patience, schema: control, folder: 'control', storeOf: controlStore });

/** As {@link openControl}, for the record database. The two must not share a file: each counts its own migrations. */
export const openRecord = (
  url: string,
  token?: string,
  patience = PATIENCE,
): Promise<OpenDatabase<RecordStore>> =>
  openMigrated({ url, token, patience, schema: record, folder: 'record', storeOf: recordStore });

interface Opening<Schema extends Record<string, unknown>> {
  readonly url: string;
  readonly token: string | undefined;
  readonly patience: Patience;
  readonly schema: Schema;
  readonly folder: 'control' | 'record';
}

/** One of the two drivers: of files in this process, or of a server. */
interface Driver<Schema extends Record<string, unknown>> {
  readonly db: Database<Schema>;
  migrate(): Promise<void>;
  /** Takes the write lock and writes nothing. */
  lock(): Promise<unknown>;
  ping(): Promise<unknown>;
  close(): Promise<void>;
}

/** A database that cannot be brought up to date is closed again: its file would stay locked. */
async function openMigrated<Schema extends Record<string, unknown>, Store>(
  opening: Opening<Schema> & { readonly storeOf: (db: Database<Schema>) => Store },
): Promise<OpenDatabase<Store>> {
  const driver = opening.url.startsWith('file:') ? await openFile(opening) : openServer(opening);
  try {
    await prepareBesideOthers(driver.migrate, opening.patience);
    // A database that can only be read must be known now.
    await driver.lock();
    return {
      store: opening.storeOf(driver.db),
      ping: async () => {
        await driver.ping();
      },
      close: driver.close,
    };
  } catch (error) {
    await driver.close();
    throw error;
  }
}

const migrationsOf = ({ folder }: Pick<Opening<never>, 'folder'>) => ({
  migrationsFolder: fileURLToPath(new URL(`./${folder}/migrations`, import.meta.url).href),
});

/** One connection per process and file: a second one only adds lock contention. */
async function openFile<Schema extends Record<string, unknown>>(
  opening: Opening<Schema>,
): Promise<Driver<Schema>> {
  const file = await openLibsqlFile(opening.url, opening.patience.deadlineMs);
  const db = drizzleCalling(
    async (sql, params, method) => {
      if (method === 'get') throw new TypeError('every query asks for a list');
      const [rows = []] = await file.batch([{ sql, params }]);
      return { rows };
    },
    async (queries) => (await file.batch(queries)).map((rows) => ({ rows })),
    { schema: opening.schema },
  );
  return {
    db,
    migrate: () => migrateCalling(db, file.migrate, migrationsOf(opening)),
    lock: () => file.batch([]),
    ping: () => file.batch([{ sql: 'SELECT 1', params: [] }]),
    close: file.close,
  };
}

function openServer<Schema extends Record<string, unknown>>(opening: Opening<Schema>): Driver<Schema> {
  const { url, token, patience } = opening;
  const client = patient(
    createClient({ url, ...(token === undefined ? {} : { authToken: token }) }),
    patience,
  );
  const db = drizzle(client, { schema: opening.schema });
  return {
    db,
    migrate: () => migrate(db, migrationsOf(opening)),
    lock: () => client.batch([], 'write'),
    ping: () => client.execute('SELECT 1'),
    close: async () => client.close(),
  };
}

const READS = /^\s*select\b/i;

/** Whether a statement, as text or as the driver's object, begins by asking. */
const reads = (statement: unknown): boolean => {
  if (typeof statement === 'string') return READS.test(statement);
  return typeof statement === 'object' && statement !== null && 'sql' in statement && reads(statement.sql);
};

/**
 * The client of a server as the queries see it: each statement has a deadline, and is said again while another client
 * has the lock, since it did nothing so far.
 */
function patient(client: Client, { deadlineMs }: Patience): Client {
  async function patiently<T>(work: () => Promise<T>): Promise<T> {
    const end = performance.now() + deadlineMs;
    for (let pause = 1; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        return await within(deadlineMs, work());
      } catch (error) {
        if (!isBusy(error) || performance.now() + pause > end) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
    }
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
          return patiently(async () => Reflect.apply(member, target, [statements, mode]));
        };
      }
      if (name !== 'execute') return member.bind(target);
      return (...args: readonly unknown[]) => patiently(async () => Reflect.apply(member, target, args));
    },
  });
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
