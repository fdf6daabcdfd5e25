import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { installTarball, linkModules } from '../../pack/install.ts';
import { makePackage } from '../../pack/make-package.ts';
import { readManifest } from '../../pack/manifest.ts';
import { PACKAGES } from '../../pack/packages.ts';
import { quietEnvironment, ROOT } from '../../quiet-environment.ts';

const run = promisify(execFile);
const APP = `${ROOT}dev/e2e/adopting/app`;
const NAME = '@agent-ticket/agent-worker';

/** The changes of the guide as one patch. */
async function guidedPatch(): Promise<string> {
  const guide = await readFile(`${ROOT}docs/start/protect.md`, 'utf8');
  return [...guide.matchAll(/^```diff\n(.*?)^```$/gms)].map(([, patch]) => patch).join('');
}

/** An Agents SDK app without tickets, in a folder with all its dependencies. */
export async function plainApp(folder: string): Promise<void> {
  await cp(APP, folder, { recursive: true });
  await linkModules(folder);
}

/** An Agents SDK app that Vite builds and runs, with its dependencies by npm: the plugin has a wrangler of its own. */
export async function viteApp(folder: string): Promise<void> {
  await cp(APP, folder, { recursive: true });
  const manifest = join(folder, 'package.json');
  const devDependencies = { '@cloudflare/vite-plugin': '1.64.0', vite: '8.3.8', wrangler: '4.151.0' };
  const own: object = JSON.parse(await readFile(manifest, 'utf8'));
  await writeFile(manifest, JSON.stringify({ ...own, devDependencies }));
  await writeFile(
    join(folder, 'vite.config.ts'),
    `import { cloudflare } from '@cloudflare/vite-plugin';
import agents from 'agents/vite';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [agents(), cloudflare({ auxiliaryWorkers: [{ configPath: 'broker/wrangler.jsonc' }] })],
});
`,
  );
}

/** Packs the package of a workspace as it is published. Answers the path of the tarball. */
async function pack(workspace: string): Promise<string> {
  const spec = PACKAGES.find((each) => each.workspace === workspace);
  if (spec === undefined) throw new Error(`no package of ${workspace}`);
  return makePackage(spec, `${ROOT}.dev/packed-for-adopting/${workspace}`);
}

/** Installs the package of a workspace, as it is published, into a project that has all other packages. */
export const installPackage = async (project: string, workspace: string): Promise<void> =>
  installTarball(project, (await readManifest(workspace)).name, await pack(workspace));

/**
 * Installs the next version of a package into a project that has it: with another number, and with a migration more for
 * each of the folders.
 */
export async function upgradePackage(
  project: string,
  workspace: string,
  migrations: Readonly<Record<string, string>>,
): Promise<void> {
  const { name } = await readManifest(workspace);
  const content = join(project, 'node_modules', name);
  const next = await mkdtemp(join(tmpdir(), 'agent-ticket-next-'));
  await cp(content, next, { recursive: true, dereference: true });
  const manifest: object = JSON.parse(await readFile(join(next, 'package.json'), 'utf8'));
  await writeFile(join(next, 'package.json'), JSON.stringify({ ...manifest, version: '0.0.1' }));
  for (const [folder, sql] of Object.entries(migrations))
    await writeFile(join(next, folder, '9999_next.sql'), sql);
  const { stdout } = await run('npm', ['pack', '--silent'], {
    cwd: next,
    env: quietEnvironment(process.env),
  });
  await rm(content, { recursive: true });
  await installTarball(project, name, join(next, stdout.trim()));
  await rm(next, { recursive: true });
}

/** The same by npm, with all that project and packages depend on. */
export async function installByNpm(project: string, ...workspaces: string[]): Promise<void> {
  const tarballs = await Promise.all(workspaces.map(pack));
  const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
  await run('npm', ['install', ...flags, ...tarballs], { cwd: project, env: quietEnvironment(process.env) });
}

/** Installs the built package into it and changes the lines of the guide. */
export async function adopt(folder: string): Promise<void> {
  await installPackage(folder, 'agent-worker');
  const manifest = join(folder, 'package.json');
  const text = await readFile(manifest, 'utf8');
  await writeFile(
    manifest,
    text.replace(
      '"dependencies": {\n',
      `"dependencies": {\n    "${NAME}": "file:agent-ticket-agent-worker.tgz",\n`,
    ),
  );
  await followGuide(folder);
}

/** The registry of the guide, which `agent-ticket init` would write. */
export async function writeRegistry(folder: string): Promise<void> {
  const guide = await readFile(`${ROOT}docs/start/protect.md`, 'utf8');
  const [, text] = /^```ts\n\/\/ agents\.ts\n(.*?)^```$/ms.exec(guide) ?? [];
  if (text === undefined) throw new Error('docs/start/protect.md has no agents.ts');
  await writeFile(join(folder, 'agents.ts'), text);
}

/** Changes the lines of the guide. */
export async function followGuide(folder: string): Promise<void> {
  const patching = spawn('git', ['apply', '-'], { cwd: folder, stdio: ['pipe', 'inherit', 'inherit'] });
  patching.stdin.end(await guidedPatch());
  const [code] = await once(patching, 'close');
  if (code !== 0) throw new Error('the lines of docs/start/protect.md do not fit the app');
}

/** The number of lines of the app that were added or changed by hand, and of removed ones. */
export async function changedLines(folder: string): Promise<{ added: number; removed: number }> {
  const sum = { added: 0, removed: 0 };
  for (const file of ['wrangler.jsonc', 'tsconfig.json', 'src/index.ts', 'src/counter.ts']) {
    // Status 1 means that there are differences.
    const { stdout } = await run('diff', [join(APP, file), join(folder, file)]).catch((error) => {
      if (error.code === 1) return error;
      throw error;
    });
    for (const line of String(stdout).split('\n')) {
      if (line.startsWith('>')) sum.added += 1;
      if (line.startsWith('<')) sum.removed += 1;
    }
  }
  return sum;
}

/** Types, then the bundle as it would be deployed. Rejects with the output of the tools. */
export async function buildApp(folder: string): Promise<void> {
  const options = { cwd: folder, env: quietEnvironment(process.env) };
  for (const [tool, ...args] of [
    ['wrangler', 'types', '--include-runtime=false'],
    ['tsc'],
    ['wrangler', 'deploy', '--dry-run', '--outdir', 'dist'],
  ] as [string, ...string[]][]) {
    await run(tool, args, options).catch(({ stdout, stderr }) => {
      throw new Error(`${tool} ${args.join(' ')}: ${stdout}${stderr}`);
    });
  }
}

const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      assertionResults: z.array(z.object({ title: z.string(), status: z.string() })),
    }),
  ),
});

/** Runs the tests that the guide on testing shows. Answers the files, each with its tests that did not pass. */
export async function runGuidedTests(folder: string): Promise<Map<string, string[]>> {
  const guide = await readFile(`${ROOT}docs/start/testing.md`, 'utf8');
  for (const [, path = '', text = ''] of guide.matchAll(/^```ts\n\/\/ (\S+)\n(.*?)^```$/gms)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const report = join(folder, 'report.json');
  // A test that fails is in the report.
  await run('vitest', ['run', '--reporter=json', `--outputFile=${report}`], {
    cwd: folder,
    env: quietEnvironment(process.env),
  }).catch(() => {});
  const { testResults } = Report.parse(JSON.parse(await readFile(report, 'utf8')));
  return new Map(
    testResults.map(({ name, assertionResults }) => [
      name.slice(folder.length + 1),
      assertionResults.filter(({ status }) => status !== 'passed').map(({ title }) => title),
    ]),
  );
}
