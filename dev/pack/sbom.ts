import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import * as z from 'zod';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { PACKAGES } from './packages.ts';

/** `npm run release:sbom`: of each packed package a list of all that it brings, in the versions of the lockfile. */

const run = promisify(execFile);

const Manifest = z.object({
  name: z.string(),
  version: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
});
const Lockfile = z.object({
  packages: z.record(z.string(), z.looseObject({ link: z.boolean().optional() })),
});

const lockfile = Lockfile.parse(JSON.parse(await readFile(`${ROOT}package-lock.json`, 'utf8')));
// Without the workspaces, whose tools npm counts as parts of what they build.
const installed = Object.entries(lockfile.packages).filter(
  ([path, { link }]) => path.startsWith('node_modules/') && link !== true,
);

for (const { workspace } of PACKAGES) {
  const packed = `${ROOT}.dev/pack/${workspace}`;
  // Peers are left out: they are the app's own.
  const manifest = Manifest.parse(JSON.parse(await readFile(`${packed}/content/package.json`, 'utf8')));
  const folder = `${packed}/sbom`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const locked = {
    name: manifest.name,
    version: manifest.version,
    lockfileVersion: 3,
    packages: Object.fromEntries([['', manifest], ...installed]),
  };
  await writeFile(`${folder}/package.json`, JSON.stringify(manifest));
  await writeFile(`${folder}/package-lock.json`, JSON.stringify(locked));
  const npm = (...args: string[]) =>
    run('npm', args, { cwd: folder, env: quietEnvironment(process.env), maxBuffer: 16 * 1024 * 1024 });
  // Takes everything out of the lockfile that the package does not need.
  await npm('install', '--package-lock-only', '--offline', '--ignore-scripts');
  const { stdout } = await npm('sbom', '--package-lock-only', '--sbom-format=cyclonedx');
  await writeFile(`${packed}/sbom.cdx.json`, stdout);
  process.stdout.write(`${packed}/sbom.cdx.json\n`);
}
