import { AgentClient } from 'agents/client';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { CLOSES } from '../src/denial.ts';
import { SUBPROTOCOL } from '../src/handshake.ts';
import type { TicketProviderOptions } from './options.ts';
import {
  createTicketProvider,
  Forbidden,
  SignInRequired,
  type TicketProvider,
  TicketRefused,
} from './provider.ts';
import { answerWith, BROKER, MINUTE, pass, refusal, SECOND, World } from './test-world.ts';

/** The stock `AgentClient` of the Agents SDK over the provider. Only broker, sockets and time are not real. */

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Tab {
  readonly world: World;
  readonly ticket: TicketProvider;
  readonly client: AgentClient;
}

function connect(world: World, more: Partial<TicketProviderOptions> = {}): Tab {
  const ticket = createTicketProvider(world.options(more));
  const client = new AgentClient(ticket.useAgentOptions());
  onTestFinished(() => client.close());
  return { world, ticket, client };
}

/** A tab that has been open for an hour. */
async function open(more: Partial<TicketProviderOptions> = {}): Promise<Tab> {
  const tab = connect(new World(), more);
  await pass(60 * MINUTE);
  expect(tab.client.readyState).toBe(1);
  expect(tab.world.mints).toHaveLength(1);
  return tab;
}

/** How long it takes until the client is open, in ms. */
async function untilOpen({ client, world }: Tab, atMost = 10 * MINUTE): Promise<number> {
  const from = world.now();
  while (client.readyState !== 1 && world.now() - from < atMost) await pass(100);
  expect(client.readyState).toBe(1);
  return world.now() - from;
}

/** No span of a minute has more than five mints. */
function expectCalm(world: World): void {
  for (const { at } of world.mints) expect(world.mintsIn(at, at + MINUTE)).toBeLessThanOrEqual(5);
}

const RANDOMS = [0, 0.5, 0.999];

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

  test('two clients of one provider do not share one', async () => {
    const { world, ticket } = await open();
    const second = new AgentClient(ticket.useAgentOptions());
    onTestFinished(() => second.close());
    await pass(SECOND);
    expect(world.sockets.map((socket) => socket.ticket())).toEqual(['h.t1.s', 'h.t2.s']);
    expect(second.readyState).toBe(1);
  });

  test('six clients at once all open', async () => {
    const world = new World();
    const ticket = createTicketProvider(world.options());
    const clients = Array.from({ length: 6 }, () => new AgentClient(ticket.useAgentOptions()));
    onTestFinished(() => {
      for (const client of clients) client.close();
    });
    await pass(15 * SECOND);
    expect(clients.map(({ readyState }) => readyState)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(world.mints).toHaveLength(6);
  });
});

describe('the broker is away', () => {
  const HOW = {
    'does not answer': 'unreachable',
    hangs: 'hangs',
    'answers 500': () => answerWith({}, 500),
    'answers 503 at once': () => answerWith({}, 503, { 'retry-after': '1' }),
    'answers a page of a proxy': () => new Response('<html>', { status: 200 }),
    'answers a ticket for elsewhere': () => answerWith({ ticket: 'a.b.c' }),
    'limits the rate, by a date': () =>
      answerWith({}, 429, { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }),
  } as const;

  test.for(Object.entries(HOW).flatMap(([how, mood]) => RANDOMS.map((random) => ({ how, mood, random }))))(
    '$how (random $random): at most five mints a minute, open within 15 s',
    async ({ mood, random }) => {
      for (const away of [5, 20, 36, 47, 70, 300]) {
        const world = new World();
        world.random = random;
        world.broker = mood;
        const tab = connect(world);
        await pass(away * SECOND);
        world.broker = 'mints';
        expect(await untilOpen(tab)).toBeLessThanOrEqual(15 * SECOND);
        expectCalm(world);
        tab.client.close();
      }
    },
  );

  test('what it says on when to come back holds', async () => {
    const world = new World();
    world.broker = () => answerWith({}, 429, { 'retry-after': '40' });
    connect(world);
    await pass(39 * SECOND);
    expect(world.mints).toHaveLength(1);
    world.page.show(true);
    await pass(SECOND);
    expect(world.mints).toHaveLength(1);
    await pass(2 * SECOND);
    expect(world.mints).toHaveLength(2);
  });

  test('but not for more than five minutes', async () => {
    const world = new World();
    world.broker = () => answerWith({}, 503, { 'retry-after': '86400' });
    const tab = connect(world);
    await pass(SECOND);
    world.broker = 'mints';
    expect(await untilOpen(tab)).toBeLessThanOrEqual(5 * MINUTE + SECOND);
  });

  test('a second outage begins with a quick try like the first', async () => {
    const { world, client } = await open();
    for (const outage of [1, 2]) {
      world.broker = 'unreachable';
      world.sockets.at(-1)?.end(1006, '');
      await pass(14 * SECOND);
      expect(world.mints).toHaveLength(3 * outage);
      world.broker = 'mints';
      await pass(MINUTE);
      expect(client.readyState).toBe(1);
      expect(world.mints).toHaveLength(1 + 3 * outage);
    }
  });

  test('somebody signs in meanwhile: tried at once', async () => {
    const world = new World();
    world.broker = 'unreachable';
    const tab = connect(world);
    await pass(30 * SECOND);
    world.broker = 'mints';
    tab.ticket.reset();
    expect(await untilOpen(tab)).toBeLessThanOrEqual(2 * SECOND);
  });

  test('an open socket does not notice', async () => {
    const { world } = await open();
    world.broker = 'unreachable';
    await pass(60 * MINUTE);
    expect(world.mints).toHaveLength(1);
  });
});

describe('the agent is away', () => {
  const passing = Object.entries(CLOSES)
    .filter(([, { code }]) => code < 4000 && code !== 1008)
    .map(([reason, { code }]) => ({ code, reason }));

  test.for(
    ['down' as const, 'hangs' as const, ...passing].flatMap((mood) =>
      RANDOMS.map((random) => ({ mood, random })),
    ),
  )('$mood (random $random): at most five mints a minute, open within 15 s', async ({ mood, random }) => {
    for (const away of [5, 20, 36, 47, 70, 300]) {
      const world = new World();
      world.random = random;
      world.agent = mood;
      const tab = connect(world);
      await pass(away * SECOND);
      world.agent = 'admits';
      expect(await untilOpen(tab)).toBeLessThanOrEqual(15 * SECOND);
      await pass(11 * SECOND);
      expect(tab.client.readyState).toBe(1);
      expectCalm(world);
      tab.client.close();
    }
  });

  test('while it fails, one of two clients tries for both', async () => {
    const world = new World();
    world.agent = 'down';
    const ticket = createTicketProvider(world.options());
    const clients = [1, 2].map(() => new AgentClient(ticket.useAgentOptions()));
    onTestFinished(() => {
      for (const client of clients) client.close();
    });
    await pass(20 * SECOND);
    expect(world.mints.map(({ at }) => Math.round(at / SECOND))).toEqual([0, 0, 14]);
    world.agent = 'admits';
    await pass(20 * SECOND);
    expect(clients.map(({ readyState }) => readyState)).toEqual([1, 1]);
    expectCalm(world);
  });

  test.for(RANDOMS)('a deploy of 8 s drops an open socket (random %d)', async (random) => {
    const tab = await open();
    const { world } = tab;
    world.random = random;
    world.agent = 'down';
    const from = world.now();
    world.sockets[0]?.end(1012, 'restarting');
    await pass(8 * SECOND);
    world.agent = 'admits';
    expect(await untilOpen(tab)).toBeLessThanOrEqual(15 * SECOND);
    expect(world.mintsIn(from, from + MINUTE)).toBeLessThanOrEqual(3);
  });

  test('a deploy that is over at once: one mint, spread over two seconds', async () => {
    const waits: number[] = [];
    for (const random of RANDOMS) {
      const tab = await open();
      tab.world.random = random;
      tab.world.sockets[0]?.end(1006, '');
      waits.push(await untilOpen(tab));
      expect(tab.world.mints).toHaveLength(2);
    }
    expect(waits.map((ms) => Math.round(ms / SECOND))).toEqual([3, 4, 5]);
  });

  test.for([3000, 1011, 1006])('admitted and closed by %d again and again', async (code) => {
    for (const life of [0, 1, 6, 9, 11]) {
      const { world, client } = connect(new World());
      const seen = new Set<unknown>();
      for (let second = 0; second < 600; second += 1) {
        await pass(SECOND);
        for (const socket of world.sockets.filter((each) => each.readyState === 1 && !seen.has(each))) {
          seen.add(socket);
          setTimeout(() => socket.end(code, ''), life * SECOND);
        }
      }
      expectCalm(world);
      client.close();
    }
  });
});

describe('a refusal ends it, once and for all', () => {
  const REFUSALS = [
    { status: 401, code: 'UNAUTHORIZED', close: 4001, reason: 'unauthorized', kind: SignInRequired },
    { status: 401, code: 'TOKEN_EXPIRED', close: 4001, reason: 'token_expired', kind: SignInRequired },
    { status: 403, code: 'FORBIDDEN', close: 4003, reason: 'forbidden', kind: Forbidden },
    { status: 404, code: 'NOT_FOUND', close: 4004, reason: 'not_found', kind: TicketRefused },
    { status: 400, code: 'BAD_REQUEST', close: 4000, reason: 'bad_request', kind: TicketRefused },
  ];
  const signInUrl = `${BROKER}/auth/login?return_to=https%3A%2F%2Fapp.example.com%2Froom%3Ftab%3D1`;

  test.for(REFUSALS.flatMap((each) => [each, { ...each, delivery: 'query' as const }]))(
    '$status $code (delivery $delivery): one mint, no upgrade, connectionError $close',
    async ({ status, code, close, reason, kind, ...more }) => {
      const world = new World();
      world.broker = refusal(status, code);
      const { client, ticket } = connect(world, more);
      await pass(30 * MINUTE);
      expect(world.mints).toHaveLength(1);
      expect(world.sockets).toHaveLength(0);
      expect(client.connectionError).toMatchObject({ code: close, reason });
      expect(ticket.refusal).toBeInstanceOf(kind);
      expect(ticket.refusal).toMatchObject({ status, code, requestId: 'r-1', signInUrl, message: 'no' });
      await expect(client.call('whoami')).rejects.toThrow('Connection closed');
    },
  );

  test('at a reconnect as at the first connect', async () => {
    const { world, client, ticket } = await open();
    world.broker = refusal(401, 'UNAUTHORIZED');
    world.sockets[0]?.end(3000, 'session_expired');
    await pass(30 * MINUTE);
    expect(world.mints).toHaveLength(2);
    expect(client.connectionError?.code).toBe(4001);
    expect(ticket.refusal).toBeInstanceOf(SignInRequired);
  });

  test('after the sign-in: reset, reconnect, open, and the refusal is gone', async () => {
    const world = new World();
    world.broker = refusal(401, 'UNAUTHORIZED');
    const tab = connect(world);
    const seen: unknown[] = [];
    const stop = tab.ticket.subscribe(() => seen.push(tab.ticket.refusal?.name));
    await pass(SECOND);
    world.broker = 'mints';
    tab.ticket.reset();
    tab.client.reconnect();
    await untilOpen(tab, SECOND);
    expect(seen).toEqual(['SignInRequired', undefined, undefined]);
    stop();
    tab.ticket.reset();
    expect(seen).toHaveLength(3);
  });

  test.for([
    { close: 4000, kind: TicketRefused, signIn: false },
    { close: 4001, kind: SignInRequired, signIn: true },
    { close: 4003, kind: Forbidden, signIn: false },
    { close: 4004, kind: TicketRefused, signIn: false },
  ])('a close by $close tells the same story', async ({ close, kind }) => {
    const { world, client, ticket } = await open();
    world.sockets[0]?.end(close, 'told');
    await pass(30 * MINUTE);
    expect(world.mints).toHaveLength(1);
    expect(client.connectionError?.code).toBe(close);
    expect(ticket.refusal).toBeInstanceOf(kind);
    expect(ticket.refusal?.code).toBe('told');
    client.reconnect();
    await pass(SECOND);
    expect(ticket.refusal).toBeUndefined();
  });

  test("a final close of the agent's own says nothing about tickets", async () => {
    const { world, client, ticket } = await open();
    world.sockets[0]?.end(4100, 'kicked');
    await pass(MINUTE);
    expect(client.connectionError?.code).toBe(4100);
    expect(ticket.refusal).toBeUndefined();
  });
});

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

describe('renewal in band', () => {
  const expiring = { type: 'ticket.expiring', session_expires_at: '2001-01-01T01:00:00.000Z' };

  test('answers the warning with a ticket of its own, on the same socket', async () => {
    const { world, client, ticket } = await open();
    const [socket] = world.sockets;
    // Attached by the options already: a second time would renew twice.
    ticket.attachRenewal(client);
    socket?.say(expiring);
    socket?.say(expiring);
    await pass(SECOND);
    expect(socket?.sent).toEqual([JSON.stringify({ type: 'ticket.renew', ticket: 'h.t2.s' })]);
    expect(world.mints).toHaveLength(2);
    socket?.say({ type: 'ticket.renewed', scope: 'agent:connect', session_expires_at: 'x' });
    await pass(60 * MINUTE);
    socket?.say(expiring);
    await pass(SECOND);
    expect(socket?.sent).toHaveLength(2);
    expect(client.readyState).toBe(1);
    expect(world.sockets).toHaveLength(1);
  });

  test('refused: the session lasts until its end, then a new ticket opens the next', async () => {
    const tab = await open();
    const [socket] = tab.world.sockets;
    socket?.say(expiring);
    await pass(SECOND);
    socket?.say({ type: 'ticket.refused', code: 'forbidden' });
    await pass(50 * SECOND);
    expect(socket?.sent).toHaveLength(1);
    expect(tab.client.readyState).toBe(1);
    socket?.end(3000, 'session_expired');
    expect(await untilOpen(tab)).toBeLessThanOrEqual(6 * SECOND);
    expect(tab.world.mints).toHaveLength(3);
  });

  test('the broker is away for half a minute: renewed as soon as it is back', async () => {
    const { world } = await open();
    world.broker = 'unreachable';
    world.sockets[0]?.say(expiring);
    await pass(30 * SECOND);
    world.broker = 'mints';
    await pass(15 * SECOND);
    expect(world.sockets[0]?.sent).toHaveLength(1);
    expectCalm(world);
  });

  test('nobody is signed in any more: told before the session ends, and then it ends', async () => {
    const { world, client, ticket } = await open();
    world.broker = refusal(401, 'UNAUTHORIZED');
    world.sockets[0]?.say(expiring);
    await pass(SECOND);
    expect(ticket.refusal).toBeInstanceOf(SignInRequired);
    expect(client.readyState).toBe(1);
    world.sockets[0]?.end(3000, 'session_expired');
    await pass(10 * MINUTE);
    expect(client.connectionError?.code).toBe(4001);
    expect(world.mints).toHaveLength(3);
  });

  test('the socket is gone when the ticket comes: it is not sent to another', async () => {
    const { world } = await open();
    world.sockets[0]?.say(expiring);
    world.sockets[0]?.end(1006, '');
    await pass(10 * SECOND);
    expect(world.sockets.flatMap(({ sent }) => sent)).toEqual([]);
  });

  test.for([
    'ticket.expiring',
    { type: 'chat', text: '{"type":"ticket.expiring"}' },
    { text: 'x', type: 'ticket.expiring' },
  ])('%j is none', async (frame) => {
    const { world } = await open();
    world.sockets[0]?.say(frame);
    await pass(SECOND);
    expect(world.mints).toHaveLength(1);
  });

  test('a flood of warnings, which an agent may pass on from a stranger, mints five a minute', async () => {
    const { world } = await open();
    for (let turn = 0; turn < 300; turn += 1) {
      world.sockets[0]?.say(expiring);
      world.sockets[0]?.say({ type: 'ticket.renewed' });
      await pass(SECOND);
    }
    expectCalm(world);
  });

  test('sessions of nobody in particular do not renew', async () => {
    const { world } = await open({ credential: { kind: 'none' } });
    world.sockets[0]?.say(expiring);
    await pass(SECOND);
    expect(world.mints).toHaveLength(1);
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
