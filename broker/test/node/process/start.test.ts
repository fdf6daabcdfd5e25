import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { beforeAll, describe, expect, it } from 'vitest';
import { atEnd, makeFolder } from '../folder.ts';
import {
  type BrokerProcess,
  eventsIn,
  mintAt,
  newHome,
  settingsIn,
  spawnBroker,
  startBroker,
} from './broker-process.ts';

const refusalOf = async (settings: Readonly<Record<string, string>>) => {
  const { lines, ended } = spawnBroker(settings);
  const [code] = await ended;
  return { code, text: lines.join('\n') };
};

/** Says of itself to be one, since the sources do not run on an old one. */
const OLD_NODE =
  "--import data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})";

describe('a start', () => {
  // Where a broker has been: a start that is refused changes nothing, so all of them may be tried on one.
  let used: string;
  beforeAll(async () => {
    used = (await newHome()).folder;
    const good = await startBroker(settingsIn(used));
    good.signal('SIGTERM');
    await good.ended;
  });

  it.each([
    ['an unknown setting', { TRUSTED_PROXY: '10.0.0.1' }, 'TRUSTED_PROXY: not a setting of ours'],
    ['a missing setting', { ISSUER: '' }, 'ISSUER'],
    ['an old Node', { NODE_OPTIONS: OLD_NODE }, 'Node 20.20.2 is too old: use 22.18'],
    ['another KEK than before', { KEK: 'B'.repeat(42).concat('A') }, 'no key opens with KEK or KEK_PREVIOUS'],
    [
      'a database in no folder',
      { RECORD_DATABASE_URL: 'file:/nowhere/at/all/record.db' },
      'RECORD_DATABASE_URL',
    ],
  ])('with %s is refused, and says which', async (_what, more, said) => {
    const { code, text } = await refusalOf(settingsIn(used, more));
    expect([code, text]).toEqual([1, expect.stringContaining(said)]);
    expect(text).toContain('"event":"not_started"');
  });

  it('takes secrets from files, and tells the service manager when it listens', async () => {
    const credentials = await makeFolder();
    const { KEK = '', ...others } = settingsIn(used);
    await writeFile(join(credentials, 'KEK'), `${KEK}\n`);
    // systemd listens on a datagram socket, which Node cannot open: the test sees only the call, by a program of that name.
    const told = join(credentials, 'told.txt');
    const program = `#!/bin/sh\necho "$NOTIFY_SOCKET $@" > ${told}\n`;
    await writeFile(join(credentials, 'systemd-notify'), program, { mode: 0o755 });
    const broker = await startBroker({
      ...others,
      CREDENTIALS_DIRECTORY: credentials,
      NOTIFY_SOCKET: '/run/notify',
      PATH: `${credentials}:${process.env.PATH}`,
    });
    await eventually(async () => {
      expect(await readFile(told, 'utf8')).toMatch(/^\/run\/notify --ready --pid=\d+\n$/);
    });
    expect((await fetch(`${broker.url}/healthz`)).status).toBe(200);
  });

  it('where the service manager cannot be told says so, and serves', async () => {
    const broker = await startBroker({ ...settingsIn(used), NOTIFY_SOCKET: '/run/notify', PATH: '/nowhere' });
    await eventually(() =>
      expect(broker.lines.join()).toMatch(/"event":"not_notified","error":".*systemd-notify/),
    );
    expect((await fetch(`${broker.url}/healthz`)).status).toBe(200);
  });

  it('serves the console from the files beside it, and nothing else of its folder', async () => {
    const { url, signal, ended } = await startBroker(settingsIn(used));
    const page = await fetch(`${url}/console`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    const script = await fetch(`${url}/console/console.js`);
    const etag = script.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]{43}"$/);
    const again = await fetch(`${url}/console/console.js`, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    for (const path of ['meta.json', 'console.html', '..%2Fconsole.tsx'])
      expect((await fetch(`${url}/console/${path}`)).status, path).toBe(404);
    signal('SIGTERM');
    await ended;
  });

  it('with a database that is none is refused, and the file stays as it is', async () => {
    const { folder } = await newHome();
    await writeFile(`${folder}/broken.db`, 'this is no database, '.repeat(100));
    const settings = settingsIn(folder, { CONTROL_DATABASE_URL: `file:${folder}/broken.db` });
    const { code, text } = await refusalOf(settings);
    expect([code, text]).toEqual([1, expect.stringContaining('CONTROL_DATABASE_URL')]);
  });

  it('on a port that is taken is refused, and says so', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    atEnd(() => void other.close());
    const address = other.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const { folder } = await newHome();
    const { code, text } = await refusalOf(settingsIn(folder, { PORT: String(address.port) }));
    expect([code, text]).toEqual([1, expect.stringContaining('HOST, PORT')]);
  });
});

describe('a stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s answers what is under way, and leaves everything in the files',
    async (signal) => {
      const { folder, token } = await newHome();
      const broker = await startBroker(settingsIn(folder));
      const answers = Array.from({ length: 20 }, () => mintAt(broker.url, token));
      await answers[0];
      broker.signal(signal);
      const recorded = await Promise.allSettled(answers);
      expect(await broker.ended).toEqual([0, null]);
      const minted = recorded.filter((one) => one.status === 'fulfilled' && one.value.status === 201);
      const issued = (await eventsIn(folder)).filter(({ type }) => type === 'ticket.issued');
      expect(issued.length).toBeGreaterThanOrEqual(minted.length);
      expect(broker.lines.at(-1)).toContain('stopped');
    },
  );
});

describe('the address of a caller', () => {
  it.each([
    ['is the socket’s, whatever headers say', {}, '127.0.0.1'],
    [
      'is what a trusted proxy says, and never the edge header',
      { TRUSTED_PROXIES: '127.0.0.0/8' },
      '198.51.100.7',
    ],
  ])('%s', async (_what, more, address) => {
    const { folder, token } = await newHome();
    const broker = await startBroker(settingsIn(folder, more));
    const spoofed = { 'cf-connecting-ip': '203.0.113.1', 'x-forwarded-for': '203.0.113.2, 198.51.100.7' };
    expect((await mintAt(broker.url, token, spoofed)).status).toBe(201);
    const issued = (await eventsIn(folder)).find(({ type }) => type === 'ticket.issued');
    expect(issued?.ipAddress).toBe(address);
  });
});

describe('a request without TLS', () => {
  const asked = async (path: string, host: string, more: string, settings = {}) => {
    const broker = await startBroker(settingsIn((await newHome()).folder, settings));
    const { port, hostname } = new URL(broker.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${more}connection: close\r\n\r\n`);
    let answer = '';
    for await (const part of socket) answer += String(part);
    return Number(answer.split(' ')[1]);
  };
  const KEYS = '/.well-known/jwks.json';
  const proxied = { TRUSTED_PROXIES: '127.0.0.1' };

  it.each<[what: string, path: string, host: string, more: string, settings: object, status: number]>([
    ['to the name of the issuer is refused', KEYS, 'broker.test', '', {}, 403],
    ['that claims TLS is refused', KEYS, 'broker.test', 'x-forwarded-proto: https\r\n', {}, 403],
    ['by a trusted proxy is refused', KEYS, 'broker.test', 'x-forwarded-proto: http\r\n', proxied, 403],
    ['by a trusted proxy that states none is refused', KEYS, 'broker.test', '', proxied, 403],
    [
      'is answered where a trusted proxy had it by TLS',
      KEYS,
      'broker.test',
      'x-forwarded-proto: https\r\n',
      proxied,
      200,
    ],
    ['to a loopback name is answered', KEYS, 'localhost', '', {}, 200],
    ['for the health of the process is answered', '/healthz', 'broker.test', '', {}, 200],
  ])('%s', async (_what, path, host, more, settings, status) => {
    expect(await asked(path, host, more, settings)).toBe(status);
  });
});

describe('a request that is too much', () => {
  let broker: BrokerProcess;
  beforeAll(async () => {
    broker = await startBroker(settingsIn((await newHome()).folder));
  });

  it.each([
    ['headers of 20 KiB', `GET /healthz HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['a path that is none', 'GET \\ HTTP/1.1\r\nhost: a\r\n\r\n', 400],
    ['a host that is none', 'GET /healthz HTTP/1.1\r\nhost: a/b@c\r\n\r\n', 400],
    ['half a method', 'GE', 0],
  ])('(%s) is refused, and the broker serves on', async (_what, bytes, status) => {
    const { port, hostname } = new URL(broker.url);
    const socket = connect(Number(port), hostname);
    atEnd(() => void socket.destroy());
    socket.write(bytes);
    if (status > 0) {
      const answer = await new Promise<string>((resolve) =>
        socket.once('data', (data) => resolve(String(data))),
      );
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    }
    expect((await fetch(`${broker.url}/healthz`)).status).toBe(200);
  });

  it('(a body of 17 KiB) is a 413, also without a length', async () => {
    const send = (body: BodyInit) =>
      fetch(`${broker.url}/tickets`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        duplex: 'half',
      } as RequestInit);
    const big = JSON.stringify({ agent: 'x'.repeat(17 * 1024) });
    expect((await send(big)).status).toBe(413);
    expect((await send(new Blob([big]).stream())).status).toBe(413);
  });
});
