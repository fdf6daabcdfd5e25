import { describe, expect, test, vi } from 'vitest';
import { SUBPROTOCOL } from '../src/handshake.ts';
import { createTicketProvider } from './provider.ts';
import { clientsOf, connect, open, stopTime, untilOpen } from './test-tab.ts';
import { pass, SECOND, World } from './test-world.ts';

/** Tickets and connections of the stock client. */

stopTime();

describe('a ticket for each connection', () => {
  test('in the subprotocol, and nowhere else', async () => {
    const { world, client } = await open();
    const [socket] = world.sockets;
    expect(socket?.protocols).toEqual([SUBPROTOCOL, 'h.t1.s']);
    expect(socket?.url).not.toContain('h.t1.s');
    expect(client.identified).toBe(true);
  });

  test('in the query, where asked for', async () => {
    const { world } = await open({ delivery: 'query' });
    expect(new URL(world.sockets[0]?.url ?? '').searchParams.get('ticket')).toBe('h.t1.s');
    expect(world.sockets[0]?.protocols).toEqual([]);
  });

  test('tried again with the query of before, it does not leave the page', async () => {
    const world = new World();
    const { WebSocket: Socket } = createTicketProvider(
      world.options({ delivery: 'query' }),
    ).useAgentOptions();
    const url = 'wss://agents.example.com/agents/counter/main?ticket=h.t1.s';
    new Socket(url);
    const again = Object(new Socket(url));
    const closes: number[] = [];
    again.addEventListener('close', ({ code }: CloseEvent) => closes.push(code));
    await pass(0);
    expect(closes).toEqual([3000]);
    new Socket(url.replace('t1', 't2'));
    expect(world.sockets.map((socket) => socket.ticket())).toEqual(['h.t1.s', 'h.t2.s']);
    await pass(11 * SECOND);
  });

  test('a query that is asked again before it has an answer is the same question', async () => {
    const world = new World();
    const ticket = createTicketProvider(world.options({ delivery: 'query' }));
    const asked = Promise.all([ticket.query(), ticket.query(), ticket.query()]);
    await pass(SECOND);
    expect(await asked).toEqual(Array.from({ length: 3 }, () => ({ ticket: 'h.t1.s' })));
    const next = ticket.query();
    await pass(15 * SECOND);
    expect(await next).toEqual({ ticket: 'h.t2.s' });
    expect(world.mints).toHaveLength(2);
  });

  test('two clients of one provider do not share one', async () => {
    const { world, ticket } = await open();
    const [second] = clientsOf(ticket, 1);
    await pass(SECOND);
    expect(world.sockets.map((socket) => socket.ticket())).toEqual(['h.t1.s', 'h.t2.s']);
    expect(second?.readyState).toBe(1);
  });

  test('six clients at once all open', async () => {
    const world = new World();
    const ticket = createTicketProvider(world.options());
    const clients = clientsOf(ticket, 6);
    await pass(15 * SECOND);
    expect(clients.map(({ readyState }) => readyState)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(world.mints).toHaveLength(6);
  });
});

describe('closed by this side', () => {
  test('nothing listens and nothing runs any more', async () => {
    const tab = await open();
    tab.world.sockets[0]?.end(4008, 'idle');
    tab.world.page.dispatch('keydown');
    await untilOpen(tab);
    tab.client.close();
    // The world's own timers end, too.
    await pass(11 * SECOND);
    expect(tab.world.page.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('and opened again, ten times in ten seconds', async () => {
    const { client, world } = await open();
    for (let turn = 0; turn < 10; turn += 1) {
      client.close();
      await pass(500);
      client.reconnect();
      await pass(500);
      expect(client.readyState).toBe(1);
    }
    expect(world.mints).toHaveLength(11);
  });

  test('while it connects: the next one does not wait', async () => {
    const { client, world } = connect(new World());
    await pass(60);
    client.close();
    await pass(10);
    client.reconnect();
    await pass(SECOND);
    expect(client.readyState).toBe(1);
    expect(world.mints).toHaveLength(2);
  });

  test('somebody else signed in: open sockets come back with new tickets', async () => {
    const tab = await open();
    tab.ticket.reset();
    await pass(4 * SECOND);
    expect(tab.client.readyState).toBe(1);
    expect(tab.world.sockets.map((socket) => [socket.ticket(), socket.readyState])).toEqual([
      ['h.t1.s', 3],
      ['h.t2.s', 1],
    ]);
  });

  test('a ticket on its way when somebody else signs in is nobody’s', async () => {
    const { world, ticket } = connect(new World());
    await pass(20);
    expect(world.mints).toHaveLength(1);
    ticket.reset();
    await pass(SECOND);
    expect(world.sockets.map((socket) => socket.ticket())).toEqual(['h.t2.s']);
  });
});
