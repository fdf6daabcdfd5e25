import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect, inject, it } from 'vitest';
import { mint } from './broker.ts';
import { openHttpProxy } from './http-proxy.ts';
import { connected, nextFrame, openSocket } from './sockets.ts';
import { UPGRADE } from './upgrade.ts';

/** Headers that differ between answers, or that a client of a socket never reads. */
const INCIDENTAL =
  /^(date|x-request-id|server|content-length|connection|upgrade|cache-control|referrer-policy|strict-transport-security|x-content-type-options|x-frame-options):/i;

/** The answer to an upgrade, to the last byte of its close frame. */
async function answerTo(server: string, offered: readonly string[]) {
  const { hostname, port, host } = new URL(server);
  const socket = connect(Number(port), hostname);
  const headers = Object.entries({
    host,
    ...UPGRADE,
    ...(offered.length > 0 && { 'sec-websocket-protocol': offered.join(', ') }),
  });
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  socket.write(['GET /agents/counter/fidelity HTTP/1.1', ...lines, '', ''].join('\r\n'));
  socket.on('data', (data: Buffer) => {
    if (data.includes('unauthorized')) socket.end();
  });
  const [head = '', body = ''] = (await buffer(socket)).toString('latin1').split('\r\n\r\n');
  const [status, ...rest] = head.split('\r\n');
  const kept = rest.filter((line) => !INCIDENTAL.test(line)).map((line) => line.toLowerCase());
  return { status, headers: kept.sort(), frame: Buffer.from(body, 'latin1').toString('hex') };
}

it.each([[[]], [['agent-ticket.v1']], [['other', 'agent-ticket.v1']]])(
  'refuses with the same bytes as the gate (offered: %j)',
  async (offered) => {
    const gate = inject('stack').agentWorker;
    const proxy = await openHttpProxy(gate);
    proxy.refuseBy(() => [4001, 'unauthorized']);
    const real = await answerTo(gate, offered);
    expect(real.frame).toContain(Buffer.from('unauthorized').toString('hex'));
    expect(await answerTo(proxy.url, offered)).toEqual(real);
  },
);

it('forwards and counts everything', async () => {
  const proxy = await openHttpProxy(inject('stack').agentWorker);
  const { ticket } = await mint({ instance: 'through-a-proxy' });
  const client = await connected('counter', 'through-a-proxy', { host: proxy.url, query: { ticket } });
  expect(await client.call('increment')).toBe(1);
  expect([proxy.mints, proxy.upgrades]).toEqual([[], ['through-a-proxy']]);
});

it('stops, and starts again at the same address', async () => {
  const proxy = await openHttpProxy(inject('stack').agentWorker);
  const { url } = await mint({ instance: 'behind-a-proxy' });
  const { pathname, search } = new URL(url);
  const { socket, closed } = openSocket(`${proxy.url.replace('http', 'ws')}${pathname}${search}`);
  await nextFrame(socket);
  await proxy.stop();
  expect(await closed).toMatchObject({ code: 1006 });
  await expect(fetch(proxy.url)).rejects.toThrow('fetch failed');
  await proxy.start();
  expect((await fetch(proxy.url)).status).toBe(200);
});
