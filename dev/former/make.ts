import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';

/*
 * node dev/former/make.ts <commit> <version>: stores a version for the tests of upgrades, in the folder of that name:
 * both workers, minified and compressed, since a clone may not have the history to build them from; and databases that
 * its broker has written. Takes minutes and the network, for `npm ci` of that version.
 */

const [commit, version] = process.argv.slice(2);
if (commit === undefined || version === undefined || !/^[\w.-]+$/.test(version))
  throw new Error('give a commit and the name of a version: node dev/former/make.ts HEAD 0.1.0');

const tree = join(await mkdtemp(join(tmpdir(), 'agent-ticket-former-')), 'tree');
const target = join(import.meta.dirname, version);
const run = async (cwd: string, program: string, ...words: string[]): Promise<void> => {
  const env = { ...quietEnvironment(process.env), PATH: `${tree}/node_modules/.bin:${process.env.PATH}` };
  await promisify(execFile)(program, words, { cwd, env, maxBuffer: 2 ** 28 });
};

await run(ROOT, 'git', 'worktree', 'add', '--detach', tree, commit);
await run(tree, 'npm', 'ci');
await mkdir(target, { recursive: true });
for (const worker of ['broker', 'agent-worker']) {
  const folder = join(tree, worker);
  await run(folder, 'npm', 'run', 'build');
  await run(folder, 'wrangler', 'deploy', '--dry-run', '--minify', '--outdir', 'dist/minified');
  const bundle = await readFile(join(folder, 'dist/minified/index.js'));
  await writeFile(join(target, `${worker}.js.gz`), gzipSync(bundle, { level: 9 }));
  await cp(join(folder, 'wrangler.jsonc'), join(target, `${worker}.jsonc`));
}
const scripts = join(tree, 'dev/former');
await mkdir(scripts, { recursive: true });
for (const name of ['broker-on-files.ts', 'history.ts', 'questions.ts'])
  await cp(join(import.meta.dirname, name), join(scripts, name));
await run(tree, 'node', 'dev/former/history.ts', join(target, 'history.json'));
await run(ROOT, 'git', 'worktree', 'remove', '--force', tree);
