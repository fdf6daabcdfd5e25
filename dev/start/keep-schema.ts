import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { ROOT } from '../quiet-environment.ts';

const Digests = z.record(z.string(), z.string());
type Digests = z.infer<typeof Digests>;

/**
 * Keeps in `file` which migrations the databases in `stateDir` were made by. Throws an `Error` that says what to do
 * when one of those reads otherwise by now or is gone: applied ones are not applied again, so that nothing would work.
 */
export async function keepSchema(file: string, stateDir: string): Promise<void> {
  const present = await migrationDigests();
  if (existsSync(stateDir)) {
    const kept = existsSync(file) ? readDigests(await readFile(file, 'utf8')) : undefined;
    const isSame =
      kept !== undefined && Object.entries(kept).every(([name, digest]) => present[name] === digest);
    if (!isSame)
      throw new Error(
        `the data in ${dirname(file)} was made with another database schema: delete that folder to start anew`,
      );
  }
  await writeFile(file, `${JSON.stringify(present, null, 2)}\n`);
}

async function migrationDigests(): Promise<Digests> {
  const digests: Digests = {};
  for (const room of ['control', 'record']) {
    const folder = `${ROOT}drizzle/${room}/migrations/`;
    for (const name of (await readdir(folder)).filter((each) => each.endsWith('.sql'))) {
      const text = await readFile(folder + name);
      digests[`${room}/${name}`] = createHash('sha256').update(text).digest('hex');
    }
  }
  return digests;
}

/** `undefined` for what nobody here wrote. */
function readDigests(text: string): Digests | undefined {
  try {
    return Digests.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
