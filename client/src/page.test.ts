import { SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';
import { describe, expect, test } from 'vitest';
import { advance, FakeBackend, MINUTE, SECOND } from '../test/fake-backend.ts';
import { connect, expectMintLimit, fakeTime, open, RANDOMS, untilOpen } from '../test/stock-client.ts';
import { createTicketProvider } from './provider.ts';

/** Changes of network, clock, visibility and activity. */

fakeTime();

describe('the page', () => {
  test.for(RANDOMS)('offline for ten minutes, then online (random %d)', async (random) => {
    const fixture = await open();
    const { backend } = fixture;
    backend.random = random;
    const from = backend.now();
    backend.page.setOnline(false);
    backend.sockets[0]?.end(1006, '');
    await advance(10 * MINUTE);
    expect(backend.mintsIn(from, backend.now())).toBeLessThanOrEqual(12);
    expectMintLimit(backend);
    backend.page.setOnline(true);
    expect(await untilOpen(fixture)).toBeLessThanOrEqual(5 * SECOND);
  });

  test('a socket that was open through an outage of the network is replaced', async () => {
    const fixture = await open();
    const { backend } = fixture;
    backend.page.setOnline(false);
    await advance(MINUTE);
    backend.page.setOnline(true);
    await advance(4 * SECOND);
    expect(fixture.client.readyState).toBe(1);
    expect(backend.sockets.map(({ readyState }) => readyState)).toEqual([3, 1]);
    expect(backend.mints).toHaveLength(2);
  });

  test('hidden: once a minute after a failure, at once when it becomes visible', async () => {
    const backend = new FakeBackend();
    backend.page.document.hidden = true;
    backend.broker = 'unreachable';
    const fixture = connect(backend);
    await advance(10 * MINUTE);
    expect(backend.mints.length).toBeLessThanOrEqual(11);
    backend.broker = 'mints';
    await advance(SECOND);
    backend.page.setVisible(true);
    expect(await untilOpen(fixture)).toBeLessThanOrEqual(SECOND);
  });

  test('visible and hidden again and again in an outage: five a minute', async () => {
    const backend = new FakeBackend();
    backend.broker = 'unreachable';
    connect(backend);
    for (let turn = 0; turn < 600; turn += 1) {
      backend.page.setVisible(turn % 2 === 0);
      await advance(SECOND);
    }
    expectMintLimit(backend);
  });

  test.for([-10 * MINUTE, 10 * MINUTE, 8 * 60 * MINUTE])(
    'a clock that jumps by %d ms in an outage changes nothing',
    async (jump) => {
      const backend = new FakeBackend();
      backend.broker = 'unreachable';
      const fixture = connect(backend);
      await advance(20 * SECOND);
      backend.clockError = jump;
      await advance(20 * SECOND);
      backend.broker = 'mints';
      expect(await untilOpen(fixture)).toBeLessThanOrEqual(15 * SECOND);
      expect(backend.mints.length).toBeLessThanOrEqual(6);
    },
  );

  test('asleep for a night: the socket is gone, one mint brings it back', async () => {
    const fixture = await open();
    const { backend } = fixture;
    backend.clockError = 8 * 60 * MINUTE;
    backend.sockets[0]?.end(1006, '');
    expect(await untilOpen(fixture)).toBeLessThanOrEqual(6 * SECOND);
    expect(backend.mints).toHaveLength(2);
  });
});

describe('idle', () => {
  test('reconnects when the person returns, and not before', async () => {
    const fixture = await open();
    const { backend, client, ticket } = fixture;
    backend.sockets[0]?.end(4008, 'idle');
    await advance(8 * 60 * MINUTE);
    backend.page.setVisible(false);
    await advance(MINUTE);
    expect(backend.mints).toHaveLength(1);
    expect(client.connectionError).toBeNull();
    expect(ticket.refusal).toBeUndefined();
    backend.page.document.hidden = false;
    backend.page.dispatch('keydown');
    expect(await untilOpen(fixture)).toBeLessThanOrEqual(5 * SECOND);
    expect(backend.mints).toHaveLength(2);
  });

  test('a listener of the socket gets one close event, with a code on which clients reconnect', async () => {
    const backend = new FakeBackend();
    const { WebSocket: Socket } = createTicketProvider(backend.options()).agentOptions();
    const socket = new Socket('wss://agents.example.com/agents/counter/x', [SUBPROTOCOL, 'h.t.s']);
    const codes: unknown[] = [];
    if (socket instanceof EventTarget)
      socket.addEventListener('close', (event) => codes.push(Object(event).code));
    await advance(SECOND);
    backend.sockets[0]?.end(4008, 'idle');
    expect(codes).toEqual([3000]);
  });

  test('a process has no page activity: the close is final, as in the stock client', async () => {
    const backend = new FakeBackend();
    const { client } = connect(backend, {
      runsIn: 'process',
      credential: { kind: 'service-token', clientId: 'id', clientSecret: 'secret' },
      ports: { ...backend.ports(), page: {} },
    });
    await advance(SECOND);
    backend.sockets[0]?.end(4008, 'idle');
    await advance(MINUTE);
    expect(client.connectionError?.code).toBe(4008);
    expect(backend.mints).toHaveLength(1);
  });
});
