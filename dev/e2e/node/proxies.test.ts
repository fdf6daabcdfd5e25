import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { request as requestPlain } from 'node:http';
import { connect as connectHttp2, constants } from 'node:http2';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, json, text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../free-ports.ts';
import { startBroker } from '../node-broker.ts';
import { hasProgram } from './programs.ts';
import { type Counter, countConnections, type Kind, makeCertificate, NAME, startProxy } from './proxies.ts';

/** A broker on Node behind each proxy of docs/deploy/node-proxy.md. Callers come from 127.0.0.2, proxies from 127.0.0.1. */

const CALLER = '127.0.0.2';
const KINDS: readonly Kind[] = ['nginx', 'haproxy'];
const MINT = JSON.stringify({ agent: 'lobby', instance: 'main' });

/** Last in, first out. */
const undoing: (() => Promise<void>)[] = [];
const atEnd = (undo: () => Promise<void>): void => void undoing.unshift(undo);

describe.each(KINDS)('behind %s', (kind) => {
  const isHere = hasProgram(kind, kind === 'nginx' ? 'nginx-light' : 'haproxy');
  let folder: string;
  let ca: Buffer;
  let ports: { readonly plain: number; readonly tls: number };
  let counter: Counter;

  afterAll(async () => {
    for (const undo of undoing.splice(0)) await undo();
  });
  beforeAll(async () => {
    if (!isHere) return;
    folder = await mkdtemp(join(tmpdir(), 'agent-ticket-proxy-'));
    // A proxy that root starts runs as another user, which must be able to buffer bodies in this folder.
    await chmod(folder, 0o755);
    atEnd(() => rm(folder, { recursive: true }));
    const free = await freePorts();
    const { keyEncryptionKey: KEK, tokenPepper: TOKEN_PEPPER } = makeSecrets();
    const broker = await startBroker(
      {
        ...{ ISSUER: `https://${NAME}`, TICKET_AUDIENCE: 'agents.test', KEK, TOKEN_PEPPER },
        ...{ AGENT_WORKER_URL: 'https://agents.test', TRUSTED_PROXIES: '127.0.0.1' },
        PORT: String(free.broker),
      },
      folder,
    );
    atEnd(() => broker.stop());
    counter = await countConnections(free.broker);
    atEnd(() => counter.close());
    ports = { plain: free.agentWorker, tls: free.identityProvider };
    const certificate = await makeCertificate(folder);
    ca = await readFile(certificate.pem);
    atEnd(await startProxy(kind, { folder, certificate, broker: counter.port, ...ports }));
  });

  const tls = () => ({ host: '127.0.0.1', port: ports.tls, servername: NAME, ca, localAddress: CALLER });

  type Headers = Readonly<Record<string, string | string[]>>;
  /** `POST /tickets` by HTTP/1.1, on a connection of its own where no agent is given. */
  async function mint(headers: Headers = {}, body = MINT, agent: Agent | false = false) {
    const asking = request({
      ...tls(),
      ...{ agent, method: 'POST', path: '/tickets' },
      headers: { host: NAME, 'content-type': 'application/json', 'content-length': body.length, ...headers },
    });
    // A server that refuses a body closes its side, and a client that still writes then may lose the answer.
    if (body.length > 20_000) asking.write(body.slice(0, 20_000));
    else asking.end(body);
    const [answer] = await once(asking, 'response');
    const answered = { status: answer.statusCode, body: await text(answer) };
    if (!asking.writableEnded) asking.destroy();
    return answered;
  }

  async function newestAddress() {
    const record = await openRecord(`file:${folder}/record.db`);
    try {
      const events = await record.store.auditLog.arrivals(0, 10_000);
      return events.filter(({ type }) => type === 'ticket.issued').at(-1)?.ipAddress;
    } finally {
      await record.close();
    }
  }

  it.skipIf(!isHere)('a ticket is minted by HTTP/2, and the log has the address of the caller', async () => {
    const session = connectHttp2(`https://${NAME}`, {
      createConnection: () => connectTls({ ...tls(), ALPNProtocols: ['h2'] }),
    });
    const asking = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/tickets',
      'content-type': 'application/json',
    });
    asking.end(MINT);
    const [headers] = await once(asking, 'response');
    expect(headers[':status']).toBe(201);
    expect(await json(asking)).toMatchObject({ agent: 'lobby' });
    session.close();
    expect(await newestAddress()).toBe(CALLER);
  });

  it.skipIf(!isHere).each<[what: string, headers: Headers]>([
    ['one X-Forwarded-For', { 'x-forwarded-for': '203.0.113.9' }],
    ['two of them', { 'x-forwarded-for': ['203.0.113.9', '127.0.0.1'] }],
    ['one that breaks off', { 'x-forwarded-for': '203.0.113.9,' }],
    [
      'the headers of other proxies',
      {
        forwarded: 'for=203.0.113.9',
        'x-real-ip': '203.0.113.9',
        'cf-connecting-ip': '203.0.113.9',
        'true-client-ip': '203.0.113.9',
      },
    ],
    ['another scheme', { 'x-forwarded-proto': 'http' }],
  ])('the log has the address of the caller who sends %s', async (_what, headers) => {
    expect(await mint(headers)).toMatchObject({ status: 201 });
    expect(await newestAddress()).toBe(CALLER);
  });

  it.skipIf(!isHere)('a request without TLS goes no further, whatever it says of its scheme', async () => {
    const before = counter.opened();
    const headers = { host: NAME, 'x-forwarded-proto': 'https' };
    const asking = requestPlain({
      host: '127.0.0.1',
      port: ports.plain,
      path: '/me?a=b',
      headers,
      agent: false,
    });
    asking.end();
    const [answer] = await once(asking, 'response');
    answer.resume();
    expect([answer.statusCode, answer.headers.location]).toEqual([308, `https://${NAME}/me?a=b`]);
    expect(counter.opened()).toBe(before);
  });

  it.skipIf(!isHere)('connections of callers are kept, and one in use is not cut', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 2 });
    const before = counter.opened();
    const answers = await Promise.all(Array.from({ length: 20 }, () => mint({}, MINT, agent)));
    agent.destroy();
    expect(answers.filter(({ status }) => status !== 201 && status !== 429)).toEqual([]);
    const opened = counter.opened() - before;
    if (kind === 'nginx') expect(opened).toBeLessThanOrEqual(4);
    else expect(opened).toBe(20);
  });

  it.skipIf(!isHere)('callers who send headers or bodies slowly hold nothing of the broker', async () => {
    await eventually(() => expect(counter.open()).toBeLessThanOrEqual(4));
    const idle = counter.opened();
    const heads = [
      `POST /tickets HTTP/1.1\r\nhost: ${NAME}\r\ncontent-t`,
      `POST /tickets HTTP/1.1\r\nhost: ${NAME}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"agent":`,
    ];
    const slow = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const socket = connectTls({ ...tls(), ALPNProtocols: ['http/1.1'] });
        socket.on('error', () => {});
        await once(socket, 'secureConnect');
        socket.write(heads[index % 2] ?? '');
        return socket;
      }),
    );
    expect([201, 429]).toContain((await mint()).status);
    // That of the mint.
    expect(counter.opened() - idle).toBeLessThanOrEqual(1);
    for (const socket of slow) socket.destroy();
  });

  it.skipIf(!isHere).each<[what: string, status: readonly number[], headers: Headers, body: string]>([
    ['a body of 17 KiB', [413], {}, JSON.stringify({ agent: 'x'.repeat(17 * 1024) })],
    ['a body of 1 MiB', [413], {}, JSON.stringify({ agent: 'x'.repeat(1024 * 1024) })],
    ['a header of 20 KiB', [400, 431], { x: 'x'.repeat(20 * 1024) }, MINT],
    [
      'headers of 21 KiB in all',
      [400, 431],
      { a: 'x'.repeat(7000), b: 'x'.repeat(7000), c: 'x'.repeat(7000) },
      MINT,
    ],
  ])('%s is refused, and the next request is answered', async (_what, status, headers, body) => {
    expect(status).toContain((await mint(headers, body)).status);
    expect([201, 429]).toContain((await mint()).status);
  });

  it.skipIf(!isHere)('two requests in one are not smuggled', async () => {
    const socket = connectTls({ ...tls(), ALPNProtocols: ['http/1.1'] });
    await once(socket, 'secureConnect');
    const smuggled = `GET /healthz HTTP/1.1\r\nhost: ${NAME}\r\n\r\n`;
    socket.write(
      `POST /tickets HTTP/1.1\r\nhost: ${NAME}\r\ncontent-type: application/json\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n${smuggled}`,
    );
    const answers = (await buffer(socket)).toString('latin1').match(/^HTTP\/1\.1 \d+/gm);
    expect(answers).toHaveLength(1);
    expect(answers?.[0]).toMatch(/ 400$/);
  });
});
