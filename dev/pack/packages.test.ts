import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { build } from 'esbuild';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { installTarball, linkModules } from './install.ts';
import { makePackage } from './make-package.ts';
import { entriesOf, readManifest } from './manifest.ts';
import { PACKAGES } from './packages.ts';

/** The packages as their users get them: built twice, and installed into a project that has nothing else of ours. */

const run = promisify(execFile);
/** Eight builds: half a minute on a quiet machine, minutes beside other tests. */
const PATIENCE_MS = 600_000;
const NAMES = await Promise.all(PACKAGES.map(async ({ workspace }) => (await readManifest(workspace)).name));

let project: string;
const tarballs = new Map<string, string>();
const again = new Map<string, string>();

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'agent-ticket-packages-'));
  await linkModules(project);
  for (const [index, spec] of PACKAGES.entries()) {
    const name = NAMES[index] ?? '';
    const [first, second] = await Promise.all(
      ['packed-for-tests', 'packed-again'].map((folder) =>
        makePackage(spec, `${ROOT}.dev/${folder}/${spec.workspace}`),
      ),
    );
    tarballs.set(name, first ?? '');
    again.set(name, second ?? '');
    await installTarball(project, name, tarballOf(name));
  }
}, PATIENCE_MS);

afterAll(() => rm(project, { recursive: true }));

const tarballOf = (name: string): string => tarballs.get(name) ?? '';
const homeOf = (name: string): string => join(project, 'node_modules', name);
const digest = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

/** What the compiler says of a file in the project, and of the declarations of the packages. */
async function typeErrors(source: string, options: Readonly<Record<string, unknown>>): Promise<string[]> {
  await writeFile(join(project, 'app.ts'), source);
  const compilerOptions = { strict: true, noEmit: true, target: 'ES2023', ...options };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ files: ['app.ts'], compilerOptions }));
  const { stdout } = await run('tsc', [], { cwd: project, env: quietEnvironment(process.env) }).catch(
    (error) => {
      if (error.code > 0) return error;
      throw error;
    },
  );
  // Those of other people's declarations are theirs.
  return String(stdout)
    .split('\n')
    .filter((line) => /^(app\.ts|node_modules\/(@agent-ticket|agent-ticket)\/)/.test(line));
}

describe.each(NAMES)('%s', (name) => {
  it('has the same bytes in two builds', async () => {
    expect(await digest(again.get(name) ?? '')).toBe(await digest(tarballOf(name)));
  });

  it('is without a finding of publint', async () => {
    const { messages } = await publint({
      pack: { tarball: Uint8Array.from(await readFile(tarballOf(name))).buffer },
      strict: true,
    });
    expect(messages).toEqual([]);
  });

  it('has types that fit its code in every way of resolving that knows ES modules', async () => {
    const checked = await checkPackage(createPackageFromTarballData(await readFile(tarballOf(name))));
    if (!checked.types) throw new Error('no types');
    // Of all packages: ES modules alone, for Node from 20 on. The way of Node 10 knows no `exports`.
    const problems = checked.problems.filter(
      (problem) =>
        !('resolutionKind' in problem && ['node10', 'node16-cjs'].includes(problem.resolutionKind)),
    );
    expect(problems).toEqual([]);
    const entries = entriesOf(await readManifest(PACKAGES[NAMES.indexOf(name)]?.workspace ?? ''));
    expect(Object.keys(checked.entrypoints)).toEqual(entries.map(([entry]) => entry));
  });

  it('has built files, migrations and texts, and no test and no source', async () => {
    const files = await readdir(homeOf(name), { recursive: true, withFileTypes: true });
    const names = files.filter((file) => file.isFile()).map((file) => file.name);
    expect(
      names.filter(
        (file) =>
          !/\.(js|d\.ts|sql|md|css|html|svg)$|^(LICENSE|package\.json|openapi\.json|_journal\.json)$/.test(
            file,
          ),
      ),
    ).toEqual([]);
    expect(names.filter((file) => /\.test\.|vitest/.test(file))).toEqual([]);
    const code = await Promise.all(
      files
        .filter((file) => /\.(js|d\.ts)$/.test(file.name))
        .map((file) => readFile(join(file.parentPath, file.name), 'utf8')),
    );
    expect(code.filter((text) => /@agent-ticket\/(shared|drizzle)|from ["']vitest/.test(text))).toEqual([]);
  });

  it('takes ranges of its dependencies, and names none that is a peer', async () => {
    const { dependencies = {}, peerDependencies = {} } = JSON.parse(
      await readFile(join(homeOf(name), 'package.json'), 'utf8'),
    );
    expect(Object.values(dependencies).filter((range) => !/^\^\d/.test(String(range)))).toEqual([]);
    expect(Object.keys(dependencies).filter((each) => Object.hasOwn(peerDependencies, each))).toEqual([]);
  });

  it('has a README whose links work outside of the repository', async () => {
    const readme = await readFile(join(homeOf(name), 'README.md'), 'utf8');
    const targets = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target);
    expect(targets.length).toBeGreaterThan(0);
    expect(targets.filter((target) => !target?.startsWith('https://'))).toEqual([]);
  });
});

const WORKER = `
import { Agent } from 'agents';
import { createGate, defineAgents, type SessionPrincipal, ticketed } from '@agent-ticket/agent-worker';
import { defineAgents as alone } from '@agent-ticket/agent-worker/registry';
import { createTestIssuer, TICKET_FAULTS } from '@agent-ticket/agent-worker/testing';
import { burnInD1, createTicketVerifier } from '@agent-ticket/agent-worker/verify';
import { createBroker } from '@agent-ticket/broker';

export { RecorderObject } from '@agent-ticket/agent-worker';
export class Counter extends ticketed(Agent<Cloudflare.Env, { count: number }>) {
  caller(): SessionPrincipal {
    return this.principal();
  }
}
const gate = createGate(defineAgents([{ slug: 'counter' }]));
export const answer = (request: Request, env: Parameters<typeof gate>[1]) => gate(request, env);
const broker = createBroker({ agents: alone([{ slug: 'counter' }]) });
export class MintShardObject extends broker.MintShardObject {}
export default broker.handler;
export const kit = [createTestIssuer, TICKET_FAULTS.map(({ fault }) => fault)];
export const verifier = (env: { readonly BURNS: D1Database }) =>
  createTicketVerifier({ issuer: 'https://b.example', audience: 'a', agents: ['counter'], burn: burnInD1(env.BURNS) });
// @ts-expect-error: nothing says that a ticket may be used again.
createTicketVerifier({ issuer: 'https://b.example', audience: 'a', agents: ['counter'] });
// @ts-expect-error: the env has the binding of the agent.
gate(new Request('https://agents.example'), { RECORD: undefined });
// @ts-expect-error: an agent has a slug.
alone([{ displayName: 'no slug' }]);
`;

const ADMIT_TWICE = `
import { defineAgents } from '@agent-ticket/agent-worker/registry';
import { createTestIssuer } from '@agent-ticket/agent-worker/testing';
import { burnInThisProcess, createTicketVerifier, nodeRequest } from '@agent-ticket/agent-worker/verify';

const of = { issuer: 'https://broker.example', audience: 'rooms' };
const issuer = await createTestIssuer({ ...of, agents: defineAgents([{ slug: 'rooms', access: 'viewer' }]) });
const ports = { fetch: async (url) => issuer.fetch(new Request(url)) };
const verifier = createTicketVerifier({ ...of, agents: ['rooms'], burn: burnInThisProcess(), ports });
const ticket = await issuer.ticket({ agent: 'rooms', instance: 'one' });
const rawHeaders = ['Sec-WebSocket-Protocol', 'agent-ticket.v1, ' + ticket];
const request = nodeRequest({ url: '/agents/rooms/one', rawHeaders });
const [first, second] = [await verifier.admitSocket(request), await verifier.admitSocket(request)];
console.log(first.ok, second.refusal.reason);
`;

const PAGE = `
import { createTicketProvider } from '@agent-ticket/client';
import { describeClose } from '@agent-ticket/client/closes';
import { attachHeartbeat } from '@agent-ticket/client/heartbeat';
import { useTicketProvider } from '@agent-ticket/client/react';
import { ticketProvider } from '@agent-ticket/client/svelte';
import { useTicketProvider as composable } from '@agent-ticket/client/vue';

const options = {
  broker: 'https://broker.example',
  host: 'agents.example',
  agent: 'counter',
  instance: 'team',
  credential: { kind: 'session' },
} as const;
export const used = [createTicketProvider(options), useTicketProvider(options), ticketProvider(options), composable(options)];
export { attachHeartbeat, describeClose };
// @ts-expect-error: a credential has a kind.
createTicketProvider({ ...options, credential: {} });
`;

describe('in a project that has installed them', () => {
  const types = ['@cloudflare/workers-types', 'node'];
  const lib = ['ES2023', 'DOM', 'DOM.Iterable'];
  const bundler = { module: 'esnext', moduleResolution: 'bundler' };
  const nodenext = { module: 'nodenext', moduleResolution: 'nodenext' };

  // The declarations of the runtime and of the SDK take a minute to check.
  it.each([bundler, nodenext])('the entries for workers have types ($moduleResolution)', async (options) => {
    expect(await typeErrors(WORKER, { ...options, types, skipLibCheck: true })).toEqual([]);
  });

  it.each([bundler, nodenext])('the entries for pages have types ($moduleResolution)', async (options) => {
    expect(await typeErrors(PAGE, { ...options, types: [], lib })).toEqual([]);
  });

  it('a bundler finds all that a worker imports, and no package for Node alone', async () => {
    await writeFile(join(project, 'app.ts'), WORKER);
    const { metafile } = await build({
      entryPoints: [join(project, 'app.ts')],
      bundle: true,
      format: 'esm',
      conditions: ['workerd', 'worker', 'browser'],
      platform: 'node',
      external: ['cloudflare:*'],
      write: false,
      metafile: true,
      logLevel: 'silent',
    });
    expect(Object.keys(metafile.inputs).filter((path) => /libsql|node-server/.test(path))).toEqual([]);
  });

  it('the entries without a runtime of their own run on Node', async () => {
    const entries = [
      'client',
      'client/closes',
      'client/heartbeat',
      'client/react',
      'client/vue',
      'client/svelte',
      'agent-worker/registry',
      'agent-worker/testing',
      'agent-worker/verify',
    ];
    const script = entries.map((entry) => `import '@agent-ticket/${entry}';`).join('');
    await run('node', ['--input-type=module', '-e', script], { cwd: project });
    await run('node', [join(homeOf('agent-ticket'), 'index.js'), '--help'], { cwd: project });
  });

  it('the verifier admits a ticket once, on the Node of the path', async () => {
    const { stdout } = await run('node', ['--input-type=module', '-e', ADMIT_TWICE], { cwd: project });
    expect(stdout).toBe('true ticket_used\n');
  });
});

it('the template of one worker needs nothing but its packages: its types hold, and wrangler builds it', async () => {
  const folder = join(project, 'template');
  await cp(`${ROOT}templates/one-worker`, folder, { recursive: true });
  await symlink(join(project, 'node_modules'), join(folder, 'node_modules'));
  const env = quietEnvironment(process.env);
  await run('wrangler', ['types', '--include-runtime=false'], { cwd: folder, env });
  await run('tsc', [], { cwd: folder, env });
  const { stdout } = await run('wrangler', ['deploy', '--dry-run', '--outdir', 'dist'], { cwd: folder, env });
  expect(stdout).toContain('env.MINT_SHARD');
  for (const database of ['control', 'record'])
    expect(await readdir(join(folder, `node_modules/@agent-ticket/broker/${database}/migrations`))).toContain(
      '0000_init.sql',
    );
});

it('the template describes each of its settings and secrets to the person who deploys it', async () => {
  const text = (name: string) => readFile(`${ROOT}templates/one-worker/${name}`, 'utf8');
  const vars = /"vars": \{(.*?)\}/s.exec(await text('wrangler.jsonc'))?.[1] ?? '';
  const asked = [
    ...[...vars.matchAll(/"(\w+)":/g)].map(([, name]) => name),
    ...[...(await text('.dev.vars.example')).matchAll(/^(\w+)=/gm)].map(([, name]) => name),
  ];
  const { cloudflare } = JSON.parse(await text('package.json'));
  expect(Object.keys(cloudflare.bindings).sort()).toEqual(asked.sort());
});
