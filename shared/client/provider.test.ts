import type { UseAgentOptions } from 'agents/react';
import { describe, expect, expectTypeOf, test, vi } from 'vitest';
import { SUBPROTOCOL } from '../src/handshake.ts';
import type { AgentOptions } from './provider.ts';
import { createTicketProvider, TicketRefused, TicketUnavailable } from './provider.ts';
import { stopTime } from './test-tab.ts';
import { MINUTE, pass, refusal, SECOND, World } from './test-world.ts';

stopTime();

/** What a promise came to in the time given. */
async function settled<T>(
  promise: Promise<T>,
  within = 10 * SECOND,
): Promise<PromiseSettledResult<T> | 'pending'> {
  const race = Promise.race([
    Promise.allSettled([promise]).then(([result]) => result),
    new Promise<'pending'>((resolve) => setTimeout(() => resolve('pending'), within)),
  ]);
  await pass(within);
  return race;
}

describe('useAgentOptions', () => {
  test('is what the hook takes', () => {
    expectTypeOf<AgentOptions>().toExtend<UseAgentOptions>();
  });

  test('by subprotocol nothing of it changes between renders', () => {
    const ticket = createTicketProvider(new World().options());
    const { protocols, WebSocket, id, ...rest } = ticket.useAgentOptions();
    expect(rest).toMatchObject({
      agent: 'counter',
      host: 'agents.example.com',
      transferEnqueuedMessages: false,
    });
    expect(rest).not.toHaveProperty('query');
    const again = ticket.useAgentOptions();
    expect([again.protocols, again.WebSocket, again.id]).toEqual([protocols, WebSocket, id]);
  });

  test('by query the three that belong together', () => {
    const ticket = createTicketProvider(new World().options({ delivery: 'query' }));
    const options = ticket.useAgentOptions();
    expect(options).toMatchObject({ cacheTtl: 2_147_483_647, queryDeps: ticket.queryDeps });
    expect(options.query).toBe(ticket.query);
    expect(options).not.toHaveProperty('protocols');
    expect(ticket.useAgentOptions().queryDeps).toEqual(options.queryDeps);
  });

  test('tells providers apart, and one before and after somebody else signed in', () => {
    const world = new World();
    const one = createTicketProvider(world.options());
    const two = createTicketProvider(world.options());
    const before = one.useAgentOptions();
    const keys = [one.queryDeps, two.queryDeps].map((deps) => JSON.stringify(deps));
    one.reset();
    keys.push(JSON.stringify(one.queryDeps));
    expect(new Set(keys).size).toBe(3);
    expect(new Set([before.id, two.useAgentOptions().id, one.useAgentOptions().id]).size).toBe(3);
  });
});

describe('protocols and query', () => {
  test('a ticket each, one mint at a time', async () => {
    const world = new World();
    const ticket = createTicketProvider(world.options());
    const both = Promise.all([ticket.protocols(), ticket.query()]);
    await pass(40);
    expect(world.mints).toHaveLength(1);
    await pass(SECOND);
    const [protocols, query] = await both;
    expect(protocols).toHaveLength(2);
    expect(query).toHaveProperty('ticket');
    expect(protocols[1]).not.toBe(query.ticket);
    expect(world.mints).toHaveLength(2);
  });

  test('refused: resolved without a ticket, all who wait by one mint', async () => {
    const world = new World();
    world.broker = refusal(403, 'FORBIDDEN');
    const ticket = createTicketProvider(world.options());
    const all = Promise.all([ticket.protocols(), ticket.query(), ticket.protocols()]);
    expect(await settled(all)).toMatchObject({ value: [[SUBPROTOCOL], {}, [SUBPROTOCOL]] });
    expect(world.mints).toHaveLength(1);
  });

  test('a client that asks for ever all the same', async () => {
    const world = new World();
    world.broker = refusal(401, 'UNAUTHORIZED');
    const ticket = createTicketProvider(world.options());
    let asked = 0;
    void (async () => {
      for (; asked < 1000; asked += 1) await ticket.protocols();
    })();
    await pass(3 * MINUTE - SECOND);
    expect(world.mints.length).toBeLessThanOrEqual(15);
  });

  test('unavailable: protocols rejects after a minute of tries, query never does', async () => {
    const world = new World();
    world.broker = 'unreachable';
    const ticket = createTicketProvider(world.options());
    expect(await settled(ticket.protocols(), 50 * SECOND)).toBe('pending');
    const waiting = ticket.query();
    expect(await settled(waiting, 10 * MINUTE)).toBe('pending');
    world.broker = 'mints';
    expect(await settled(waiting, 15 * SECOND)).toMatchObject({ status: 'fulfilled' });
  });

  test('those who wait through an outage are served newest first', async () => {
    const world = new World();
    world.broker = 'unreachable';
    const ticket = createTicketProvider(world.options());
    const order: string[] = [];
    for (const name of ['first', 'second', 'third']) void ticket.protocols().then(() => order.push(name));
    await pass(30 * SECOND);
    world.broker = 'mints';
    await pass(50 * SECOND);
    expect(order).toEqual(['third', 'second', 'first']);
  });
});

describe('headers', () => {
  test('one ticket of its own kind for its life, counted from before it was asked for', async () => {
    const world = new World();
    const ticket = createTicketProvider(world.options());
    await pass(MINUTE);
    const both = Promise.all([ticket.headers(), ticket.headers()]);
    await pass(SECOND);
    expect(await both).toEqual([{ authorization: 'Bearer h.t1.s' }, { authorization: 'Bearer h.t1.s' }]);
    expect(world.asked()).toMatchObject([{ transport: 'http' }]);
    await pass(48 * SECOND);
    expect(await ticket.headers()).toEqual({ authorization: 'Bearer h.t1.s' });
    await pass(2 * SECOND);
    const later = ticket.headers();
    await pass(SECOND);
    expect(await later).toEqual({ authorization: 'Bearer h.t2.s' });
    ticket.reset();
    expect(await settled(ticket.headers())).toMatchObject({ value: { authorization: 'Bearer h.t3.s' } });
  });

  test('a night of sleep counts', async () => {
    const world = new World();
    const ticket = createTicketProvider(world.options());
    await settled(ticket.headers(), SECOND);
    world.clockError = 8 * 60 * MINUTE;
    expect(await settled(ticket.headers())).toMatchObject({ value: { authorization: 'Bearer h.t2.s' } });
  });

  test('rejects, and the next call asks again', async () => {
    const world = new World();
    world.broker = refusal(403, 'FORBIDDEN');
    const ticket = createTicketProvider(world.options());
    expect(await settled(ticket.headers())).toMatchObject({ reason: { name: 'Forbidden' } });
    world.broker = 'mints';
    expect(await settled(ticket.headers())).toMatchObject({ status: 'fulfilled' });
  });

  test('takes no place of a socket', async () => {
    const world = new World();
    const ticket = createTicketProvider(world.options({ expiresIn: 5 }));
    for (let call = 0; call < 12; call += 1) {
      ticket.reset();
      expect(await settled(ticket.headers(), SECOND)).toMatchObject({ status: 'fulfilled' });
    }
  });
});

describe('a plain WebSocket', () => {
  test('where to, and the ticket in the subprotocol only', async () => {
    const world = new World();
    const ticket = createTicketProvider(world.options());
    expect(await settled(ticket.mint())).toMatchObject({
      value: {
        url: `wss://agents.example.com/agents/counter/${world.instance}`,
        protocols: [SUBPROTOCOL, 'h.t1.s'],
      },
    });
  });

  test('is renewed once attached, until detached, and tells when it is refused', async () => {
    const world = new World();
    const { openSocket } = world.ports();
    const ticket = createTicketProvider(world.options());
    const minting = ticket.mint();
    await pass(SECOND);
    const { url, protocols } = await minting;
    const socket = openSocket(url, protocols);
    const detach = ticket.attachRenewal(socket);
    await pass(SECOND);
    world.sockets[0]?.say({ type: 'ticket.expiring' });
    await pass(SECOND);
    expect(world.sockets[0]?.sent).toEqual([JSON.stringify({ type: 'ticket.renew', ticket: 'h.t2.s' })]);
    world.sockets[0]?.end(4003, 'forbidden');
    expect(ticket.refusal).toMatchObject({ name: 'Forbidden', code: 'forbidden' });
    detach();
    world.sockets[0]?.say({ type: 'ticket.expiring' });
    await pass(SECOND);
    expect(world.mints).toHaveLength(2);
  });

  test.for([
    [refusal(401, 'UNAUTHORIZED'), TicketRefused],
    ['unreachable', TicketUnavailable],
  ] as const)('rejects for whoever called (%#)', async ([mood, kind]) => {
    const world = new World();
    world.broker = mood;
    const result = await settled(createTicketProvider(world.options()).mint(), 2 * MINUTE);
    expect(result).toMatchObject({ status: 'rejected', reason: expect.any(kind) });
  });
});

describe('while a page is rendered on a server', () => {
  test.for(['subprotocol', 'query'] as const)('nothing is asked and no timer runs (%s)', async (delivery) => {
    const world = new World();
    const ticket = createTicketProvider(world.options({ runsIn: 'server-render', delivery }));
    expect(ticket.useAgentOptions()).toMatchObject({ agent: 'counter' });
    expect(await ticket.protocols()).toEqual([SUBPROTOCOL]);
    expect(await ticket.query()).toEqual({});
    expect(await ticket.headers()).toEqual({});
    await expect(ticket.mint()).rejects.toThrow(TicketRefused);
    ticket.reset();
    expect(world.mints).toHaveLength(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('any number of requests', () => {
    const world = new World();
    for (let request = 0; request < 100; request += 1)
      createTicketProvider(world.options({ runsIn: 'server-render' }));
  });
});

describe('a provider made in each render', () => {
  test('is a mistake that says so', () => {
    const world = new World();
    const renders = (): void => {
      for (let render = 0; render < 100; render += 1) createTicketProvider(world.options());
    };
    expect(renders).toThrow(/once, not in each render/);
  });

  test('mints no more than one that is made once', async () => {
    const world = new World();
    for (let render = 0; render < 19; render += 1) void createTicketProvider(world.options()).protocols();
    await pass(50 * SECOND);
    expect(world.mints.length).toBeLessThanOrEqual(5);
  });

  test('one now and then is none', async () => {
    const world = new World();
    for (let day = 0; day < 100; day += 1) {
      createTicketProvider(world.options());
      await pass(SECOND);
    }
  });
});

test('neither ticket nor credential can be read off a provider', async () => {
  const world = new World();
  const ticket = createTicketProvider(
    world.options({ credential: { kind: 'access-token', get: async () => 's3cr3t' } }),
  );
  await settled(ticket.protocols());
  const shown = JSON.stringify(ticket) + JSON.stringify(ticket.useAgentOptions());
  expect(shown).not.toMatch(/s3cr3t|h\.t1\.s/);
});
