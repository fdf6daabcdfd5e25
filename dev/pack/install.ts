import { execFile } from 'node:child_process';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../quiet-environment.ts';

const run = promisify(execFile);

/** Links to workspaces, into which a tarball must not be unpacked. */
const OURS: ReadonlySet<string> = new Set(['@agent-ticket', 'agent-ticket']);

/** Gives a project every package that this repository has installed, except the repository's own. */
export async function linkModules(project: string): Promise<void> {
  const modules = join(project, 'node_modules');
  await mkdir(modules);
  for (const name of await readdir(`${ROOT}node_modules`))
    if (!OURS.has(name)) await symlink(`${ROOT}node_modules/${name}`, join(modules, name));
}

/** Installs a tarball into a project as `npm install` does; npm would also fetch every other package again. */
export async function installTarball(project: string, name: string, tarball: string): Promise<void> {
  const home = join(project, 'node_modules', name);
  await mkdir(home, { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', home, '--strip-components=1']);
}
