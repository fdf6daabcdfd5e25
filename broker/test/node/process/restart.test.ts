import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect, createServer } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { atEnd } from '../folder.ts';
import type { ServiceToken } from '../service-token.ts';
import { basic } from '../start-broker.ts';
import { ENTRY, eventsIn, mintAt, newHome, settingsIn } from './broker-process.ts';

/** Brokers that take turns on one listening socket, as systemd passes it to two instances of a service. */

const Handle = z.object({ _handle: z.object({ fd: z.int() }) });

/** A listening socket that outlives the brokers on it: a shell has it as descriptor 3 and starts them. */
async function holdSocket(folder: string) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const shell = spawn('sh', [], {
    env: { PATH: process.env.PATH, ...settingsIn(folder), LISTEN_FDS: '1' },
    stdio: ['pipe', 'inherit', 'inherit', Handle.parse(server)._handle.fd],
  });
  atEnd(() => void shell.kill('SIGKILL'));
  await once(shell, 'spawn');
  server.close();
  let count = 0;
  return {
    port: address.port,
    /** Resolves when the broker listens on the socket. */
    async start() {
      const name = `${folder}/broker-${++count}`;
      const command = `LISTEN_PID=$$ exec '${process.execPath}' '${ENTRY}'`;
      shell.stdin?.write(`sh -c "${command.replace('$$', '\\$\\$')}" >${name}.log & echo $! >${name}.pid\n`);
      const log = () => readFile(`${name}.log`, 'utf8').catch(() => '');
      await eventually(async () => expect(await log()).toContain('"event":"started"'));
      const pid = Number(await readFile(`${name}.pid`, 'utf8'));
      atEnd(async () => {
        if (!(await log()).includes('"stopped"')) process.kill(pid, 'SIGKILL');
      });
      return {
        signal: () => void process.kill(pid, 'SIGTERM'),
        said: (words: string) => eventually(async () => expect(await log()).toContain(words)),
      };
    },
  };
}

type Ask = () => Promise<{ readonly status: number; readonly jti: string }>;

const Minted = z.object({ jti: z.uuid() });

/** A mint through an HTTP agent of Node, or through one connection a request. */
const askBy = (port: number, { clientId, clientSecret }: ServiceToken, agent: Agent | false): Ask => {
  const headers = { 'content-type': 'application/json', ...basic(clientId, clientSecret) };
  return async () => {
    const asking = request({ host: '127.0.0.1', port, path: '/tickets', method: 'POST', headers, agent });
    asking.end(JSON.stringify({ agent: 'counter' }));
    const [answer] = await once(asking, 'response');
    return { status: answer.statusCode, ...Minted.parse(await json(answer)) };
  };
};

const askByFetch =
  (port: number, token: ServiceToken): Ask =>
  async () => {
    const answer = await mintAt(`http://127.0.0.1:${port}`, token);
    return { status: answer.status, ...Minted.parse(await answer.json()) };
  };

/** One connection on which requests are written by hand. */
async function openConnection(port: number) {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let received = '';
  socket.on('data', (data) => {
    received += String(data);
  });
  const closed = once(socket, 'close');
  return {
    closed,
    send: (bytes: string) => void socket.write(bytes),
    destroy: () => void socket.destroy(),
    /** The head of the answer that is received next. */
    answer: () =>
      eventually(() => {
        const [, head, length] = /^(HTTP[\s\S]*?content-length: (\d+)[\s\S]*?\r\n\r\n)/i.exec(received) ?? [];
        if (head === undefined || received.length < head.length + Number(length)) throw new Error(received);
        received = received.slice(head.length + Number(length));
        return head.toLowerCase();
      }),
  };
}

const HEALTH = 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n';

it('no request is refused or cut while brokers take turns on one socket, whatever connection it uses', async () => {
  const { folder, token } = await newHome({ tier: 'admin' });
  const { port, start } = await holdSocket(folder);
  const minted: string[] = [];
  const faults: unknown[] = [];
  let isOver = false;
  const load = async (ask: Ask): Promise<void> => {
    while (!isOver) {
      const { status, jti } = await ask();
      if (status === 201) minted.push(jti);
      else faults.push(status);
      // Two processes on one file and two cores: the load is steady, not the greatest.
      await setTimeout(20);
    }
  };
  const broker = await start();
  const agents = [new Agent({ keepAlive: true, maxSockets: 3 }), false] as const;
  const asks = [
    ...agents.flatMap((agent) => [1, 2, 3].map(() => askBy(port, token, agent))),
    askByFetch(port, token),
  ];
  const clients = asks.map((ask) => load(ask).catch((error: unknown) => void faults.push(error)));
  const idle = await openConnection(port);
  let isStarted = false;
  const second = start().then(() => {
    isStarted = true;
  });
  // Still with the old broker, and never idle for long.
  do {
    idle.send(HEALTH);
    expect(await idle.answer()).toContain('connection: keep-alive');
    await setTimeout(100);
  } while (!isStarted);
  await second;
  // With either broker.
  const begun = await Promise.all(Array.from({ length: 8 }, () => openConnection(port)));
  begun.forEach(({ send }, index) => void send(HEALTH.slice(0, index % 2 ? 30 : 0)));
  broker.signal();
  await broker.said('"event":"stopping"');
  const before = minted.length;
  begun.forEach(({ send }, index) => void send(HEALTH.slice(index % 2 ? 30 : 0)));
  idle.send(HEALTH);
  expect(await idle.answer()).toMatch(/^http\/1\.1 200 [\s\S]*connection: close/);
  await idle.closed;
  for (const { answer, destroy } of begun) {
    expect(await answer()).toMatch(/^http\/1\.1 200 /);
    destroy();
  }
  await eventually(() => expect(minted.length).toBeGreaterThan(before + 50));
  await broker.said('"event":"stopped"');
  isOver = true;
  await Promise.all(clients);
  agents[0].destroy();
  expect(faults).toEqual([]);
  const issued = (await eventsIn(folder))
    .filter(({ type }) => type === 'ticket.issued')
    .map(({ jti }) => jti);
  expect(issued.toSorted()).toEqual(minted.toSorted());
});
