import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it, onTestFinished } from 'vitest';
import { asService, mint } from './broker.ts';
import { nextFrame, openSocket } from './sockets.ts';
import { objectsOf, sessionsOf } from './stack-queries.ts';
import { UPGRADE } from './upgrade.ts';

/** Bytes that no honest client sends. */

const CRLF = '\r\n';
const handshake: readonly string[] = Object.entries(UPGRADE).map(([name, value]) => `${name}: ${value}`);

async function dial(server = inject('stack').agentWorker): Promise<Socket> {
  const { hostname, port } = new URL(server);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  // Whatever the other side does to a broken connection is fine.
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** The status line that a raw request is answered with; empty when the connection was closed instead. */
async function statusOf(target: string, headers: readonly string[], method = 'GET'): Promise<string> {
  const socket = await dial();
  const { host } = new URL(inject('stack').agentWorker);
  socket.write([`${method} ${target} HTTP/1.1`, `host: ${host}`, ...headers, '', ''].join(CRLF));
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  await Promise.race([eventually(() => expect(text).toContain(CRLF)), once(socket, 'close')]);
  return /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? '';
}

const INSTANCE = 'raw';
const json = 'accept: application/json';

it.each([
  ['a path that climbs', '/agents/counter/x/../../../control'],
  ['an escaped climb', '/agents/counter/%2e%2e/%2e%2e/control'],
  ['backslashes', '/agents\\counter\\raw'],
  ['an escaped slash', '/agents/counter%2fraw'],
  ['a null', '/agents/counter/raw%00'],
  ['a broken escape', '/agents/counter/raw%zz'],
  ['an overlong escape', '/agents/counter/%c0%af'],
  ['a parameter', '/agents/counter/raw;x=y'],
  ['a fragment', '/agents/counter/#raw'],
  ['a tab', '/agents/counter/r\taw'],
  ['bytes of no encoding', '/agents/counter/\xff\xfe'],
  ['another host in the target', 'http://elsewhere.example/agents/counter/raw%20'],
])('%s in a request line makes no object and no 500', async (_name, target) => {
  const before = await objectsOf('COUNTER');
  for (const headers of [[...handshake, json], [json]]) {
    const status = await statusOf(target, headers);
    expect(status).not.toMatch(/^(101|2|5)/);
  }
  expect(await objectsOf('COUNTER')).toEqual(before);
});

it('the ticket rides once, however its header is spelled', async () => {
  const { ticket } = await mint({ instance: INSTANCE });
  const path = `/agents/counter/${INSTANCE}`;
  const twice: readonly (readonly string[])[] = [
    [`sec-websocket-protocol: agent-ticket.v1, ${ticket}`, `Sec-WebSocket-Protocol: ${ticket}`],
    [`authorization: Bearer ${ticket}`, `sec-websocket-protocol: agent-ticket.v1, ${ticket}`],
  ];
  for (const headers of twice) expect(await statusOf(path, [...handshake, json, ...headers])).toBe('400');
  // Two credentials in one header name are no credential, and servers may refuse the request outright.
  const doubled = [`authorization: Bearer ${ticket}`, `Authorization: Bearer ${ticket}`];
  expect(await statusOf(path, [...handshake, json, ...doubled])).toMatch(/^(400|401)$/);
  expect(await statusOf(path, [...handshake, json, `authorization: Bearer ${ticket}\tx`])).toMatch(/^4/);
  // None of it has used the ticket up.
  const { socket } = openSocket(
    `${inject('stack').agentWorker.replace('http', 'ws')}${path}?ticket=${ticket}`,
  );
  await nextFrame(socket);
});

/** What the broker has logged of the refusals and outages of a route. */
async function loggedOf(path: string): Promise<string[]> {
  const text = await readFile(join(inject('testStack').folder, 'workers.log'), 'utf8');
  return text.split('\n').filter((line) => line.includes(`"path":"${path}"`) && !line.includes('auth_'));
}

it.each([
  ['half a body, and then the end', 'content-length: 100', '{"agent":', true],
  ['half a chunk, and then the end', 'transfer-encoding: chunked', `20${CRLF}{"agent":`, true],
  ['a chunk of no size', 'transfer-encoding: chunked', `2${CRLF}{}${CRLF}zz${CRLF}`, false],
])('the broker takes %s for the caller’s mistake, and for no outage', async (_what, framing, bytes, ends) => {
  const { broker } = inject('stack');
  for (const [path, type] of [
    ['/tickets', 'application/json'],
    ['/token', 'application/x-www-form-urlencoded'],
  ] as const) {
    const before = (await loggedOf(path)).length;
    const socket = await dial(broker);
    const { authorization = '' } = asService();
    const head = [
      `POST ${path} HTTP/1.1`,
      `host: ${new URL(broker).host}`,
      `authorization: ${authorization}`,
    ];
    socket.write([...head, `content-type: ${type}`, framing, '', bytes].join(CRLF));
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
    });
    if (ends) socket.end();
    await once(socket, 'close');
    expect(text).not.toMatch(/^HTTP\/1\.1 5/);
    // The broker is there for the next caller, and what it logged of this one is no outage.
    await mint({ instance: INSTANCE });
    const logged = (await loggedOf(path)).slice(before);
    expect(logged.join()).not.toMatch(/outage|"bug"/);
  }
});

/** A masked frame, by RFC 6455 §5.2, with its first two bytes changed in some cases. */
function frame(first: number, payload: Buffer, length = payload.length): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const head =
    length < 126
      ? Buffer.from([first, 0x80 | length])
      : length < 65_536
        ? Buffer.from([first, 0x80 | 126, length >> 8, length & 255])
        : Buffer.concat([Buffer.from([first, 0x80 | 127, 0, 0, 0, 0]), uint32(length)]);
  return Buffer.concat([head, mask, Buffer.from(payload.map((byte, n) => byte ^ (mask[n % 4] ?? 0)))]);
}
function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

it.each([
  ['not masked', Buffer.from([0x81, 0x02, 0x68, 0x69])],
  ['with a reserved bit', frame(0xf1, Buffer.from('hi'))],
  ['of an unknown kind', frame(0x8b, Buffer.from('hi'))],
  ['of no UTF-8', frame(0x81, Buffer.from([0xff, 0xfe, 0xfd]))],
  ['that goes on after nothing', frame(0x80, Buffer.from('hi'))],
  ['of control, in parts', frame(0x09, Buffer.from('hi'))],
  ['of control, too long', frame(0x89, Buffer.alloc(126))],
  ['of a close with a code that is none', frame(0x88, Buffer.from([0x03, 0xed]))],
  ['of a close with half a code', frame(0x88, Buffer.from([0x03]))],
  ['too large for the agent', frame(0x81, Buffer.alloc(70_000, 0x61))],
  ['that promises four gigabytes', frame(0x82, Buffer.from('hi'), 0xffffffff)],
  ['of JSON nested ten thousand deep', frame(0x81, Buffer.from(`${'['.repeat(10_000)}`))],
  [
    'with a type of everything',
    frame(0x81, Buffer.from('{"type":{"toString":1},"__proto__":{"type":"rpc"}}')),
  ],
])('a frame %s harms nobody else, and its session ends in the record', async (name, bytes) => {
  const instance = `frames-${name.replaceAll(/\W/g, '-')}`;
  const { ticket } = await mint({ instance });
  const witness = openSocket((await mint({ instance })).url);
  await nextFrame(witness.socket);
  const socket = await dial();
  const { host } = new URL(inject('stack').agentWorker);
  const path = `/agents/counter/${instance}?ticket=${ticket}`;
  socket.write([`GET ${path} HTTP/1.1`, `host: ${host}`, ...handshake, '', ''].join(CRLF));
  await once(socket, 'data');
  await eventually(async () => expect(await sessionsOf('counter', instance)).toHaveLength(2));
  socket.write(bytes);
  await eventually(() => expect(socket.writableLength).toBe(0));
  socket.end();
  await eventually(async () => {
    const ended = (await sessionsOf('counter', instance)).filter((row) => row.ended_at !== null);
    expect(ended).toHaveLength(1);
    expect(ended[0]?.end_reason).toMatch(/^(connection_lost|client_closed|frame_too_large)$/);
  });
  const answered = nextFrame(witness.socket);
  witness.socket.send(JSON.stringify({ type: 'rpc', id: '1', method: 'whoami', args: [] }));
  expect(JSON.parse(await answered)).toMatchObject({ id: '1', success: true });
});

/** Upgrades with an offer of extensions and sends a compressed frame; what the upgrade was answered. */
async function sendCompressed(offer: string, number: number): Promise<string> {
  const instance = `deflate-${number}`;
  const { ticket } = await mint({ instance });
  const socket = await dial();
  const received: Buffer[] = [];
  socket.on('data', (data) => received.push(data));
  const { host } = new URL(inject('stack').agentWorker);
  const head = [`GET /agents/counter/${instance}?ticket=${ticket} HTTP/1.1`, `host: ${host}`, ...handshake];
  const offered = offer === '' ? [] : [`sec-websocket-extensions: ${offer}`];
  socket.write([...head, ...offered, '', ''].join(CRLF));
  const text = () => Buffer.concat(received).toString('latin1');
  await eventually(() => expect(text()).toContain(CRLF + CRLF));
  // 8 MiB in 8 kB: within the agent's `frameBytes`, and far beyond once inflated. RSV1 says that it is compressed.
  const ended = once(socket, 'close');
  socket.write(frame(0xc1, deflateRawSync(Buffer.alloc(8 * 1024 * 1024, 0x61))));
  await ended;
  await eventually(async () => {
    const [session] = await sessionsOf('counter', instance);
    expect(session?.end_reason).toBe('connection_lost');
  });
  return text().slice(0, text().indexOf(CRLF + CRLF));
}

it('no frame is inflated: no extension is accepted, and a compressed frame ends the connection', async () => {
  const offers = [
    '',
    'permessage-deflate',
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate; client_no_context_takeover, permessage-deflate',
    'x-webkit-deflate-frame',
  ];
  for (const answer of await Promise.all(offers.map(sendCompressed))) {
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer.toLowerCase()).not.toContain('sec-websocket-extensions');
  }
});
