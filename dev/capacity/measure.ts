import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { WebSocket } from 'ws';
import * as z from 'zod';
import { circumstances } from '../bench/stored.ts';
import { freePorts } from '../e2e/free-ports.ts';
import { migrate } from '../start/migrations.ts';
import { seed } from '../start/seed.ts';
import { startWorkers } from '../start/workers.ts';
import { COSTS_FILE, type Costs } from './costs.ts';

/**
 * `npm run capacity:measure -w dev`: counts the rows and requests of a mint, a session, a frame and the other steps, by the
 * meters of the runtime. Uses the real workerd with its local D1 and its objects.
 */

const CONFIG = fileURLToPath(new URL('counted/wrangler.jsonc', import.meta.url));
const TIMES = 100;
const OBJECTS = 10;

type Counts = Readonly<Record<string, number>>;
const Counts = z.record(z.string(), z.number());
const Minted = z.looseObject({ ticket: z.string() });

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function build(folder: string): Promise<void> {
  const options = ['deploy', '--dry-run', '--config', CONFIG, '--outdir', join(folder, 'dist')];
  await promisify(execFile)('wrangler', options);
  await rename(join(folder, 'dist', 'worker.js'), join(folder, 'dist', 'index.js'));
  await copyFile(CONFIG, join(folder, 'wrangler.jsonc'));
}

async function start() {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-capacity-'));
  await build(folder);
  const port = (await freePorts()).broker;
  const url = `http://127.0.0.1:${port}`;
  const secrets = makeSecrets();
  const workers = await startWorkers({
    stateDir: join(folder, 'state'),
    onLog: () => {},
    workers: [
      {
        name: 'counted',
        folder,
        port,
        settings: {
          ISSUER: `${url}/broker`,
          AGENT_WORKER_URL: url,
          TICKET_AUDIENCE: `127.0.0.1:${port}`,
          ALLOWED_ORIGINS: url,
          KEK: secrets.keyEncryptionKey,
          TOKEN_PEPPER: secrets.tokenPepper,
          MODE: 'development',
        },
      },
    ],
  });
  const [control, record] = [
    await workers.getD1Database('CONTROL', 'counted'),
    await workers.getD1Database('RECORD', 'counted'),
  ];
  await migrate(control, 'control');
  await migrate(record, 'record');
  await seed(openControl(control), secrets, Date.now());

  const post = (path: string, body: object) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${secrets.serviceToken.clientSecret}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(body),
    });
  const readCounts = async (): Promise<Counts> => Counts.parse(await (await fetch(`${url}/counts`)).json());

  return {
    record,

    async mint(number: number, agent = 'counter'): Promise<string> {
      const answer = await post('/broker/tickets', {
        agent,
        instance: `room-${number % OBJECTS}`,
        expires_in: 300,
      });
      if (answer.status !== 201 && answer.status !== 429 && agent === 'counter')
        throw new Error(`the mint was answered ${answer.status}: ${await answer.text()}`);
      return answer.status === 201 ? Minted.parse(await answer.json()).ticket : '';
    },

    timeWrites: async (): Promise<number> => z.number().parse(await (await fetch(`${url}/writes`)).json()),

    async open(number: number, ticket: string | undefined): Promise<WebSocket> {
      const agent = ticket === undefined ? 'bare' : 'counter';
      const query = ticket === undefined ? '' : `?ticket=${ticket}`;
      const socket = new WebSocket(
        `${url.replace('http', 'ws')}/agents/${agent}/room-${number % OBJECTS}${query}`,
        // As Cloudflare sets it: the record database has indexes of it.
        { headers: { 'cf-connecting-ip': `192.0.2.${number}` } },
      );
      await once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
      return socket;
    },

    async minute(): Promise<void> {
      await (await workers.getWorker('counted')).scheduled({ cron: '* * * * *' });
    },

    /** The counts from the beginning of the work until no more rows are written. */
    async during(work: () => Promise<unknown>): Promise<Counts> {
      const before = await readCounts();
      await work();
      let [last, after]: Counts[] = [{}, await readCounts()];
      while (JSON.stringify(last) !== JSON.stringify(after)) {
        await pause(3_000);
        [last, after] = [after, await readCounts()];
      }
      const names = [...new Set([...Object.keys(before), ...Object.keys(after ?? {})])];
      return Object.fromEntries(names.map((name) => [name, (after?.[name] ?? 0) - (before[name] ?? 0)]));
    },

    async close(): Promise<void> {
      await workers.dispose();
      await rm(folder, { recursive: true });
    },
  };
}

const each = (counts: Counts, times: number): Counts =>
  Object.fromEntries(
    Object.entries(counts)
      .filter(([, value]) => value !== 0)
      .map(([name, value]) => [name, Math.round((value / times) * 1000) / 1000]),
  );

async function measure(): Promise<Costs> {
  const app = await start();
  try {
    const Counted = z.object({ n: z.number() });
    const sizeOf = async () => {
      const { results, meta } = await app.record.prepare('SELECT count(*) AS n FROM audit_events').all();
      return { bytes: meta.size_after, events: Counted.parse(results[0]).n };
    };
    const range = Array.from({ length: TIMES }, (_, number) => number);
    const mintAll = async (): Promise<string[]> => {
      const tickets: string[] = [];
      for (const number of range) tickets.push(await app.mint(number));
      return tickets;
    };
    // Makes the keys and every object first, so that the counts do not include their creation.
    await app.minute();
    const warm = await app.open(0, await app.mint(0));
    warm.close();
    for (const number of range.slice(0, OBJECTS)) (await app.open(number, undefined)).close();
    for (const number of range.slice(0, OBJECTS)) (await app.open(number, await app.mint(number))).close();
    await app.during(async () => {});

    const idleMinute = await app.during(() => app.minute());
    const sizeBefore = await sizeOf();
    let tickets: string[] = [];
    const mint = await app.during(async () => {
      tickets = await mintAll();
    });
    const sizeAfterMints = await sizeOf();
    const refused = await app.during(async () => {
      for (const number of range) await app.mint(number, 'unknown-agent');
    });
    const sockets: WebSocket[] = [];
    const open = await app.during(async () => {
      for (const [number, ticket] of tickets.entries()) sockets.push(await app.open(number, ticket));
    });
    const frames = await app.during(async () => {
      for (let round = 0; round < 10; round += 1)
        for (const socket of sockets) socket.send('a message that no method is called by');
      await pause(500);
    });
    const sizeBeforeCalls = await sizeOf();
    const calls = await app.during(async () => {
      for (let round = 0; round < 10; round += 1)
        for (const socket of sockets)
          socket.send(JSON.stringify({ type: 'rpc', id: `${round}`, method: 'nothing', args: [] }));
      await pause(500);
    });
    const callBytes = (await sizeOf()).bytes - sizeBeforeCalls.bytes;
    const renewals = await mintAll();
    await app.during(async () => {});
    const renew = await app.during(async () => {
      for (const [number, socket] of sockets.entries()) {
        const answer = once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
        socket.send(JSON.stringify({ type: 'ticket.renew', ticket: renewals[number] }));
        await answer;
      }
    });
    const close = await app.during(async () => {
      for (const socket of sockets) socket.close();
    });
    const sizeAfterSessions = await sizeOf();
    const sealing = await app.during(() => app.minute());
    const bare: WebSocket[] = [];
    const bareOpen = await app.during(async () => {
      for (const number of range) bare.push(await app.open(number, undefined));
    });
    const bareClose = await app.during(async () => {
      for (const socket of bare) socket.close();
    });
    const writeMs = [];
    for (let round = 0; round < 3; round += 1) writeMs.push(await app.timeWrites());
    return {
      ...circumstances(),
      times: TIMES,
      rows: {
        mint: each(mint, TIMES),
        refused: each(refused, TIMES),
        open: each(open, TIMES),
        frame: each(frames, TIMES * 10),
        call: each(calls, TIMES * 10),
        renew: each(renew, TIMES),
        close: each(close, TIMES),
        minute: each(idleMinute, 1),
        sealing: each(sealing, 1),
        bareOpen: each(bareOpen, TIMES),
        bareClose: each(bareClose, TIMES),
      },
      recordMs: Math.round((writeMs.toSorted((a, b) => a - b)[1] ?? 0) * 10_000) / 10_000,
      bytes: {
        mint: (sizeAfterMints.bytes - sizeBefore.bytes) / TIMES,
        all:
          (sizeAfterSessions.bytes - sizeBefore.bytes - callBytes) /
          (sizeAfterSessions.events - sizeBefore.events),
        call: callBytes / (TIMES * 10),
      },
    };
  } finally {
    await app.close();
  }
}

const costs = await measure();
await writeFile(COSTS_FILE, `${JSON.stringify(costs, null, 2)}\n`);
console.log(`wrote ${COSTS_FILE.pathname}`);
