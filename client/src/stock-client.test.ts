import { SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';
import { describe, expect, test, vi } from 'vitest';
import { advance, FakeBackend, SECOND } from '../test/fake-backend.ts';
import { clientsOf, connect, fakeTime, open, untilOpen } from '../test/stock-client.ts';
import { createTicketProvider } from './provider.ts';

/** Tickets and connections of the stock client. */

fakeTime();

describe('a ticket for each connection', () => {
  test('in the subprotocol, and nowhere else', async () => {
    const { backend, client } = await open();
    const [socket] = backend.sockets;
    expect(socket?.protocols).toEqual([SUBPROTOCOL, 'h.t1.s']);
    expect(socket?.url).not.toContain('h.t1.s');
    expect(client.identified).toBe(true);
  });

  test('in the query, with that delivery', async () => {
    const { backend } = await open({ delivery: 'query' });
    expect(new URL(backend.sockets[0]?.url ?? '').searchParams.get('ticket')).toBe('h.t1.s');
    expect(backend.sockets[0]?.protocols).toEqual([]);
  });

  test('a retry with the earlier query does not leave the page', async () => {
    const backend = new FakeBackend();
    const { WebSocket: Socket } = createTicketProvider(backend.options({ delivery: 'query' })).agentOptions();
    const url = 'wss://agents.example.com/agents/counter/main?ticket=h.t1.s';
    new Socket(url);
    const again = Object(new Socket(url));
    const closes: number[] = [];
    again.addEventListener('close', ({ code }: CloseEvent) => closes.push(code));
    await advance(0);
    expect(closes).toEqual([3000]);
    new Socket(url.replace('t1', 't2'));
    expect(backend.sockets.map((socket) => socket.ticket())).toEqual(['h.t1.s', 'h.t2.s']);
    await advance(11 * SECOND);
  });

  test('concurrent calls of query get one ticket', async () => {
    const backend = new FakeBackend();
    const { query } = createTicketProvider(backend.options({ delivery: 'query' })).agentOptions();
    const asked = Promise.all([query?.(), query?.(), query?.()]);
    await advance(SECOND);
    expect(await asked).toEqual(Array.from({ length: 3 }, () => ({ ticket: 'h.t1.s' })));
    const next = query?.();
    await advance(15 * SECOND);
    expect(await next).toEqual({ ticket: 'h.t2.s' });
    expect(backend.mints).toHaveLength(2);
  });

  test('two clients of one provider do not share one', async () => {
    const { backend, ticket } = await open();
    const [second] = clientsOf(ticket, 1);
    await advance(SECOND);
    expect(backend.sockets.map((socket) => socket.ticket())).toEqual(['h.t1.s', 'h.t2.s']);
    expect(second?.readyState).toBe(1);
  });

  test('six clients at once all open', async () => {
    const backend = new FakeBackend();
    const ticket = createTicketProvider(backend.options());
    const clients = clientsOf(ticket, 6);
    await advance(15 * SECOND);
    expect(clients.map(({ readyState }) => readyState)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(backend.mints).toHaveLength(6);
  });
});

describe('closed by this side', () => {
  test('no listener and no timer is left', async () => {
    const fixture = await open();
    fixture.backend.sockets[0]?.end(4008, 'idle');
    fixture.backend.page.dispatch('keydown');
    await untilOpen(fixture);
    fixture.client.close();
    // The backend's own timers end, too.
    await advance(11 * SECOND);
    expect(fixture.backend.page.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('and opened again, ten times in ten seconds', async () => {
    const { client, backend } = await open();
    for (let turn = 0; turn < 10; turn += 1) {
      client.close();
      await advance(500);
      client.reconnect();
      await advance(500);
      expect(client.readyState).toBe(1);
    }
    expect(backend.mints).toHaveLength(11);
  });

  test('while it connects: the next connection does not wait', async () => {
    const { client, backend } = connect(new FakeBackend());
    await advance(60);
    client.close();
    await advance(10);
    client.reconnect();
    await advance(SECOND);
    expect(client.readyState).toBe(1);
    expect(backend.mints).toHaveLength(2);
  });

  test('somebody else signed in: open sockets reconnect with new tickets', async () => {
    const fixture = await open();
    fixture.ticket.reset();
    await advance(4 * SECOND);
    expect(fixture.client.readyState).toBe(1);
    expect(fixture.backend.sockets.map((socket) => [socket.ticket(), socket.readyState])).toEqual([
      ['h.t1.s', 3],
      ['h.t2.s', 1],
    ]);
  });

  test('a ticket that was requested before somebody else signed in is discarded', async () => {
    const { backend, ticket } = connect(new FakeBackend());
    await advance(20);
    expect(backend.mints).toHaveLength(1);
    ticket.reset();
    await advance(SECOND);
    expect(backend.sockets.map((socket) => socket.ticket())).toEqual(['h.t2.s']);
  });
});
