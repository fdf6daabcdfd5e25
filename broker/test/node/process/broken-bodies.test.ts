import { once } from 'node:events';
import { connect } from 'node:net';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic } from '../start-broker.ts';
import { type BrokerProcess, mintAt, newHome, settingsIn, startBroker } from './broker-process.ts';

/** Bodies that break off or are framed wrongly, on real sockets: the caller's fault, never an outage or a bug. */

const CRLF = '\r\n';
let home: Awaited<ReturnType<typeof newHome>>;
let broker: BrokerProcess;

beforeAll(async () => {
  home = await newHome({ tier: 'admin', permissions: ['locks:write'] });
  broker = await startBroker(settingsIn(home.folder));
});
afterAll(() => broker.signal('SIGKILL'));

/** The faults of a body: its framing, its bytes, and what the client does after them. */
const FAULTS: readonly [what: string, framing: string, bytes: string, then: 'waits' | 'ends' | 'resets'][] = [
  ['half a body, and then the end', 'content-length: 100', '{"agent":', 'ends'],
  ['half a body, and then a reset', 'content-length: 100', '{"agent":', 'resets'],
  ['no body at all, and then the end', 'content-length: 100', '', 'ends'],
  ['half a chunk, and then the end', 'transfer-encoding: chunked', `20${CRLF}{"agent":`, 'ends'],
  ['no last chunk', 'transfer-encoding: chunked', `2${CRLF}{}${CRLF}`, 'ends'],
  ['a chunk of no size', 'transfer-encoding: chunked', `2${CRLF}{}${CRLF}zz${CRLF}`, 'waits'],
  ['a chunk that is longer than its size', 'transfer-encoding: chunked', `1${CRLF}{}}}}}`, 'waits'],
];
const ROUTES: readonly [path: string, type: string][] = [
  ['/tickets', 'application/json'],
  ['/tickets/batch', 'application/json'],
  ['/token', 'application/x-www-form-urlencoded'],
  ['/revoke', 'application/x-www-form-urlencoded'],
  ['/admin/locks', 'application/json'],
];

async function dial(url: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Sends a request of which the body is at fault; the status of the answer, empty where the connection was closed instead. */
async function send(
  path: string,
  type: string,
  [, framing, bytes, then]: (typeof FAULTS)[number],
): Promise<string> {
  const socket = await dial(broker.url);
  let text = '';
  const answered = new Promise<void>((resolve) => {
    socket.on('data', (data) => {
      text += data.toString('latin1');
      resolve();
    });
  });
  const { authorization } = basic(home.token.clientId, home.token.clientSecret);
  const head = [`POST ${path} HTTP/1.1`, 'host: localhost', `authorization: ${authorization}`];
  const before = received(path);
  socket.write([...head, `content-type: ${type}`, framing, '', bytes].join(CRLF));
  const closed = once(socket, 'close');
  if (then === 'ends') socket.end();
  if (then === 'resets') {
    // The request must have arrived, or there is nothing to break off. Where a ticket is asked for, no line says so: the
    // secret is looked up after the body.
    if (path === '/admin/locks') await eventually(() => expect(received(path)).toBeGreaterThan(before));
    socket.resetAndDestroy();
  }
  await Promise.race([answered, closed]);
  socket.destroy();
  return /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? '';
}

const received = (path: string): number =>
  broker.lines.filter((line) => line.includes('auth_success') && line.includes(path)).length;

describe.each(ROUTES)('POST %s', (path, type) => {
  it.each(FAULTS)('with %s is refused as the caller’s mistake', async (...fault) => {
    const before = broker.lines.length;
    expect(['400', '']).toContain(await send(path, type, fault));
    await eventually(() => {
      expect(broker.lines.slice(before).join()).toContain('"reason":"body_incomplete"');
    });
    expect(broker.lines.slice(before).join()).not.toMatch(/"event":"(outage|bug)"/);
  });
});

it('goes on minting after all of them', async () => {
  expect((await mintAt(broker.url, home.token)).status).toBe(201);
});

it('a body that is cut while the broker stops is the caller’s too, and nothing is logged after the stop', async () => {
  const socket = await dial(broker.url);
  const before = received('/admin/locks');
  const { authorization } = basic(home.token.clientId, home.token.clientSecret);
  socket.write(
    ['POST /admin/locks HTTP/1.1', 'host: localhost', `authorization: ${authorization}`]
      .concat('content-type: application/json', 'content-length: 100', '', '{"agent":')
      .join(CRLF),
  );
  await eventually(() => expect(received('/admin/locks')).toBeGreaterThan(before));
  broker.signal('SIGTERM');
  await eventually(() => expect(broker.lines.join()).toContain('"event":"stopping"'));
  socket.resetAndDestroy();
  expect(await broker.ended).toEqual([0, null]);
  const last = broker.lines.slice(broker.lines.findIndex((line) => line.includes('"stopping"')));
  expect(last.join()).not.toMatch(/"event":"(outage|bug)"/);
  expect(last.filter((line) => line.includes('body_incomplete'))).toHaveLength(1);
  expect(last.at(-1)).toContain('"event":"stopped"');
});
