import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { AgentClient } from 'agents/client';
import { expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { quietEnvironment } from '../../quiet-environment.ts';
import { freePorts } from '../free-ports.ts';
import { portsAreFree, startCommand } from '../start-process.ts';
import {
  adopt,
  followGuide,
  installByNpm,
  installPackage,
  plainApp,
  upgradePackage,
  viteApp,
} from './adopt.ts';

/** `agent-ticket init` and `dev` in an app of the Agents SDK, from the packages, by the app's own tools. */

const PATIENCE_MS = 300_000;

/** Installs the package of a workspace into a folder. */
type Install = (folder: string, workspace: string) => Promise<void>;

async function withWrangler(folder: string): Promise<Install> {
  await plainApp(folder);
  await adopt(folder);
  await installPackage(folder, 'cli');
  return installPackage;
}

async function withVite(folder: string): Promise<Install> {
  await viteApp(folder);
  await followGuide(folder);
  await installByNpm(folder, 'agent-worker', 'cli');
  return installByNpm;
}

/** The path of the command line as an app has it. */
async function programIn(folder: string): Promise<string> {
  const home = join(folder, 'node_modules/agent-ticket');
  const { bin } = z
    .object({ bin: z.object({ 'agent-ticket': z.string() }) })
    .parse(JSON.parse(await readFile(join(home, 'package.json'), 'utf8')));
  return join(home, bin['agent-ticket']);
}

/** A page that is served elsewhere. */
const PAGE = 'http://127.0.0.1:5173';

const Secrets = z.object({
  adminToken: z.object({ clientId: z.string(), clientSecret: z.string() }),
});
const Sessions = z.object({
  items: z.array(z.object({ id: z.string(), agent: z.string(), end_reason: z.string().nullable() })),
});

const Grants = z.object({ items: z.array(z.object({ subject: z.string(), role: z.string() })) });

/** An app with its broker, which `agent-ticket init` made. */
async function makeProject(makeApp: (folder: string) => Promise<Install>) {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-dev-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const install = await makeApp(folder);
  const program = await programIn(folder);
  const env = quietEnvironment(process.env);
  await promisify(execFile)(process.execPath, [program, 'init'], { cwd: folder, env });
  await install(join(folder, 'broker'), 'broker');
  return { folder, program, env };
}

/** Runs `agent-ticket dev` in a project. */
async function startDev({ folder, program, env }: Awaited<ReturnType<typeof makeProject>>) {
  const ports = await freePorts();
  const [broker, app] = [ports.broker, ports.agentWorker].map((port) => `http://127.0.0.1:${port}`);
  const flags = ['--port', ports.agentWorker, '--broker-port', ports.broker, '--origin', PAGE];
  const words = ['dev', ...flags, '--identity-provider-port', ports.identityProvider].map(String);
  const running = startCommand([process.execPath, program, ...words], ports, folder, env, folder);
  await running.up();
  for (const line of [`ISSUER=${broker}`, 'TICKET_AUDIENCE=agents.local'])
    expect(running.output.out).toContain(`    ${line}\n`);

  const { adminToken } = Secrets.parse(
    JSON.parse(await readFile(join(folder, '.agent-ticket/secrets.json'), 'utf8')),
  );
  const { clientId, clientSecret } = adminToken;
  expect(running.output.out).toContain(`-u ${clientId}:${clientSecret} `);
  const headers = {
    authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}`,
    'content-type': 'application/json',
  };
  const ask = (method: string, path: string, body?: object) =>
    fetch(`${broker}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  return {
    ask,

    /** The status of a request without a ticket from a page of an origin. */
    statusFrom: async (origin: string) =>
      (await fetch(`${app}/agents/counter/demo`, { headers: { origin } })).status,

    async listSessions(query: string) {
      const listed = await ask('GET', `/admin/agents/sessions${query}`);
      return Sessions.parse(await listed.json()).items;
    },

    /** Opens the counter by a ticket. */
    async connect() {
      const minted = await ask('POST', '/tickets', { agent: 'counter', instance: 'demo' });
      const { ticket } = z.object({ ticket: z.string() }).parse(await minted.json());
      const client = new AgentClient<unknown, { count: number }>({
        agent: 'counter',
        name: 'demo',
        host: app ?? '',
        protocols: ['agent-ticket.v1', ticket],
      });
      const closed = new Promise((resolve) => {
        client.addEventListener('close', ({ code, reason }) => resolve({ code, reason }));
      });
      await client.ready;
      return { client, closed };
    },

    /** Stops it as a terminal does, and leaves nothing behind. */
    async stop() {
      running.signal('SIGINT', 'group');
      expect(await running.ended).toEqual({ code: 0, signal: null });
      await eventually(() => expect(running.hasLeftovers()).toBe(false));
      await portsAreFree(ports);
    },
  };
}

it.each([
  ['wrangler', withWrangler, 200],
  // Vite gives no static assets to a second worker.
  ['Vite', withVite, 404],
])(
  'an app that runs in %s has a broker after two commands, sees its sessions in it, and is left as it was',
  {
    timeout: PATIENCE_MS,
  },
  async (_tool, makeApp, console) => {
    const dev = await startDev(await makeProject(makeApp));
    expect((await dev.ask('GET', '/console')).status).toBe(console);
    expect([await dev.statusFrom(PAGE), await dev.statusFrom('http://other.test')]).toEqual([401, 403]);
    // The schedule has run: it delivers changes, asks the app for its agents, and seals.
    await eventually(async () =>
      expect(await (await dev.ask('GET', '/readyz')).json()).toMatchObject({
        ...{ changes_waiting: 0, workers_unanswered: 0, workers_differing: 0 },
        checkpoint_age: expect.any(Number),
      }),
    );
    const grants = Grants.parse(await (await dev.ask('GET', '/admin/grants?agent=counter')).json()).items;
    expect(grants.map(({ subject, role }) => `${subject.split(':')[0]} ${role}`).toSorted()).toEqual([
      ...['access admin', 'access owner', 'auth0 admin', 'auth0 owner', 'token owner'],
    ]);
    const { client, closed } = await dev.connect();
    expect(await client.call('increment')).toBe(1);
    const [session] = await eventually(async () => {
      const open = await dev.listSessions('?active=true');
      expect(open.map(({ agent }) => agent)).toEqual(['counter']);
      return open;
    });
    expect((await dev.ask('DELETE', `/admin/agents/sessions/${session?.id}`)).status).toBe(200);
    expect(await closed).toEqual({ code: 4003, reason: 'forbidden' });
    client.close();
    await dev.stop();
  },
);

it('an upgrade of the packages alone keeps credentials, sessions and state', {
  timeout: PATIENCE_MS,
}, async () => {
  const project = await makeProject(withWrangler);
  const before = await startDev(project);
  const first = await before.connect();
  expect(await first.client.call('increment')).toBe(1);
  first.client.close();
  // The record has how it ended: an object that is killed within two seconds of an end has only that it ended.
  await eventually(async () =>
    expect(await before.listSessions('')).toMatchObject([{ end_reason: 'client_closed' }]),
  );
  await before.stop();
  await keepsOwnSettings(project);

  await upgradePackage(join(project.folder, 'broker'), 'broker', {
    'control/migrations': 'ALTER TABLE grants ADD COLUMN next text;',
    'record/migrations': 'ALTER TABLE agent_sessions ADD COLUMN next text;',
  });
  await upgradePackage(project.folder, 'agent-worker', {});
  const after = await startDev(project);
  const { client } = await after.connect();
  expect(await client.call('increment')).toBe(2);
  await eventually(async () => {
    const ends = (await after.listSessions('')).map(({ end_reason }) => end_reason);
    expect(ends).toEqual([null, 'client_closed']);
  });
  client.close();
  await after.stop();
  expect(await readFile(join(project.folder, '.dev.vars'), 'utf8')).toContain('\nMODEL_KEY=mine\n');
  expect(await readFile(join(project.folder, '.gitignore'), 'utf8')).toContain('.dev.vars*\n');
  expect(await tablesWith(project.folder, 'next')).toEqual(['agent_sessions', 'grants']);
});

/** Where a port is in use nothing is written, and the refusal names the port. */
async function keepsOwnSettings({ folder, program, env }: Awaited<ReturnType<typeof makeProject>>) {
  const vars = join(folder, '.dev.vars');
  await appendFile(vars, 'MODEL_KEY=mine\n');
  const text = await readFile(vars, 'utf8');
  const { broker, agentWorker } = await freePorts();
  const other = createServer();
  await new Promise<void>((listening) => other.listen(broker, '127.0.0.1', listening));
  onTestFinished(() => {
    other.close();
  });
  const words = ['dev', '--port', agentWorker, '--broker-port', broker].map(String);
  const refused = promisify(execFile)(process.execPath, [program, ...words], { cwd: folder, env });
  await expect(refused).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`The port ${broker} is in use`),
  });
  expect(await readFile(vars, 'utf8')).toBe(text);
}

/** The tables in the databases of a project that have a column. */
async function tablesWith(folder: string, column: string): Promise<string[]> {
  const home = join(folder, '.wrangler/state/v3/d1/miniflare-D1DatabaseObject');
  const found: string[] = [];
  for (const file of (await readdir(home)).filter((name) => /^[0-9a-f]+\.sqlite$/.test(name))) {
    const database = new DatabaseSync(join(home, file));
    const rows = database
      .prepare(
        "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = ?",
      )
      .all(column);
    found.push(...rows.map(({ name }) => String(name)));
    database.close();
  }
  return found.toSorted();
}
