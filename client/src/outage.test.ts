import { CLOSES } from '@agent-ticket/shared/denial.ts';
import { describe, expect, test } from 'vitest';
import { advance, FakeBackend, jsonAnswer, MINUTE, SECOND } from '../test/fake-backend.ts';
import {
  clientsOf,
  connect,
  expectMintLimit,
  fakeTime,
  open,
  RANDOMS,
  untilOpen,
} from '../test/stock-client.ts';
import { createTicketProvider } from './provider.ts';

/** Outages of broker or agent: how many requests are sent, and how soon the client recovers. */

fakeTime();

interface Outage {
  start(backend: FakeBackend): void;
  end(backend: FakeBackend): void;
}

/** However long the outage: few mints meanwhile, open within 15 s of its end, and it stays open. */
async function expectRecovery(random: number, { start, end }: Outage): Promise<void> {
  for (const seconds of [5, 20, 36, 47, 70, 300]) {
    const backend = new FakeBackend();
    backend.random = random;
    start(backend);
    const fixture = connect(backend);
    await advance(seconds * SECOND);
    end(backend);
    expect(await untilOpen(fixture)).toBeLessThanOrEqual(15 * SECOND);
    await advance(11 * SECOND);
    expect(fixture.client.readyState).toBe(1);
    expectMintLimit(backend);
    fixture.client.close();
  }
}

describe('the broker is unavailable', () => {
  const HOW = {
    'does not answer': 'unreachable',
    hangs: 'hangs',
    'answers 500': () => jsonAnswer({}, 500),
    'answers 503 at once': () => jsonAnswer({}, 503, { 'retry-after': '1' }),
    'answers a page of a proxy': () => new Response('<html>', { status: 200 }),
    'answers a ticket for elsewhere': () => jsonAnswer({ ticket: 'a.b.c' }),
    'limits the rate, by a date': () =>
      jsonAnswer({}, 429, { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }),
  } as const;

  test.for(
    Object.entries(HOW).flatMap(([how, behaviour]) => RANDOMS.map((random) => ({ how, behaviour, random }))),
  )('$how (random $random): at most five mints a minute, open within 15 s', async ({ behaviour, random }) => {
    await expectRecovery(random, {
      start(backend) {
        backend.broker = behaviour;
      },
      end(backend) {
        backend.broker = 'mints';
      },
    });
  });

  test('its Retry-After is obeyed', async () => {
    const backend = new FakeBackend();
    backend.broker = () => jsonAnswer({}, 429, { 'retry-after': '40' });
    connect(backend);
    await advance(39 * SECOND);
    expect(backend.mints).toHaveLength(1);
    backend.page.setVisible(true);
    await advance(SECOND);
    expect(backend.mints).toHaveLength(1);
    await advance(2 * SECOND);
    expect(backend.mints).toHaveLength(2);
  });

  test('but not for more than five minutes', async () => {
    const backend = new FakeBackend();
    backend.broker = () => jsonAnswer({}, 503, { 'retry-after': '86400' });
    const fixture = connect(backend);
    await advance(SECOND);
    backend.broker = 'mints';
    expect(await untilOpen(fixture)).toBeLessThanOrEqual(5 * MINUTE + SECOND);
  });

  test('a second outage begins with a quick try like the first', async () => {
    const { backend, client } = await open();
    for (const outage of [1, 2]) {
      backend.broker = 'unreachable';
      backend.sockets.at(-1)?.end(1006, '');
      await advance(14 * SECOND);
      expect(backend.mints).toHaveLength(3 * outage);
      backend.broker = 'mints';
      await advance(MINUTE);
      expect(client.readyState).toBe(1);
      expect(backend.mints).toHaveLength(1 + 3 * outage);
    }
  });

  test('somebody signs in meanwhile: retried at once', async () => {
    const backend = new FakeBackend();
    backend.broker = 'unreachable';
    const fixture = connect(backend);
    await advance(30 * SECOND);
    backend.broker = 'mints';
    fixture.ticket.reset();
    expect(await untilOpen(fixture)).toBeLessThanOrEqual(2 * SECOND);
  });

  test('an open socket does not notice', async () => {
    const { backend } = await open();
    backend.broker = 'unreachable';
    await advance(60 * MINUTE);
    expect(backend.mints).toHaveLength(1);
  });
});

describe('the agent is unavailable', () => {
  const passing = Object.entries(CLOSES)
    .filter(([, { code }]) => code < 4000 && code !== 1008)
    .map(([reason, { code }]) => ({ code, reason }));

  test.for(
    ['down' as const, 'hangs' as const, ...passing].flatMap((behaviour) =>
      RANDOMS.map((random) => ({ behaviour, random })),
    ),
  )(
    '$behaviour (random $random): at most five mints a minute, open within 15 s',
    async ({ behaviour, random }) => {
      await expectRecovery(random, {
        start(backend) {
          backend.agent = behaviour;
        },
        end(backend) {
          backend.agent = 'admits';
        },
      });
    },
  );

  test('while it fails, one of two clients retries for both', async () => {
    const backend = new FakeBackend();
    backend.agent = 'down';
    const ticket = createTicketProvider(backend.options());
    const clients = clientsOf(ticket, 2);
    await advance(20 * SECOND);
    expect(backend.mints.map(({ at }) => Math.round(at / SECOND))).toEqual([0, 0, 14]);
    backend.agent = 'admits';
    await advance(20 * SECOND);
    expect(clients.map(({ readyState }) => readyState)).toEqual([1, 1]);
    expectMintLimit(backend);
  });

  test.for(RANDOMS)('a deploy of 8 s drops an open socket (random %d)', async (random) => {
    const fixture = await open();
    const { backend } = fixture;
    backend.random = random;
    backend.agent = 'down';
    const from = backend.now();
    backend.sockets[0]?.end(1012, 'restarting');
    await advance(8 * SECOND);
    backend.agent = 'admits';
    expect(await untilOpen(fixture)).toBeLessThanOrEqual(15 * SECOND);
    expect(backend.mintsIn(from, from + MINUTE)).toBeLessThanOrEqual(3);
  });

  test('a deploy that is over at once: one mint, spread over two seconds', async () => {
    const waits: number[] = [];
    for (const random of RANDOMS) {
      const fixture = await open();
      fixture.backend.random = random;
      fixture.backend.sockets[0]?.end(1006, '');
      waits.push(await untilOpen(fixture));
      expect(fixture.backend.mints).toHaveLength(2);
    }
    expect(waits.map((ms) => Math.round(ms / SECOND))).toEqual([3, 4, 5]);
  });

  test.for([3000, 1011, 1006])('admitted and closed by %d again and again', async (code) => {
    for (const life of [0, 1, 6, 9, 11]) {
      const { backend, client } = connect(new FakeBackend());
      const seen = new Set<unknown>();
      for (let second = 0; second < 600; second += 1) {
        await advance(SECOND);
        for (const socket of backend.sockets.filter((each) => each.readyState === 1 && !seen.has(each))) {
          seen.add(socket);
          setTimeout(() => socket.end(code, ''), life * SECOND);
        }
      }
      expectMintLimit(backend);
      client.close();
    }
  });
});
