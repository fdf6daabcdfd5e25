import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openControl, openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import { createClient } from '@libsql/client';
import { afterAll } from 'vitest';

/** Last in, first out, when the tests of a file are over. Registered once: a hook that a test registers is not run. */
const undoing: (() => void | Promise<void>)[] = [];
afterAll(async () => {
  for (const undo of undoing.splice(0).reverse()) await undo();
});

/** Has something undone when the tests of the file are over. */
export const atEnd = (undo: () => void | Promise<void>): void => {
  undoing.push(undo);
};

/** A folder that is gone at the end. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-broker-'));
  atEnd(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const NAMES = ['control.db', 'record.db'] as const;

/** Empty databases with their tables: a migration waits for the disk at each statement, and a copy of its result does not. */
let migrated: Promise<string> | undefined;
async function migrateOnce(): Promise<string> {
  const folder = await makeFolder();
  await (await openControl(`file:${folder}/control.db`)).close();
  await (await openRecord(`file:${folder}/record.db`)).close();
  return folder;
}

/** Both databases as files of a folder, closed before it goes. */
export async function openFiles() {
  const folder = await makeFolder();
  migrated ??= migrateOnce();
  const from = await migrated;
  for (const name of NAMES) await copyFile(join(from, name), join(folder, name));
  const control = await openControl(`file:${folder}/control.db`);
  atEnd(() => control.close());
  const record = await openRecord(`file:${folder}/record.db`);
  atEnd(() => record.close());
  return { folder, control, record };
}

/** Runs one statement on a database file, beside the store that is open on it. */
export async function rowsOf(file: string, sql: string, args: (string | number | null)[] = []) {
  const client = createClient({ url: `file:${file}` });
  try {
    return (await client.execute({ sql, args })).rows;
  } finally {
    client.close();
  }
}
