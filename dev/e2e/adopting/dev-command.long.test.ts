import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { AgentClient } from 'agents/client';
import { expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { quietEnvironment } from '../../quiet-environment.ts';
import { freePorts } from '../free-ports.ts';
import { portsAreFree, startCommand } from '../start-process.ts';
import { adopt, followGuide, installByNpm, installPackage, plainApp, viteApp } from './adopt.ts';

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

const Secrets = z.object({
  adminToken: z.object({ clientId: z.string(), clientSecret: z.string() }),
});
const Sessions = z.object({ items: z.array(z.object({ id: z.string(), agent: z.string() })) });

it.each([
  ['wrangler', withWrangler],
  ['Vite', withVite],
])(
  'an app that runs in %s has a broker after two commands, sees its sessions in it, and is left as it was',
  {
    timeout: PATIENCE_MS,
  },
  async (_tool, makeApp) => {
    const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-dev-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const install = await makeApp(folder);
    const program = await programIn(folder);
    const env = quietEnvironment(process.env);
    await promisify(execFile)(process.execPath, [program, 'init'], { cwd: folder, env });
    await install(join(folder, 'broker'), 'broker');
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
  },
);
