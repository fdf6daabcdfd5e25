import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { AgentClient } from 'agents/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { quietEnvironment } from '../../quiet-environment.ts';
import { freePorts } from '../free-ports.ts';
import { portsAreFree, startCommand } from '../start-process.ts';
import { adopt, installPackage, plainApp } from './adopt.ts';

/** `agent-ticket init` and `dev` in an app of the Agents SDK, from the packages, by the app's own wrangler. */

const PATIENCE_MS = 240_000;
let folder: string;
let program: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-dev-'));
  await plainApp(folder);
  await adopt(folder);
  await installPackage(folder, 'cli');
  await mkdir(join(folder, 'broker'));
  await installPackage(join(folder, 'broker'), 'broker');
  const home = join(folder, 'node_modules/agent-ticket');
  const { bin } = z
    .object({ bin: z.object({ 'agent-ticket': z.string() }) })
    .parse(JSON.parse(await readFile(join(home, 'package.json'), 'utf8')));
  program = join(home, bin['agent-ticket']);
}, PATIENCE_MS);

afterAll(() => rm(folder, { recursive: true }));

const Secrets = z.object({
  adminToken: z.object({ clientId: z.string(), clientSecret: z.string() }),
});
const Sessions = z.object({ items: z.array(z.object({ id: z.string(), agent: z.string() })) });

it('an app has a broker after two commands, sees its sessions in it, and is left as it was', {
  timeout: PATIENCE_MS,
}, async () => {
  const env = quietEnvironment(process.env);
  await promisify(execFile)(process.execPath, [program, 'init'], { cwd: folder, env });
  const ports = await freePorts();
  const [broker, app] = [ports.broker, ports.agentWorker].map((port) => `http://127.0.0.1:${port}`);
  await writeFile(join(folder, '.dev.vars'), `ISSUER=${broker}\nTICKET_AUDIENCE=agents.local\n`);

  const flags = ['--port', ports.agentWorker, '--broker-port', ports.broker];
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
  expect(await client.call('increment')).toBe(1);

  const [session] = await eventually(async () => {
    const listed = await ask('GET', '/admin/agents/sessions?active=true');
    const { items } = Sessions.parse(await listed.json());
    expect(items.map(({ agent }) => agent)).toEqual(['counter']);
    return items;
  });
  expect((await ask('DELETE', `/admin/agents/sessions/${session?.id}`)).status).toBe(200);
  expect(await closed).toEqual({ code: 4003, reason: 'forbidden' });
  client.close();

  running.signal('SIGINT', 'group');
  expect(await running.ended).toEqual({ code: 0, signal: null });
  await eventually(() => expect(running.hasLeftovers()).toBe(false));
  await portsAreFree(ports);
});
