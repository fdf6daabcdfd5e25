import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { readManifest } from './manifest.ts';

/** The version of the workspace, which a release changes with those of all packages. */
const UNRELEASED = 'version = "0.0.0"';
/** 1 January 2020, as the time of each file in the archives: two builds of one state have the same bytes. */
const SOURCE_DATE_EPOCH = '1577836800';

/**
 * Makes the wheel and the source distribution of the Python client in a folder, which it empties first, without the network.
 * Resolves with their paths.
 */
export async function makePythonPackage(python: string, folder: string): Promise<readonly string[]> {
  await rm(folder, { recursive: true, force: true });
  const content = join(folder, 'content');
  await mkdir(content, { recursive: true });
  for (const name of ['src', 'tests', 'README.md'])
    await cp(`${ROOT}python/${name}`, join(content, name), {
      recursive: true,
      filter: (path) => !/__pycache__|\.mypy_cache/.test(path),
    });
  await cp(`${ROOT}LICENSE`, join(content, 'LICENSE'));
  const project = await readFile(`${ROOT}python/pyproject.toml`, 'utf8');
  if (!project.includes(UNRELEASED)) throw new Error(`python/pyproject.toml lacks ${UNRELEASED}`);
  const { version } = await readManifest('client');
  await writeFile(
    join(content, 'pyproject.toml'),
    project.replace(UNRELEASED, `version = ${JSON.stringify(version)}`),
  );
  // Debian's hatchling names a dependency that only editable installs need.
  await promisify(execFile)(
    python,
    ['-m', 'build', '--no-isolation', '--skip-dependency-check', '--outdir', join(folder, 'dist'), content],
    { env: { ...quietEnvironment(process.env), SOURCE_DATE_EPOCH } },
  );
  return globSync(join(folder, 'dist/*')).toSorted();
}
