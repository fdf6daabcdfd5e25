import { describe, expect, test } from 'vitest';
import { CLOSES } from '../src/denial.ts';
import { createTicketProvider } from './provider.ts';
import { clientsOf, connect, expectCalm, open, RANDOMS, stopTime, untilOpen } from './test-tab.ts';
import { answerWith, MINUTE, pass, SECOND, World } from './test-world.ts';

/** Broker or agent are away: how often is asked, and how soon it recovers. */

stopTime();

interface Outage {
  leave(world: World): void;
  comeBack(world: World): void;
}

/** However long something is away: few mints meanwhile, open within 15 s of its return, and then it stays so. */
async function expectRecovery(random: number, { leave, comeBack }: Outage): Promise<void> {
  for (const away of [5, 20, 36, 47, 70, 300]) {
    const world = new World();
    world.random = random;
    leave(world);
    const tab = connect(world);
    await pass(away * SECOND);
    comeBack(world);
    expect(await untilOpen(tab)).toBeLessThanOrEqual(15 * SECOND);
    await pass(11 * SECOND);
    expect(tab.client.readyState).toBe(1);
    expectCalm(world);
    tab.client.close();
  }
}

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
      await expectRecovery(random, {
        leave(world) {
          world.broker = mood;
        },
        comeBack(world) {
          world.broker = 'mints';
        },
      });
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
    await expectRecovery(random, {
      leave(world) {
        world.agent = mood;
      },
      comeBack(world) {
        world.agent = 'admits';
      },
    });
  });

  test('while it fails, one of two clients tries for both', async () => {
    const world = new World();
    world.agent = 'down';
    const ticket = createTicketProvider(world.options());
    const clients = clientsOf(ticket, 2);
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
