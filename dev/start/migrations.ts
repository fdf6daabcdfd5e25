import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import type { D1Database } from '@cloudflare/workers-types';
import { migrateD1 } from 'agent-ticket/src/open-migrations.ts';
import * as z from 'zod';
import { ROOT } from '../quiet-environment.ts';

const Digests = z.record(z.string(), z.string());
type Digests = z.infer<typeof Digests>;

/**
 * Records in `file` the migrations of the databases in `stateDir`. Throws an `Error` with the remedy when one of the
 * recorded migrations has changed or is gone: applied migrations are not applied again, so the databases would not fit.
 */
export async function checkMigrations(file: string, stateDir: string): Promise<void> {
  const present = await migrationDigests();
  if (existsSync(stateDir)) {
    const recorded = existsSync(file) ? readDigests(await readFile(file, 'utf8')) : undefined;
    const isSame =
      recorded !== undefined && Object.entries(recorded).every(([name, digest]) => present[name] === digest);
    if (!isSame)
      throw new Error(
        `the data in ${dirname(file)} was made with another database schema: delete that folder to start anew`,
      );
  }
  await writeFile(file, `${JSON.stringify(present, null, 2)}\n`);
}

async function migrationDigests(): Promise<Digests> {
  const digests: Digests = {};
  for (const database of ['control', 'record']) {
    const folder = `${ROOT}drizzle/${database}/migrations/`;
    for (const name of (await readdir(folder)).filter((each) => each.endsWith('.sql'))) {
      const text = await readFile(folder + name);
      digests[`${database}/${name}`] = createHash('sha256').update(text).digest('hex');
    }
  }
  return digests;
}

/** `undefined` for a file that this code did not write. */
const readDigests = (text: string): Digests | undefined => Digests.safeParse(parseJson(text)).data;

/** Brings a local D1 database to the newest schema. */
export const migrate = (db: D1Database, database: 'control' | 'record'): Promise<void> =>
  migrateD1(db, `${ROOT}drizzle/${database}/migrations`);
