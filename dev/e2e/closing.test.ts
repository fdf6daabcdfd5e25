import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, it } from 'vitest';
import { mint } from './broker.ts';
import { nextFrame, openSocket } from './sockets.ts';
import { eventsOf, sessionsOf } from './stack-queries.ts';
import { UPGRADE } from './upgrade.ts';

const COUNTER = 'counter';

it.each([
  ['without a code', undefined],
  ['with the usual code', 1000],
  ['with a code of its own', 4321],
])('a page that closes its socket %s need not wait for the end', async (_name, code) => {
  const instance = `closed-${code}`;
  const { url } = await mint({ instance });
  const { socket, closed } = openSocket(url);
  await nextFrame(socket);
  socket.close(code);
  // Of a server that does not answer a close, it never comes.
  await closed;
  await eventually(async () => {
    expect(await sessionsOf(COUNTER, instance)).toEqual([
      expect.objectContaining({ ended_at: expect.any(Number), end_reason: 'client_closed' }),
    ]);
  });
});

it('a connection that breaks is recorded as lost', async () => {
  const instance = 'broken';
  const { url } = await mint({ instance });
  const asking = request(url.replace(/^ws/, 'http'), { headers: UPGRADE });
  asking.end();
  const [, socket] = (await once(asking, 'upgrade')) as [unknown, Socket];
  await eventually(async () => expect(await sessionsOf(COUNTER, instance)).toHaveLength(1));
  socket.resetAndDestroy();
  await eventually(async () => {
    expect(await sessionsOf(COUNTER, instance)).toEqual([
      expect.objectContaining({ ended_at: expect.any(Number), end_reason: 'connection_lost' }),
    ]);
  });
  const [closed] = (await eventsOf(COUNTER, instance)).filter(({ type }) => type === 'session.closed');
  expect(closed).toMatchObject({ code: 'connection_lost' });
});
