import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect, inject, it } from 'vitest';
import { mint } from './broker.ts';
import { openFront } from './front.ts';
import { connected, nextFrame, openSocket } from './sockets.ts';
import { UPGRADE } from './upgrade.ts';

/** Names of headers that differ from answer to answer, or that say nothing to a client. */
const INCIDENTAL = /^(date|x-request-id|server|content-length|connection|upgrade):/i;

/** What an upgrade at an address is answered, to the last byte of its close. */
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
  'refuses to the byte as the gate does (offered: %j)',
  async (offered) => {
    const gate = inject('stack').agentWorker;
    const front = await openFront(gate);
    front.refuseBy(() => [4001, 'unauthorized']);
    const real = await answerTo(gate, offered);
    expect(real.frame).toContain(Buffer.from('unauthorized').toString('hex'));
    expect(await answerTo(front.url, offered)).toEqual(real);
  },
);

it('passes everything on, and counts it', async () => {
  const front = await openFront(inject('stack').agentWorker);
  const { ticket } = await mint({ instance: 'through-a-front' });
  const client = await connected('counter', 'through-a-front', { host: front.url, query: { ticket } });
  expect(await client.call('increment')).toBe(1);
  expect([front.mints, front.upgrades]).toEqual([[], ['through-a-front']]);
});

it('is away, and is there again at the same place', async () => {
  const front = await openFront(inject('stack').agentWorker);
  const { url } = await mint({ instance: 'behind-a-front' });
  const { pathname, search } = new URL(url);
  const { socket, closed } = openSocket(`${front.url.replace('http', 'ws')}${pathname}${search}`);
  await nextFrame(socket);
  await front.leave();
  expect(await closed).toMatchObject({ code: 1006 });
  await expect(fetch(front.url)).rejects.toThrow('fetch failed');
  await front.comeBack();
  expect((await fetch(front.url)).status).toBe(200);
});
