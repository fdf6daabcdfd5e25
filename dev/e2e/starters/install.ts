import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { makePackage } from '../../pack/make-package.ts';
import { readManifest } from '../../pack/manifest.ts';
import { PACKAGES } from '../../pack/packages.ts';
import { quietEnvironment, ROOT } from '../../quiet-environment.ts';

const run = promisify(execFile);
const APPS = `${ROOT}dev/starters`;
/** Whether the apps get the oldest Agents SDK that the packages take, in place of the newest. */
const IS_OLDEST = process.env.AGENTS_SDK === 'oldest';
/** Packages that go with it, in place of those that the apps name. */
const BESIDE_OLDEST = {
  '@cloudflare/ai-chat': '0.10.2',
  '@modelcontextprotocol/sdk': '1.30.0',
  '@modelcontextprotocol/server': '2.0.0',
};
/**
 * All apps share one `node_modules`, which npm fills. Outside of this repository, whose packages would stand in for those
 * that an app forgot, and kept: an unchanged install is not made anew.
 */
const HOME = join(
  tmpdir(),
  `agent-ticket-starters-${createHash('sha256').update(`${ROOT} ${IS_OLDEST}`).digest('hex').slice(0, 12)}`,
);

const Versions = z.record(z.string(), z.string());
const Manifest = z.object({ dependencies: Versions.default({}), devDependencies: Versions.default({}) });

/** The packages as they are published, each with its name. */
async function tarballs(): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>();
  for (const spec of PACKAGES.filter(({ workspace }) => workspace !== 'cli')) {
    const { name } = await readManifest(spec.workspace);
    made.set(name, await makePackage(spec, `${ROOT}.dev/packed-for-starters/${spec.workspace}`));
  }
  return made;
}

/** What all apps depend on. */
async function dependencies(): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const app of await readdir(APPS)) {
    const text = await readFile(join(APPS, app, 'package.json'), 'utf8').catch(() => '{}');
    const { dependencies, devDependencies } = Manifest.parse(JSON.parse(text));
    Object.assign(all, dependencies, devDependencies);
  }
  return IS_OLDEST ? { ...all, ...BESIDE_OLDEST, agents: await oldestAgents() } : all;
}

/** The first version of the range that the package of the agent worker takes. */
async function oldestAgents(): Promise<string> {
  const { peerDependencies = {} } = await readManifest('agent-worker');
  const [, first] = /^>=(\S+)/.exec(peerDependencies.agents ?? '') ?? [];
  if (first === undefined) throw new Error('the agent worker names no range of agents');
  return first;
}

/** Installs the packages and all that the apps depend on, by npm; nothing where neither has changed. */
export async function installPackages(): Promise<void> {
  const packed = await tarballs();
  const hash = createHash('sha256');
  for (const path of packed.values()) hash.update(await readFile(path));
  const own = Object.fromEntries([...packed].map(([name, path]) => [name, `file:${path}`]));
  const manifest = JSON.stringify({ private: true, dependencies: { ...(await dependencies()), ...own } });
  const stamp = hash.update(manifest).digest('hex');
  if ((await readFile(`${HOME}/installed`, 'utf8').catch(() => '')) === stamp) return;
  for (const name of ['node_modules', 'package-lock.json', 'installed'])
    await rm(`${HOME}/${name}`, { recursive: true, force: true });
  await mkdir(HOME, { recursive: true });
  await writeFile(`${HOME}/package.json`, manifest);
  await tool(HOME, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts');
  await writeFile(`${HOME}/installed`, stamp);
}

/** Rejects with the output of the tool. */
async function tool(cwd: string, name: string, ...args: string[]): Promise<void> {
  await run(name, args, { cwd, env: quietEnvironment(process.env) }).catch(({ stdout, stderr, message }) => {
    throw new Error(`${name} ${args.join(' ')}: ${stdout}${stderr}${message}`);
  });
}

const bundle = (folder: string): Promise<void> =>
  tool(folder, 'wrangler', 'deploy', '--dry-run', '--outdir', 'dist');

/** The changes that protect an app, as a patch. */
const patchOf = (app: string): string => join(APPS, app, 'protect.diff');

/** The number of lines that an app changes or adds to be protected. */
export async function changedLines(app: string): Promise<number> {
  const patch = await readFile(patchOf(app), 'utf8');
  return patch.split('\n').filter((line) => line.startsWith('+') && !line.startsWith('+++')).length;
}

/** A copy of an app, type-checked and built: as it is, or protected and with the address of its broker. */
export async function buildApp(app: string, agents: string, broker?: string): Promise<string> {
  const folder = join(HOME, broker === undefined ? `${app}-plain` : `${app}-protected`);
  await rm(folder, { recursive: true, force: true });
  await cp(join(APPS, app), folder, { recursive: true });
  if (broker !== undefined) await tool(folder, 'git', 'apply', patchOf(app));
  await tool(folder, 'wrangler', 'types', '--include-runtime=false');
  await tool(folder, 'tsc');
  const page = (await readdir(join(folder, 'src'))).find((name) => /^client\.tsx?$/.test(name));
  if (page !== undefined) {
    const path = join(folder, 'src', page);
    const source = await readFile(path, 'utf8');
    const addressed = source
      .replaceAll('https://broker.example.com', broker ?? '')
      .replaceAll('https://agents.example.com', agents);
    await writeFile(path, addressed);
    await tool(folder, 'esbuild', path, '--bundle', '--format=esm', '--outfile=public/client.js');
  }
  await bundle(folder);
  return folder;
}

/** The broker of the apps, built. */
export async function buildBroker(): Promise<string> {
  const folder = join(HOME, 'broker');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await cp(join(APPS, 'broker'), folder, { recursive: true });
  await bundle(folder);
  return folder;
}
