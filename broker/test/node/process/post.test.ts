import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isPublicAddress, openPost } from '../../../src/runtime/node/open-post.ts';

describe('an address is of a public host', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '100.128.0.1',
    '172.32.0.1',
    '192.1.2.3',
    '2606:4700:4700::1111',
    '2a00::1',
  ])('%s', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    ['this network', '0.0.0.0'],
    ['private', '10.1.2.3'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.1.1'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['carrier-grade NAT', '100.127.255.255'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['link-local, the metadata of clouds', '169.254.169.254'],
    ['the services of a cloud', '168.63.129.16'],
    ['protocol assignments', '192.0.0.192'],
    ['documentation', '192.0.2.1'],
    ['a relay of 6to4', '192.88.99.1'],
    ['benchmarks', '198.18.0.1'],
    ['documentation', '203.0.113.9'],
    ['multicast', '224.0.0.1'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['mapped', '::ffff:127.0.0.1'],
    ['mapped, of a public one', '::ffff:8.8.8.8'],
    ['mapped in hexadecimal', '::ffff:7f00:1'],
    ['IPv4-compatible', '::127.0.0.1'],
    ['NAT64', '64:ff9b::a00:1'],
    ['NAT64 of a local network', '64:ff9b:1::a00:1'],
    ['discard', '100::1'],
    ['unique local', 'fc00::1'],
    ['unique local, the metadata of a cloud', 'fd00:ec2::254'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['Teredo', '2001::1'],
    ['ORCHID', '2001:20::1'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff::1'],
    ['6to4', '2002:7f00:1::1'],
    ['no address', 'localhost'],
    ['no address', ''],
  ])('unless it is %s: %s', (_what, address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});

type Behaviour = (request: IncomingMessage, answer: ServerResponse) => void;

describe('a message to a receiver', () => {
  let behaviour: Behaviour;
  let [seen, sockets]: [{ path: string | undefined; body: string; type: string | undefined }[], number] = [
    [],
    0,
  ];
  const server = createServer(async (request, answer) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    seen.push({ path: request.url, body, type: request.headers['content-type'] });
    behaviour(request, answer);
  });
  server.on('connection', () => {
    sockets += 1;
  });
  let port = 0;
  beforeEach(async () => {
    [seen, sockets, behaviour] = [[], 0, (_request, answer) => void answer.writeHead(204).end()];
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const message = { headers: { 'content-type': 'application/json' }, body: '{"type":"test"}' };
  const here = (path = '/') => `http://localhost:${port}${path}`;

  it('arrives, and its answer is the status alone', async () => {
    expect(await openPost(true)(here('/events'), message)).toEqual({ status: 204 });
    expect(seen).toEqual([{ path: '/events', body: message.body, type: 'application/json' }]);
  });

  it('follows no redirect', async () => {
    behaviour = (_request, answer) => void answer.writeHead(307, { location: here('/elsewhere') }).end();
    expect(await openPost(true)(here(), message)).toEqual({ status: 307 });
    expect(seen).toHaveLength(1);
  });

  it('shares a connection with the one before, unless that answer has a long body', async () => {
    const post = openPost(true);
    behaviour = (_request, answer) => void answer.writeHead(200, { 'content-length': '2' }).end('ok');
    await post(here(), message);
    await post(here(), message);
    expect(sockets).toBe(1);
    // The body never ends: a broker that read it would wait.
    behaviour = (_request, answer) => void answer.writeHead(200).write('x'.repeat(100_000));
    expect(await post(here(), message)).toEqual({ status: 200 });
    expect(await post(here(), message)).toEqual({ status: 200 });
    expect(sockets).toBe(2);
  });

  it('waits for a silent receiver as long as it may', async () => {
    behaviour = () => {};
    expect(await openPost(true, { timeoutMs: 50 })(here(), message)).toEqual({ fault: 'timeout' });
  });

  it('fails where nothing answers, or the connection breaks', async () => {
    behaviour = (request) => request.socket.destroy();
    expect(await openPost(true)(here(), message)).toEqual({ fault: 'unreachable' });
    expect(await openPost(true)('http://localhost:1/', message)).toEqual({ fault: 'unreachable' });
  });

  it('fails where the answer is another protocol, after which none comes', async () => {
    behaviour = (request) =>
      void request.socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\n',
      );
    expect(await openPost(true, { timeoutMs: 500 })(here(), message)).toEqual({ fault: 'unreachable' });
  });

  it.each([
    'http://localhost/',
    'http://receiver.test/',
    'https://127.0.0.1/',
    'https://[::1]/',
    'https://10.0.0.1/',
  ])('is not sent to %s by a broker that serves others', async (url) => {
    expect(await openPost(false)(url, message)).toEqual({ fault: 'address_refused' });
  });

  it.each([
    ['private', ['127.0.0.1']],
    ['private among public ones', ['1.1.1.1', '127.0.0.1']],
    ['mapped', ['::ffff:127.0.0.1']],
  ])('makes no connection where the name has an address that is %s', async (_what, addresses) => {
    const post = openPost(false, {
      resolve: (_name, _options, done) => done(null, addresses.map(withFamily)),
    });
    const url = `https://receiver.test:${port}/`;
    expect(await post(url, message)).toEqual({ fault: 'address_refused' });
    expect(sockets).toBe(0);
  });

  it('goes to the address that was judged: a name that changes it in between gains nothing', async () => {
    const judged: string[] = [];
    let asked = 0;
    const post = openPost(false, {
      // The listener stands for a public host, and its neighbour for a private one.
      isPublic: (address) => {
        judged.push(address);
        return address === '127.0.0.1';
      },
      resolve: (_name, _options, done) => {
        asked += 1;
        done(null, [withFamily(asked === 1 ? '127.0.0.1' : '127.0.0.2')]);
      },
    });
    const url = `https://receiver.test:${port}/`;
    // It has no TLS.
    expect(await post(url, message)).toEqual({ fault: 'unreachable' });
    expect([asked, sockets, judged]).toEqual([1, 1, ['127.0.0.1']]);
    expect(await post(url, message)).toEqual({ fault: 'address_refused' });
    expect([asked, sockets]).toEqual([2, 1]);
  });

  const withFamily = (address: string) => ({ address, family: address.includes(':') ? 6 : 4 });
});
