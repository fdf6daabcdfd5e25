import { describe, expect, test } from 'vitest';
import { SUBPROTOCOL } from '../src/handshake.ts';
import { createTicketProvider } from './provider.ts';
import { connect, expectCalm, open, RANDOMS, stopTime, untilOpen } from './test-tab.ts';
import { MINUTE, pass, SECOND, World } from './test-world.ts';

/** Networks, clocks and people come and go. */

stopTime();

describe('the page', () => {
  test.for(RANDOMS)('offline for ten minutes, then online (random %d)', async (random) => {
    const tab = await open();
    const { world } = tab;
    world.random = random;
    const from = world.now();
    world.page.connect(false);
    world.sockets[0]?.end(1006, '');
    await pass(10 * MINUTE);
    expect(world.mintsIn(from, world.now())).toBeLessThanOrEqual(12);
    expectCalm(world);
    world.page.connect(true);
    expect(await untilOpen(tab)).toBeLessThanOrEqual(5 * SECOND);
  });

  test('a socket that was open through an outage of the network is not believed', async () => {
    const tab = await open();
    const { world } = tab;
    world.page.connect(false);
    await pass(MINUTE);
    world.page.connect(true);
    await pass(4 * SECOND);
    expect(tab.client.readyState).toBe(1);
    expect(world.sockets.map(({ readyState }) => readyState)).toEqual([3, 1]);
    expect(world.mints).toHaveLength(2);
  });

  test('hidden: once a minute after a failure, at once when it is seen', async () => {
    const world = new World();
    world.page.document.hidden = true;
    world.broker = 'unreachable';
    const tab = connect(world);
    await pass(10 * MINUTE);
    expect(world.mints.length).toBeLessThanOrEqual(11);
    world.broker = 'mints';
    await pass(SECOND);
    world.page.show(true);
    expect(await untilOpen(tab)).toBeLessThanOrEqual(SECOND);
  });

  test('seen and hidden again and again in an outage: five a minute', async () => {
    const world = new World();
    world.broker = 'unreachable';
    connect(world);
    for (let turn = 0; turn < 600; turn += 1) {
      world.page.show(turn % 2 === 0);
      await pass(SECOND);
    }
    expectCalm(world);
  });

  test.for([-10 * MINUTE, 10 * MINUTE, 8 * 60 * MINUTE])(
    'a clock that jumps by %d ms in an outage changes nothing',
    async (jump) => {
      const world = new World();
      world.broker = 'unreachable';
      const tab = connect(world);
      await pass(20 * SECOND);
      world.clockError = jump;
      await pass(20 * SECOND);
      world.broker = 'mints';
      expect(await untilOpen(tab)).toBeLessThanOrEqual(15 * SECOND);
      expect(world.mints.length).toBeLessThanOrEqual(6);
    },
  );

  test('asleep for a night: the socket is gone, one mint brings it back', async () => {
    const tab = await open();
    const { world } = tab;
    world.clockError = 8 * 60 * MINUTE;
    world.sockets[0]?.end(1006, '');
    expect(await untilOpen(tab)).toBeLessThanOrEqual(6 * SECOND);
    expect(world.mints).toHaveLength(2);
  });
});

describe('idle', () => {
  test('comes back with the person, and not before', async () => {
    const tab = await open();
    const { world, client, ticket } = tab;
    world.sockets[0]?.end(4008, 'idle');
    await pass(8 * 60 * MINUTE);
    world.page.show(false);
    await pass(MINUTE);
    expect(world.mints).toHaveLength(1);
    expect(client.connectionError).toBeNull();
    expect(ticket.refusal).toBeUndefined();
    world.page.document.hidden = false;
    world.page.dispatch('keydown');
    expect(await untilOpen(tab)).toBeLessThanOrEqual(5 * SECOND);
    expect(world.mints).toHaveLength(2);
  });

  test('whoever listens to the socket hears of one close, and of one that says come back', async () => {
    const world = new World();
    const { WebSocket: Socket } = createTicketProvider(world.options()).useAgentOptions();
    const socket = new Socket('wss://agents.example.com/agents/counter/x', [SUBPROTOCOL, 'h.t.s']);
    const heard: unknown[] = [];
    if (socket instanceof EventTarget)
      socket.addEventListener('close', (event) => heard.push(Object(event).code));
    await pass(SECOND);
    world.sockets[0]?.end(4008, 'idle');
    expect(heard).toEqual([3000]);
  });

  test('a process has nobody who could come back: final, as the stock client has it', async () => {
    const world = new World();
    const { client } = connect(world, {
      runsIn: 'process',
      credential: { kind: 'service-token', clientId: 'id', clientSecret: 'secret' },
      ports: { ...world.ports(), page: {} },
    });
    await pass(SECOND);
    world.sockets[0]?.end(4008, 'idle');
    await pass(MINUTE);
    expect(client.connectionError?.code).toBe(4008);
    expect(world.mints).toHaveLength(1);
  });
});
