import { SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';
import type { UseAgentOptions } from 'agents/react';
import { afterEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import { advance, BROKER, FakeBackend, MINUTE, refusal, SECOND } from '../test/fake-backend.ts';
import { connect, fakeTime } from '../test/stock-client.ts';
import type { AgentOptions, TicketProvider } from './provider.ts';
import { createTicketProvider, TicketRefused, TicketUnavailable } from './provider.ts';

fakeTime();

function queryOf(ticket: TicketProvider): Promise<Record<string, string>> {
  const { query } = ticket.agentOptions();
  if (query === undefined) throw new Error('the delivery is not by query');
  return query();
}

/** The outcome of a promise within the given time. */
async function settled<T>(
  promise: Promise<T>,
  within = 10 * SECOND,
): Promise<PromiseSettledResult<T> | 'pending'> {
  const race = Promise.race([
    Promise.allSettled([promise]).then(([result]) => result),
    new Promise<'pending'>((resolve) => setTimeout(() => resolve('pending'), within)),
  ]);
  await advance(within);
  return race;
}

describe('without a WebSocket', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });
  const inNode20 = (options: Parameters<FakeBackend['options']>[0] = {}) => {
    vi.stubGlobal('WebSocket', undefined);
    const backend = new FakeBackend();
    const { ports, ...rest } = backend.options({ runsIn: 'process', ...options });
    const { openSocket: _none, ...others } = ports ?? {};
    return { backend, ticket: createTicketProvider({ ...rest, ports: others }) };
  };

  test('options for a client are one clear error, and no ticket is minted', () => {
    const { backend, ticket } = inNode20();
    expect(() => ticket.agentOptions()).toThrow('no WebSocket before Node 22');
    expect(backend.mints).toHaveLength(0);
  });

  test('who opens sockets by another class has tickets, and a page is rendered on a server', async () => {
    expect(await settled(inNode20().ticket.headers())).toMatchObject({ status: 'fulfilled' });
    expect(await settled(inNode20().ticket.mint())).toMatchObject({ status: 'fulfilled' });
    expect(inNode20({ runsIn: 'server-render' }).ticket.agentOptions()).toMatchObject({
      agent: 'counter',
    });
  });
});

describe('agentOptions', () => {
  test('is what the hook takes', () => {
    expectTypeOf<AgentOptions>().toExtend<UseAgentOptions>();
  });

  test('by subprotocol nothing of it changes between renders', () => {
    const ticket = createTicketProvider(new FakeBackend().options());
    const { protocols, WebSocket, id, ...rest } = ticket.agentOptions();
    expect(rest).toMatchObject({
      agent: 'counter',
      host: 'agents.example.com',
      transferEnqueuedMessages: false,
    });
    expect(rest).not.toHaveProperty('query');
    const again = ticket.agentOptions();
    expect([again.protocols, again.WebSocket, again.id]).toEqual([protocols, WebSocket, id]);
  });

  test('by query the three that belong together', () => {
    const ticket = createTicketProvider(new FakeBackend().options({ delivery: 'query' }));
    const options = ticket.agentOptions();
    expect(options).toMatchObject({ cacheTtl: 2_147_483_647, queryDeps: [BROKER, options.host, options.id] });
    expect(options.query).toBe(ticket.agentOptions().query);
    expect(options).not.toHaveProperty('protocols');
    expect(ticket.agentOptions().queryDeps).toEqual(options.queryDeps);
  });

  test('differs between providers, and before and after a reset', () => {
    const backend = new FakeBackend();
    const one = createTicketProvider(backend.options({ delivery: 'query' }));
    const two = createTicketProvider(backend.options({ delivery: 'query' }));
    const depsOf = (ticket: TicketProvider) => JSON.stringify(ticket.agentOptions().queryDeps);
    const before = one.agentOptions();
    const keys = [one, two].map(depsOf);
    one.reset();
    keys.push(depsOf(one));
    expect(new Set(keys).size).toBe(3);
    expect(new Set([before.id, two.agentOptions().id, one.agentOptions().id]).size).toBe(3);
  });
});

describe('protocols and query', () => {
  test('a ticket each, one mint at a time', async () => {
    const backend = new FakeBackend();
    const ticket = createTicketProvider(backend.options({ delivery: 'query' }));
    const both = Promise.all([ticket.protocols(), queryOf(ticket)]);
    await advance(40);
    expect(backend.mints).toHaveLength(1);
    await advance(SECOND);
    const [protocols, query] = await both;
    expect(protocols).toHaveLength(2);
    expect(query).toHaveProperty('ticket');
    expect(protocols[1]).not.toBe(query.ticket);
    expect(backend.mints).toHaveLength(2);
  });

  test('refused: all waiting callers resolve without a ticket, after one mint', async () => {
    const backend = new FakeBackend();
    backend.broker = refusal(403, 'FORBIDDEN');
    const ticket = createTicketProvider(backend.options({ delivery: 'query' }));
    const all = Promise.all([ticket.protocols(), queryOf(ticket), ticket.protocols()]);
    expect(await settled(all)).toMatchObject({ value: [[SUBPROTOCOL], {}, [SUBPROTOCOL]] });
    expect(backend.mints).toHaveLength(1);
  });

  test('a client that repeats the call for ever', async () => {
    const backend = new FakeBackend();
    backend.broker = refusal(401, 'UNAUTHORIZED');
    const ticket = createTicketProvider(backend.options());
    let asked = 0;
    void (async () => {
      for (; asked < 1000; asked += 1) await ticket.protocols();
    })();
    await advance(3 * MINUTE - SECOND);
    expect(backend.mints.length).toBeLessThanOrEqual(15);
  });

  test('unavailable: protocols rejects after a minute of tries, query never does', async () => {
    const backend = new FakeBackend();
    backend.broker = 'unreachable';
    const ticket = createTicketProvider(backend.options({ delivery: 'query' }));
    expect(await settled(ticket.protocols(), 50 * SECOND)).toBe('pending');
    const waiting = queryOf(ticket);
    expect(await settled(waiting, 10 * MINUTE)).toBe('pending');
    backend.broker = 'mints';
    expect(await settled(waiting, 15 * SECOND)).toMatchObject({ status: 'fulfilled' });
  });

  test('callers that wait through an outage are served newest first', async () => {
    const backend = new FakeBackend();
    backend.broker = 'unreachable';
    const ticket = createTicketProvider(backend.options());
    const order: string[] = [];
    for (const name of ['first', 'second', 'third']) void ticket.protocols().then(() => order.push(name));
    await advance(30 * SECOND);
    backend.broker = 'mints';
    await advance(50 * SECOND);
    expect(order).toEqual(['third', 'second', 'first']);
  });
});

describe('headers', () => {
  test('one ticket of its own transport for its life, counted from before the request', async () => {
    const backend = new FakeBackend();
    const ticket = createTicketProvider(backend.options());
    await advance(MINUTE);
    const both = Promise.all([ticket.headers(), ticket.headers()]);
    await advance(SECOND);
    expect(await both).toEqual([{ authorization: 'Bearer h.t1.s' }, { authorization: 'Bearer h.t1.s' }]);
    expect(backend.requestBodies()).toMatchObject([{ transport: 'http' }]);
    await advance(48 * SECOND);
    expect(await ticket.headers()).toEqual({ authorization: 'Bearer h.t1.s' });
    await advance(2 * SECOND);
    const later = ticket.headers();
    await advance(SECOND);
    expect(await later).toEqual({ authorization: 'Bearer h.t2.s' });
    ticket.reset();
    expect(await settled(ticket.headers())).toMatchObject({ value: { authorization: 'Bearer h.t3.s' } });
  });

  test('a night of sleep counts', async () => {
    const backend = new FakeBackend();
    const ticket = createTicketProvider(backend.options());
    await settled(ticket.headers(), SECOND);
    backend.clockError = 8 * 60 * MINUTE;
    expect(await settled(ticket.headers())).toMatchObject({ value: { authorization: 'Bearer h.t2.s' } });
  });

  test('rejects, and the next call sends another request', async () => {
    const backend = new FakeBackend();
    backend.broker = refusal(403, 'FORBIDDEN');
    const ticket = createTicketProvider(backend.options());
    expect(await settled(ticket.headers())).toMatchObject({ reason: { name: 'Forbidden' } });
    backend.broker = 'mints';
    expect(await settled(ticket.headers())).toMatchObject({ status: 'fulfilled' });
  });

  test('does not count towards the mints of sockets', async () => {
    const backend = new FakeBackend();
    const ticket = createTicketProvider(backend.options({ expiresIn: 5 }));
    for (let call = 0; call < 12; call += 1) {
      ticket.reset();
      expect(await settled(ticket.headers(), SECOND)).toMatchObject({ status: 'fulfilled' });
    }
  });
});

describe('a plain WebSocket', () => {
  test('gets an address, and the ticket in the subprotocol only', async () => {
    const backend = new FakeBackend();
    const ticket = createTicketProvider(backend.options());
    expect(await settled(ticket.mint())).toMatchObject({
      value: {
        url: `wss://agents.example.com/agents/counter/${backend.instance}`,
        protocols: [SUBPROTOCOL, 'h.t1.s'],
      },
    });
  });

  test('is renewed while it is attached, and reports a refusal', async () => {
    const backend = new FakeBackend();
    const { openSocket } = backend.ports();
    const ticket = createTicketProvider(backend.options());
    const minting = ticket.mint();
    await advance(SECOND);
    const { url, protocols } = await minting;
    const socket = openSocket(url, protocols);
    const detach = ticket.attachRenewal(socket);
    await advance(SECOND);
    backend.sockets[0]?.receive({ type: 'ticket.expiring' });
    await advance(SECOND);
    expect(backend.sockets[0]?.sent).toEqual([JSON.stringify({ type: 'ticket.renew', ticket: 'h.t2.s' })]);
    backend.sockets[0]?.end(4003, 'forbidden');
    expect(ticket.refusal).toMatchObject({ name: 'Forbidden', code: 'forbidden' });
    detach();
    backend.sockets[0]?.receive({ type: 'ticket.expiring' });
    await advance(SECOND);
    expect(backend.mints).toHaveLength(2);
  });

  test.for([
    [refusal(401, 'UNAUTHORIZED'), TicketRefused],
    ['unreachable', TicketUnavailable],
  ] as const)('rejects (%#)', async ([behaviour, kind]) => {
    const backend = new FakeBackend();
    backend.broker = behaviour;
    const result = await settled(createTicketProvider(backend.options()).mint(), 2 * MINUTE);
    expect(result).toMatchObject({ status: 'rejected', reason: expect.any(kind) });
  });
});

describe('while a page is rendered on a server', () => {
  test.for(['subprotocol', 'query'] as const)(
    'no request is sent and no timer runs (%s)',
    async (delivery) => {
      const backend = new FakeBackend();
      const ticket = createTicketProvider(backend.options({ runsIn: 'server-render', delivery }));
      expect(ticket.agentOptions()).toMatchObject({ agent: 'counter' });
      expect(await ticket.protocols()).toEqual([SUBPROTOCOL]);
      if (delivery === 'query') expect(await queryOf(ticket)).toEqual({});
      expect(await ticket.headers()).toEqual({});
      await expect(ticket.mint()).rejects.toThrow(TicketRefused);
      ticket.reset();
      expect(backend.mints).toHaveLength(0);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test.for(['subprotocol', 'query'] as const)(
    'a client that is made there opens no socket, and does not try again (%s)',
    async (delivery) => {
      const { backend, client, ticket } = connect(new FakeBackend(), {
        runsIn: 'server-render',
        delivery,
      });
      await advance(5 * MINUTE);
      expect([backend.sockets, backend.mints]).toEqual([[], []]);
      expect(client.connectionError?.code).toBe(4000);
      expect(ticket.refusal).toBeUndefined();
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test('any number of requests', () => {
    const backend = new FakeBackend();
    for (let request = 0; request < 100; request += 1)
      createTicketProvider(backend.options({ runsIn: 'server-render' }));
  });
});

describe('a provider made in each render', () => {
  test('throws an error that names the mistake', () => {
    const backend = new FakeBackend();
    const renders = (): void => {
      for (let render = 0; render < 100; render += 1) createTicketProvider(backend.options());
    };
    expect(renders).toThrow(/once, not in each render/);
  });

  test('mints no more than one that is created once', async () => {
    const backend = new FakeBackend();
    for (let render = 0; render < 19; render += 1) void createTicketProvider(backend.options()).protocols();
    await advance(50 * SECOND);
    expect(backend.mints.length).toBeLessThanOrEqual(5);
  });

  test('one a second is accepted', async () => {
    const backend = new FakeBackend();
    for (let day = 0; day < 100; day += 1) {
      createTicketProvider(backend.options());
      await advance(SECOND);
    }
  });
});

test('neither ticket nor credential can be read off a provider', async () => {
  const backend = new FakeBackend();
  const ticket = createTicketProvider(
    backend.options({ credential: { kind: 'access-token', get: async () => 's3cr3t' } }),
  );
  await settled(ticket.protocols());
  const shown = JSON.stringify(ticket) + JSON.stringify(ticket.agentOptions());
  expect(shown).not.toMatch(/s3cr3t|h\.t1\.s/);
});
