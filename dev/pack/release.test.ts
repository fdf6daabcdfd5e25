import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { readManifest } from './manifest.ts';
import { PACKAGES } from './packages.ts';

/** The steps of .github/workflows/release.yml, as far as they reach no network. */

const run = promisify(execFile);
/** Seconds on a quiet machine. */
const PATIENCE_MS = 600_000;
const npm = (args: readonly string[], env = process.env) =>
  run('npm', args, { cwd: ROOT, env: quietEnvironment(env), maxBuffer: 16 * 1024 * 1024 });

const Root = z.object({ scripts: z.record(z.string(), z.string()) });
const workflow = await readFile(`${ROOT}.github/workflows/release.yml`, 'utf8');
const steps = [...workflow.matchAll(/^ *-? *run: (.*)$/gm)].map(([, command = '']) => command);
const manifests = await Promise.all(PACKAGES.map(({ workspace }) => readManifest(workspace)));

/** A registry that has no package. Keeps each request. */
async function emptyRegistry(): Promise<{ readonly url: string; readonly requests: string[] }> {
  const requests: string[] = [];
  const server = createServer(({ method, url }, response) => {
    requests.push(`${method} ${url}`);
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not_found"}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return { url: `http://127.0.0.1:${address.port}/`, requests };
}

describe('the workflow of a release', () => {
  it('has nothing but the programs that tests need and npm scripts that exist as its own steps, in the order test, check, audit, pack, publish', async () => {
    const { scripts } = Root.parse(JSON.parse(await readFile(`${ROOT}package.json`, 'utf8')));
    const [programs = '', install, ...others] = steps;
    expect(programs).toMatch(/^sudo apt-get /);
    // The image of the workflow has a browser and systemd.
    const ci = await readFile(`${ROOT}.ci/run`, 'utf8');
    const packages = [...ci.matchAll(/packages\+=\(([^)]+)\)/g)]
      .flatMap(([, names = '']) => names.split(' '))
      .filter((name) => name !== 'chromium' && name !== 'systemd');
    expect(packages.length).toBeGreaterThan(5);
    expect(packages.filter((name) => !programs.split(' ').includes(name))).toEqual([]);
    expect(install).toBe('npm ci');
    const names = others.map((step) => /^npm run ([\w:]+)$/.exec(step)?.[1] ?? step);
    expect(names).toEqual(['test:ci', 'check', 'release:audit', 'pack', 'release:sbom', 'release:publish']);
    expect(names.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it('publishes by its identity: it has no token, and npm signs where the packages come from', async () => {
    expect(workflow).toMatch(/^ {2}id-token: write$/m);
    expect(workflow).toMatch(/^ {2}contents: read$/m);
    expect(workflow).not.toMatch(/secrets\.|NODE_AUTH_TOKEN/);
  });
});

describe('the scripts of the workflow', () => {
  beforeAll(() => npm(['run', 'pack']), PATIENCE_MS);

  it(
    'release:sbom lists of each package what it brings, with hashes, and no tool of this repository',
    async () => {
      await npm(['run', 'release:sbom']);
      const Sbom = z.object({
        metadata: z.object({ component: z.object({ name: z.string(), version: z.string() }) }),
        components: z.array(z.object({ name: z.string(), hashes: z.array(z.unknown()).min(1) })),
      });
      for (const { workspace } of PACKAGES) {
        const packed = `${ROOT}.dev/pack/${workspace}`;
        const sbom = Sbom.parse(JSON.parse(await readFile(`${packed}/sbom.cdx.json`, 'utf8')));
        const manifest = JSON.parse(await readFile(`${packed}/content/package.json`, 'utf8'));
        expect(manifest).toMatchObject({ version: sbom.metadata.component.version });
        const names = sbom.components.map(({ name }) => name);
        expect(names).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies ?? {})));
        expect(names).not.toContain('vitest');
        expect(names).not.toContain('wrangler');
      }
    },
    PATIENCE_MS,
  );

  it(
    'release:publish would publish all four, and with --dry-run sends nothing',
    async () => {
      const registry = await emptyRegistry();
      const { stdout } = await npm(['run', 'release:publish', '--', '--dry-run', '--registry', registry.url]);
      expect(stdout.match(/^\+ .*$/gm)).toEqual(manifests.map(({ name, version }) => `+ ${name}@${version}`));
      expect(registry.requests.filter((request) => !request.startsWith('GET '))).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'release:version gives all four the same new version and a changelog, whichever has changed',
    async () => {
      const copy = await mkdtemp(join(tmpdir(), 'agent-ticket-version-'));
      onTestFinished(() => rm(copy, { recursive: true }));
      for (const path of ['package.json', '.changeset'])
        await cp(ROOT + path, join(copy, path), { recursive: true });
      const { workspaces } = z
        .object({ workspaces: z.array(z.string()) })
        .parse(JSON.parse(await readFile(`${ROOT}package.json`, 'utf8')));
      for (const workspace of workspaces) {
        await mkdir(join(copy, workspace));
        await cp(`${ROOT}${workspace}/package.json`, join(copy, workspace, 'package.json'));
      }
      await writeFile(
        join(copy, '.changeset', 'of-this-test.md'),
        `---\n'${manifests[0]?.name}': patch\n---\n\nA text.\n`,
      );
      const here = { cwd: copy, env: quietEnvironment(process.env) };
      await run('git', ['init', '--quiet'], here);
      await run('git', ['add', '.'], here);
      const author = ['-c', 'user.name=test', '-c', 'user.email=test@example.com'];
      await run('git', [...author, 'commit', '--quiet', '-m', 'test'], here);
      await run('changeset', ['version'], here);
      const versions = await Promise.all(
        PACKAGES.map(async ({ workspace }) => {
          const { version } = JSON.parse(await readFile(join(copy, workspace, 'package.json'), 'utf8'));
          const changes = await readFile(join(copy, workspace, 'CHANGELOG.md'), 'utf8');
          expect(changes).toContain(`## ${version}`);
          return version;
        }),
      );
      expect(new Set(versions).size).toBe(1);
      expect(versions[0]).not.toBe(manifests[0]?.version);
    },
    PATIENCE_MS,
  );
});
