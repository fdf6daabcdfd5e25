import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { AgentClient } from 'agents/client';
import { expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { reservePort } from '../start/reservations.ts';
import type { Ports } from '../start/stack.ts';
import { post } from './broker.ts';
import { freePorts } from './free-ports.ts';
import { nextFrame, openSocket, watchToClose } from './sockets.ts';
import { portsAreFree, type StartProcess, startCommand, startProcess } from './start-process.ts';

/** A start, its build from the cache and its end, on two busy cores. */
const ONE_START_MS = 90_000;

const Credential = z.strictObject({ id: z.string(), clientId: z.string(), clientSecret: z.string() });
const DevFile = z.strictObject({
  broker: z.url(),
  agentWorker: z.url(),
  identityProvider: z.url(),
  issuer: z.url(),
  audience: z.string(),
  serviceToken: Credential,
  adminToken: Credential,
  access: z.strictObject({ tokenUrl: z.url() }),
  auth0: z.strictObject({ tokenUrl: z.url() }),
});
type DevFile = z.infer<typeof DevFile>;

const Ticket = z.looseObject({ ticket: z.string(), url: z.url(), agent: z.string(), instance: z.string() });

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-start-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const devFile = async (folder: string): Promise<DevFile> =>
  DevFile.parse(JSON.parse(await readFile(join(folder, 'dev.json'), 'utf8')));

async function mintAt({ broker, serviceToken }: DevFile): Promise<z.infer<typeof Ticket>> {
  const headers = { authorization: `Bearer ${serviceToken.clientSecret}` };
  const body = { agent: 'counter', instance: 'demo', expires_in: 300 };
  return Ticket.parse(await (await post(`${broker}/tickets`, headers, body)).json());
}

const keysAt = async ({ broker }: DevFile): Promise<string[]> => {
  const set = await (await fetch(`${broker}/.well-known/jwks.json`)).json();
  return z
    .object({ keys: z.array(z.object({ kid: z.string() })) })
    .parse(set)
    .keys.map(({ kid }) => kid);
};

async function increment({ agentWorker }: DevFile, ticket: string): Promise<unknown> {
  const client = new AgentClient({ agent: 'counter', name: 'demo', host: agentWorker, query: { ticket } });
  await client.ready;
  const count = await client.call('increment');
  client.close();
  return count;
}

/** Runs one line of the output in a shell. */
async function paste(start: StartProcess): Promise<unknown> {
  const lines = start.output.out.split('\n').filter((line) => line.startsWith('curl '));
  expect(lines).toHaveLength(1);
  const { stdout } = await promisify(execFile)('bash', ['-c', lines.join('')]);
  return JSON.parse(stdout);
}

async function endsCleanly(start: StartProcess, ports: Ports): Promise<void> {
  expect(await start.ended).toEqual({ code: 0, signal: null });
  expect(start.output.err).toBe('');
  expect(start.hasLeftovers()).toBe(false);
  await portsAreFree(ports);
}

it(
  'a first start serves the printed command, a concurrent one is refused, and a second continues with the data',
  async () => {
    const [ports, folder] = [await freePorts(), await newFolder()];
    const both = [startProcess(ports, folder), startProcess(ports, folder)];
    const failed = await Promise.race(both.map((start) => start.ended.then(() => start)));
    expect(await failed.ended).toMatchObject({ code: 1 });
    expect(failed.output.err).toMatch(/^port \d+ is taken, and the broker needs it: stop what listens there/);
    const [first = failed] = both.filter((start) => start !== failed);
    await first.up();

    const elsewhere = startProcess(await freePorts(), folder);
    expect(await elsewhere.ended).toEqual({ code: 1, signal: null });
    expect(elsewhere.output.err).toBe(`another start runs on ${folder}: stop it, or set DEV_DIR\n`);

    const facts = await devFile(folder);
    expect(facts).toMatchObject({
      broker: `http://127.0.0.1:${ports.broker}`,
      agentWorker: `http://127.0.0.1:${ports.agentWorker}`,
      identityProvider: `http://127.0.0.1:${ports.identityProvider}`,
      issuer: `http://127.0.0.1:${ports.broker}`,
    });
    const keys = await keysAt(facts);
    expect(keys).toHaveLength(1);
    const pasted = Ticket.parse(await paste(first));
    expect(pasted).toMatchObject({ agent: 'counter', instance: 'demo', role: 'admin' });
    expect(await increment(facts, pasted.ticket)).toBe(1);
    const unused = await mintAt(facts);

    // npm passes on the signal that the terminal has already sent to all.
    first.signal('SIGINT', 'group');
    first.signal('SIGINT', 'process');
    await endsCleanly(first, ports);

    const second = startProcess(ports, folder);
    await second.up();
    expect(await devFile(folder)).toEqual(facts);
    expect(await keysAt(facts)).toEqual(keys);
    expect(await watchToClose(pasted.url)).toMatchObject({ frames: [], code: 3000, reason: 'ticket_used' });
    expect(await increment(facts, unused.ticket)).toBe(2);
    expect(await increment(facts, (await mintAt(facts)).ticket)).toBe(3);

    second.signal('SIGTERM', 'process');
    await endsCleanly(second, ports);
  },
  3 * ONE_START_MS,
);

it(
  'a start runs on after its output is closed, and ends with open sockets',
  async () => {
    const [ports, folder] = [await freePorts(), await newFolder()];
    const start = startProcess(ports, folder);
    start.closeOutput();
    const facts = await eventually(() => devFile(folder), ONE_START_MS);
    const { socket, closed } = openSocket((await mintAt(facts)).url);
    await nextFrame(socket);
    start.signal('SIGHUP', 'process');
    await endsCleanly(start, ports);
    await closed;
  },
  2 * ONE_START_MS,
);

it(
  'a signal to npm alone ends everything that npm has started',
  async () => {
    const [ports, folder] = [await freePorts(), await newFolder()];
    const start = startCommand(['npm', 'start'], ports, folder);
    await start.up();
    start.signal('SIGTERM', 'process');
    await start.ended;
    expect(start.hasLeftovers()).toBe(false);
    await portsAreFree(ports);
  },
  2 * ONE_START_MS,
);

it('data of another schema remains, and the error has the remedy', async () => {
  const [ports, folder] = [await freePorts(), await newFolder()];
  await writeFile(join(folder, 'schema.json'), '{"control/0000_first.sql": "of another day"}');
  await mkdir(join(folder, 'state/v3'), { recursive: true });
  await writeFile(join(folder, 'secrets.json'), JSON.stringify(makeSecrets()));
  const start = startProcess(ports, folder);
  expect(await start.ended).toEqual({ code: 1, signal: null });
  expect(start.output.err).toBe(
    `the data in ${folder} was made with another database schema: delete that folder to start anew\n`,
  );
});

it('a signal during the build ends the start and the build', async () => {
  const [ports, folder] = [await freePorts(), await newFolder()];
  const start = startProcess(ports, folder);
  await eventually(() => expect(start.output.out).toContain('building'));
  start.signal('SIGINT', 'group');
  expect(await start.ended).toEqual({ code: 130, signal: null });
  expect(start.output.err).toBe('');
  expect(start.hasLeftovers()).toBe(false);
  await portsAreFree(ports);
});

it.each([
  ['broker', 'broker'],
  ['agentWorker', 'agent worker'],
  ['identityProvider', 'identity provider stand-in'],
] as const)('a taken port of the %s is said before anything is done', async (which, name) => {
  const [ports, folder] = [await freePorts(), await newFolder()];
  const taken = await reservePort(ports[which], 'test');
  onTestFinished(() => taken.release());
  const start = startProcess(ports, folder);
  expect(await start.ended).toEqual({ code: 1, signal: null });
  expect(start.output).toEqual({
    out: '',
    err: `port ${ports[which]} is taken, and the ${name} needs it: stop what listens there and start again\n`,
  });
});

it('a damaged file of secrets is named, and nothing of it is shown', async () => {
  const [ports, folder] = [await freePorts(), await newFolder()];
  const file = join(folder, 'secrets.json');
  await writeFile(file, '{"tokenPepper": "do-not-show');
  const start = startProcess(ports, folder);
  expect(await start.ended).toEqual({ code: 1, signal: null });
  expect(start.output).toEqual({ out: '', err: `${file} is damaged: delete ${folder} to start anew\n` });
});

it('a setting that cannot be is named', async () => {
  const [ports, folder] = [await freePorts(), await newFolder()];
  const start = startProcess(ports, folder, { AGENT_WORKER_PORT: 'eight' });
  expect(await start.ended).toEqual({ code: 1, signal: null });
  expect(start.output.err).toBe('AGENT_WORKER_PORT must be a TCP port, 1 to 65535\n');
});
