import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BURNED_TICKETS_TABLE } from '@agent-ticket/agent-worker/verify';
import { openControl } from '@agent-ticket/drizzle/open-libsql.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { build } from 'esbuild';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ROOT } from '../quiet-environment.ts';
import { seed } from '../start/seed.ts';
import { post } from './broker.ts';
import { blocksOf } from './documents.ts';
import { freePorts } from './free-ports.ts';
import { startBroker } from './node-broker.ts';
import { nextFrame, openSocket, watchToClose } from './sockets.ts';

/** The servers of the guide, unchanged, with tickets of a broker that knows such a server by its registration. */

const REGISTRY = [
  {
    slug: 'rooms',
    access: 'viewer',
    worker: 'rooms',
    scopes: {
      viewer: ['agent:connect', 'agent:state:read', 'agent:message'],
      admin: ['agent:connect', 'agent:state:read', 'agent:message'],
      owner: ['agent:connect', 'agent:state:read', 'agent:message'],
    },
  },
];
const Minted = z.looseObject({ ticket: z.string(), url: z.string(), protocols: z.array(z.string()) });
const secrets = makeSecrets();

let folder: string;
let broker: string;
let origin: string;
let port: number;
let running: { stop(): Promise<void> };
let programs: ReadonlyMap<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-other-'));
  const ports = await freePorts();
  broker = `http://127.0.0.1:${ports.broker}`;
  port = ports.agentWorker;
  origin = `http://127.0.0.1:${port}`;
  const blocks = await blocksOf('docs/deploy/other-servers.md');
  programs = new Map(
    blocks.filter(({ language }) => language === 'ts').map(({ heading, text }) => [heading, text]),
  );
  // The registration of the guide, at this address.
  const registration = blocks.find(({ language }) => language === 'json')?.text ?? '';
  const control = await openControl(`file:${folder}/control.db`);
  await seed(control.store, secrets, Date.now());
  await control.close();
  await writeFile(join(folder, 'agents.json'), JSON.stringify(REGISTRY));
  running = await startBroker(
    {
      ISSUER: broker,
      WORKERS: registration.replace('https://rooms.example.com', origin),
      AGENTS: join(folder, 'agents.json'),
      MODE: 'development',
      KEK: secrets.keyEncryptionKey,
      TOKEN_PEPPER: secrets.tokenPepper,
      PORT: String(ports.broker),
    },
    folder,
  );
});

afterAll(async () => {
  await running?.stop();
  await rm(folder, { recursive: true });
});

const headersOf = (who: 'serviceToken' | 'adminToken') => {
  const { clientId, clientSecret } = secrets[who];
  return { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` };
};

async function mint(instance: string, more: object = {}) {
  const answer = await post(`${broker}/tickets`, headersOf('serviceToken'), {
    agent: 'rooms',
    instance,
    ...more,
  });
  return Minted.parse(await answer.json());
}

/** Without its query: the tests offer the ticket as a subprotocol, as a client does. */
const addressOf = (url: string): string => url.replace(/\?.*/, '');

const listens = (): Promise<void> =>
  eventually(
    () =>
      new Promise<void>((resolve, reject) => {
        const socket = createConnection(port, '127.0.0.1', () => {
          socket.destroy();
          resolve();
        }).on('error', reject);
      }),
  );

/** Runs a program of the guide while `work` does. */
async function whileRunning(heading: string, work: () => Promise<void>): Promise<string> {
  // In the repository, where Node finds its packages.
  const program = `${ROOT}.dev/other-server-${process.pid}.ts`;
  await mkdir(`${ROOT}.dev`, { recursive: true });
  await writeFile(program, programs.get(heading) ?? '');
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env.PATH, ISSUER: broker, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (text) => {
    output += String(text);
  });
  try {
    await listens();
    await work();
  } finally {
    child.kill();
    await once(child, 'close');
    await rm(program);
  }
  return output;
}

async function expectSocketRules(
  greeting: (socket: WebSocket) => Promise<string>,
  seen: string,
): Promise<void> {
  const ticket = await mint('one');
  expect(new URL(ticket.url).origin).toBe(origin.replace('http', 'ws'));
  const opened = openSocket(addressOf(ticket.url), { protocols: ticket.protocols });
  expect(await greeting(opened.socket)).toBe(seen);
  expect(opened.socket.protocol).toBe('agent-ticket.v1');
  const refusals = [
    [addressOf(ticket.url), ticket.protocols, 3000, 'ticket_used'],
    [addressOf(ticket.url).replace('/one', '/two'), (await mint('one')).protocols, 4003, 'forbidden'],
    [addressOf(ticket.url), ['agent-ticket.v1', 'e30.e30.e30'], 4001, 'unauthorized'],
    [addressOf(ticket.url).replace('rooms', 'counter'), (await mint('one')).protocols, 4004, 'not_found'],
  ] as const;
  for (const [url, protocols, code, reason] of refusals)
    expect(await watchToClose(url, { protocols: [...protocols] })).toMatchObject({
      code,
      reason,
      frames: [],
    });
}

/** Opens a socket without a ticket, which is refused, and then sends what is no frame. */
async function misbehave(): Promise<void> {
  const socket = createConnection(port, '127.0.0.1').on('error', () => {});
  const headers = [
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${btoa('0123456789abcdef')}`,
  ];
  socket.write(`GET /agents/rooms/one HTTP/1.1\r\nHost: rooms\r\n${headers.join('\r\n')}\r\n\r\n`);
  await once(socket, 'data');
  const closed = once(socket.resume(), 'close');
  socket.write(Buffer.from([0xff, 0xff]));
  await closed;
}

describe('a server of the guide', () => {
  it('on ws opens one socket for each ticket, checks the scope of a message, and logs no ticket', async () => {
    const output = await whileRunning('Node and ws', async () => {
      await misbehave();
      await expectSocketRules(async (socket) => {
        await once(socket, 'open');
        socket.send('hello');
        return nextFrame(socket);
      }, 'one: hello');
      const { url, protocols } = await mint('one', { scope: 'agent:connect' });
      const { socket, closed } = openSocket(addressOf(url), { protocols });
      await once(socket, 'open');
      socket.send('hello');
      expect(await closed).toMatchObject({ code: 4003, frames: [] });
    });
    expect(output).toContain('"reason":"ticket_used"');
    expect(output).not.toContain('eyJ');
  });

  it.each(['Hono', 'Fastify'])(
    'on %s answers plain requests with a ticket for their place',
    async (heading) => {
      await whileRunning(heading, async () => {
        const { ticket } = await mint('one', { transport: 'http' });
        const ask = async (path: string, headers: Record<string, string>) => {
          const answer = await fetch(`${origin}${path}`, { headers });
          return [answer.status, await answer.json()];
        };
        const authorization = `Bearer ${ticket}`;
        expect(await ask('/agents/rooms/one', { authorization })).toEqual([200, { room: 'one' }]);
        expect(await ask('/agents/rooms/one', { authorization })).toEqual([200, { room: 'one' }]);
        const refused = (code: string) => ({ error: { code, message: expect.any(String) } });
        expect(await ask('/agents/rooms/two', { authorization })).toEqual([403, refused('FORBIDDEN')]);
        expect(await ask('/agents/rooms/one', {})).toEqual([401, refused('UNAUTHORIZED')]);
      });
    },
  );

  it('on PartyServer opens one socket for each ticket, and its object sees no ticket', async () => {
    const bundle = await build({
      stdin: { contents: programs.get('PartyServer') ?? '', loader: 'ts', resolveDir: `${ROOT}dev` },
      bundle: true,
      format: 'esm',
      conditions: ['workerd', 'worker'],
      external: ['cloudflare:*', 'node:*'],
      write: false,
      logLevel: 'silent',
    });
    const workers = new Miniflare(
      convertV4MiniflareOptions({
        host: '127.0.0.1',
        port,
        cf: false,
        workers: [
          {
            name: 'rooms',
            modules: true as const,
            script: bundle.outputFiles[0]?.text ?? '',
            compatibilityDate: '2026-04-01',
            compatibilityFlags: ['nodejs_compat'],
            bindings: { ISSUER: broker },
            durableObjects: { ROOMS: { className: 'Room', useSQLite: true } },
            d1Databases: ['BURNS'],
          },
        ],
      }),
    );
    try {
      const database = await workers.getD1Database('BURNS', 'rooms');
      await database.exec(BURNED_TICKETS_TABLE);
      expect((await fetch(`${origin}/agents/rooms/one`)).status).toBe(426);
      await expectSocketRules(nextFrame, `token:${secrets.serviceToken.id} is in one`);
      const { results } = await database.prepare('SELECT count(*) AS burned FROM burned_tickets').all();
      expect(results).toEqual([{ burned: 1 }]);
    } finally {
      await workers.dispose();
    }
  });
});

it('a lock refuses new tickets for such a server, is done at once, and asks it nothing', async () => {
  const target = { kind: 'instance', agent: 'rooms', instance: 'locked' };
  const locked = await post(`${broker}/admin/locks`, headersOf('adminToken'), { target, reason: 'test' });
  expect([locked.status, await locked.json()]).toMatchObject([201, { receipt: { closed: 0, pending: 0 } }]);
  const refused = await post(`${broker}/tickets`, headersOf('serviceToken'), {
    agent: 'rooms',
    instance: 'locked',
  });
  expect(refused.status).toBe(403);
  expect(await (await fetch(`${broker}/readyz`)).json()).toMatchObject({ workers_unanswered: 0 });
});
