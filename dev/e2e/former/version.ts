import { mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ROOT } from '../../quiet-environment.ts';

/**
 * The oldest version from which an upgrade is promised: one minor version back; before the first release, its sources.
 */
export const FORMER = '0.0.0';

/** The built assets of a worker, which are no part of the stored versions. */
const ASSETS = { broker: 'console/dist', 'agent-worker': 'demo/dist' } as const;

/** A folder with a worker as that version built it, for `startStack`. */
export async function unpackFormer(worker: keyof typeof ASSETS): Promise<string> {
  const stored = `${ROOT}dev/former/${FORMER}/${worker}`;
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-former-'));
  const assets = join(folder, ASSETS[worker]);
  await mkdir(join(folder, 'dist'));
  await mkdir(join(assets, '..'), { recursive: true });
  await symlink(`${ROOT}${worker}/${ASSETS[worker]}`, assets);
  const bundle = await promisify(gunzip)(await readFile(`${stored}.js.gz`));
  await writeFile(join(folder, 'dist/index.js'), bundle);
  await writeFile(join(folder, 'wrangler.jsonc'), await readFile(`${stored}.jsonc`));
  return folder;
}
