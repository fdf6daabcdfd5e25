import { expect, it } from 'vitest';
import { mint, type TicketAnswer } from './broker.ts';
import { connected, nextFrame, openSocket } from './sockets.ts';

it('the stock client with a used ticket fetches another and connects', async () => {
  const instance = 'returning';
  const used = await mint({ instance });
  await nextFrame(openSocket(used.url).socket);
  const tickets: TicketAnswer[] = [];
  const client = await connected('counter', instance, {
    protocols: async () => {
      const next = tickets.length === 0 ? used : await mint({ instance });
      tickets.push(next);
      return [...next.protocols];
    },
    minReconnectionDelay: 1,
    maxReconnectionDelay: 1,
  });
  expect(tickets).toHaveLength(2);
  expect(await client.call('whoami')).toMatchObject({ role: 'admin' });
});

it('the stock client that loses its connection reconnects as a new session', async () => {
  const instance = 'lost-and-found';
  const client = await connected<{ count: number }>('counter', instance, {
    protocols: async () => [...(await mint({ instance })).protocols],
    minReconnectionDelay: 1,
    maxReconnectionDelay: 1,
  });
  await client.call('increment');
  const before = await client.call<{ session: string }>('whoami');
  client.reconnect(1000, 'as if the network had changed');
  await client.ready;
  const after = await client.call<{ session: string }>('whoami');
  expect(after.session).not.toBe(before.session);
  expect(client.state).toEqual({ count: 1 });
});
