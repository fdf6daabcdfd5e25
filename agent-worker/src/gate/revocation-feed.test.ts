import { KeyId } from '@agent-ticket/shared/names.ts';
import { REVOCATION_FRESH_MS, type Revocation } from '@agent-ticket/shared/revocation.ts';
import { createKeySetup, type KeySetup } from '@agent-ticket/shared/test/key-endpoint.ts';
import { PAYLOAD } from '@agent-ticket/shared/test/tickets.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Arrivals } from '../recorder/arrivals.ts';
import { type CheckRevoked, createRevocationFeed } from './revocation-feed.ts';

const REV = PAYLOAD.rev;
const WAITS = true;

const lock = (differs: Partial<Revocation> = {}): Revocation => ({
  id: 'lock-1',
  rev: REV + 1,
  target: `agent:${PAYLOAD.agent}`,
  kind: 'any',
  until: null,
  code: 'locked',
  ...differs,
});
const ticketOf = (claims: object = {}) => ({
  claims: TicketClaims.parse({ ...PAYLOAD, ...claims }),
  kid: KeyId.parse('k'.repeat(43)),
});
const personOf = (name: string) => ({ sub: `auth0:t:${name}` });
const lockOf = (name: string) => lock({ id: name, target: `principal:auth0:t:${name}` });

/** Time, a recorder, and what the feed asked of it and of objects. */
let time: KeySetup;
let arrived: Revocation[];
/** Numbers after which the recorder was asked, and how many targets the record database was asked about. */
let reads: number[];
let questions: number;
/** How a read goes: at once, unless a test says otherwise. */
let reply: (answer: () => Arrivals) => Promise<Arrivals>;
let findByTargets: (names: readonly string[]) => Promise<readonly Revocation[] | undefined>;
let ended: string[];
let check: CheckRevoked;
let background: Promise<unknown>[];

beforeEach(() => {
  time = createKeySetup();
  [arrived, reads, questions, ended, background] = [[], [], 0, [], []];
  reply = async (answer) => answer();
  findByTargets = async (names) => arrived.filter(({ target }) => names.includes(target));
  check = newFeed();
});
afterEach(() => time.close());

const answerAfter =
  (after: number, ageMs = 0) =>
  (): Arrivals => ({
    kind: 'arrived',
    revocations: arrived.slice(after),
    through: arrived.length,
    ageMs,
  });

const slow: typeof reply = async (answer) => {
  await time.sleep(40);
  return answer();
};

const newFeed = (): CheckRevoked =>
  createRevocationFeed({
    readArrivals: (after) => {
      reads.push(after);
      return reply(answerAfter(after));
    },
    findByTargets: (names) => {
      questions += 1;
      return findByTargets(names);
    },
    end: async (agent, instance, { id }) => ended.push(`${agent}/${instance} ${id}`),
    clock: time.clock,
    sleep: time.sleep,
    log: () => {},
  });

/** What a request is answered at the gate, and how long it waited. */
async function ask(claims: object = {}, waits = !WAITS) {
  const checked = check(ticketOf(claims), { waits, keepAlive: (work) => void background.push(work) });
  const { value, ms } = await time.resolve(checked);
  const code = value.ok ? undefined : value.denial.reason;
  return { ms, code, ...(value.ok ? value.value : {}) };
}
const drained = () => time.resolve(Promise.all(background));
/** A feed that was read just now. */
async function warm(): Promise<void> {
  await ask();
  await drained();
  reads = [];
}
const PASSED = { code: undefined, ms: 0 };

describe('a fresh feed', () => {
  test('decides for a second without a trip', async () => {
    await warm();
    expect(await ask()).toMatchObject({ ...PASSED, feed: 'fresh' });
    await time.advance(1_000);
    expect(await ask({}, WAITS)).toMatchObject({ ...PASSED, feed: 'fresh' });
    expect(reads).toEqual([]);
    await time.advance(1);
    expect(await ask()).toMatchObject({ ...PASSED, feed: 'late' });
    expect(reads).toEqual([0]);
  });

  test('refuses by the strongest code, without a trip', async () => {
    arrived.push(lock({ id: 'a', code: 'rights_changed' }), lock({ id: 'b', code: 'session_terminated' }));
    await warm();
    expect(await ask()).toMatchObject({ ms: 0, code: 'session_terminated' });
    expect(await ask({ agent: 'lobby' })).toMatchObject({ ...PASSED, feed: 'fresh' });
    expect(reads).toEqual([]);
  });

  test('leaves a ticket alone that was decided after the change', async () => {
    arrived.push(lock({ kind: 'before' }));
    await warm();
    expect((await ask()).code).toBe('locked');
    expect(await ask({ rev: REV + 1 })).toMatchObject({ ...PASSED, feed: 'fresh' });
  });

  test('is as old as what the recorder read, not as its answer', async () => {
    reply = async (answer) => ({ ...answer(), ...{ ageMs: 200 } });
    await warm();
    await time.advance(800);
    expect((await ask()).feed).toBe('fresh');
    await time.advance(1);
    expect((await ask()).feed).toBe('late');
  });

  test('forgets a revocation when it can hit no valid ticket any more', async () => {
    arrived.push(lock());
    await warm();
    await time.advance(REVOCATION_FRESH_MS);
    expect((await ask()).code).toBe('locked');
    await drained();
    await time.advance(1_001);
    expect((await ask()).code).toBe(undefined);
  });
});

describe('a cold isolate', () => {
  test('lets a connect pass at once, and ends what it opened when the read says so', async () => {
    arrived.push(lock());
    reply = slow;
    const passed = await ask();
    expect(passed).toMatchObject({ ...PASSED, feed: 'late' });
    await passed.noteInside?.();
    expect(ended).toEqual([]);
    await drained();
    expect(ended).toEqual([`${PAYLOAD.agent}/${PAYLOAD.instance} lock-1`]);
    expect(await ask()).toMatchObject({ ms: 0, code: 'locked' });
  });

  test('ends it also where the read arrives before the object has answered', async () => {
    arrived.push(lock());
    const passed = await ask();
    await drained();
    expect(ended).toEqual([]);
    expect(await passed.noteInside?.()).toMatchObject({ ok: false, denial: { reason: 'locked' } });
    expect(ended).toHaveLength(1);
  });

  test('lets a plain request wait for the read, which refuses it', async () => {
    arrived.push(lock());
    reply = slow;
    expect(await ask({}, WAITS)).toMatchObject({ ms: 40, code: 'locked' });
    expect(await ask({ agent: 'lobby' }, WAITS)).toMatchObject({ ...PASSED, feed: 'fresh' });
    expect(reads).toEqual([0]);
  });

  test('costs a flood one read, and each of it is checked', async () => {
    arrived.push(lockOf('p3'), lockOf('p150'));
    reply = slow;
    const asked = Array.from({ length: 200 }, (_, n) => ask(personOf(`p${n}`), n >= 100 && WAITS));
    const passed = await Promise.all(asked);
    for (const each of passed) await each.noteInside?.();
    await drained();
    expect(reads).toEqual([0]);
    expect(ended).toEqual([expect.stringContaining('p3')]);
    expect(passed.flatMap(({ code }, n) => (code === undefined ? [] : [n]))).toEqual([150]);
    expect(Math.max(...passed.slice(100).map(({ ms }) => ms))).toBeLessThanOrEqual(50);
  });
});

describe('a feed of some seconds', () => {
  test.each([1_001, 2_500, 5_000])(
    'of %i ms lets a connect pass and continues from where it was',
    async (age) => {
      arrived.push(lockOf('x'));
      await warm();
      await time.advance(age);
      arrived.push(lock());
      const passed = await ask();
      expect(passed).toMatchObject({ ...PASSED, feed: 'late' });
      await passed.noteInside?.();
      await drained();
      expect(reads).toEqual([1]);
      expect(ended).toHaveLength(1);
    },
  );

  test('lets nobody in whom it knows to be revoked, but asks first', async () => {
    arrived.push(lock());
    await warm();
    await time.advance(5_000);
    reply = slow;
    expect(await ask()).toMatchObject({ ms: 40, code: 'locked' });
    await time.advance(5_000);
    reply = () => new Promise(() => {});
    expect(await ask()).toMatchObject({ ms: 300, code: 'locked' });
  });

  test('checks a session again that was admitted while an older read was on its way', async () => {
    await warm();
    await time.advance(5_000);
    reply = async (answer) => {
      const old = answer();
      await time.sleep(1_500);
      return old;
    };
    await ask(personOf('first'));
    await time.advance(1_400);
    arrived.push(lockOf('late'));
    reply = async (answer) => answer();
    const late = await ask(personOf('late'));
    await late.noteInside?.();
    await drained();
    expect(reads).toEqual([0, 0]);
    expect(ended).toEqual([expect.stringContaining('late')]);
  });
});

describe('a lift', () => {
  const LIFT = () => lock({ rev: REV + 2, until: time.clock() });

  test.each(['lock first', 'lift first'])('counts whatever came first: %s', async (order) => {
    arrived.push(...(order === 'lock first' ? [lock(), LIFT()] : [LIFT(), lock()]));
    await warm();
    expect(await ask()).toMatchObject({ ...PASSED, feed: 'fresh' });
    arrived.push(lock({ rev: REV + 3 }));
    await time.advance(1_001);
    await warm();
    expect((await ask()).code).toBe('locked');
  });

  test('that a fresh feed does not know yet is read before a ticket from after it is refused', async () => {
    arrived.push(lock());
    await warm();
    await time.advance(100);
    arrived.push(LIFT());
    expect((await ask()).code).toBe('locked');
    expect(reads).toEqual([]);
    expect(await ask({ rev: REV + 2 })).toMatchObject({ code: undefined, feed: 'fresh' });
    expect(reads).toEqual([1]);
  });

  test('is waited for while the recorder answers from its memory', async () => {
    arrived.push(lock());
    await warm();
    await time.advance(100);
    const readAt = time.clock() - 50;
    arrived.push(LIFT());
    reply = async (answer) =>
      reads.length < 3
        ? { kind: 'arrived', revocations: [], through: 1, ageMs: time.clock() - readAt }
        : answer();
    expect(await ask({ rev: REV + 2 })).toMatchObject({ code: undefined, feed: 'fresh' });
    expect(reads).toEqual([1, 1, 1]);
  });
});

describe('more revocations than can be held', () => {
  beforeEach(() => {
    reply = async () => ({ kind: 'too_many', forMs: 30_000 });
  });

  test('are asked for by target, one read at a time for all', async () => {
    arrived.push(lockOf('p3'), lockOf('p7'));
    findByTargets = async (names) => {
      await time.sleep(20);
      return arrived.filter(({ target }) => names.includes(target));
    };
    const passed = await Promise.all(
      Array.from({ length: 10 }, (_, n) => ask(personOf(`p${n}`), n >= 5 && WAITS)),
    );
    for (const each of passed) await each.noteInside?.();
    await drained();
    expect(ended).toEqual([expect.stringContaining('p3')]);
    expect(passed.flatMap(({ code }, n) => (code === undefined ? [] : [n]))).toEqual([7]);
    expect([reads.length, questions]).toEqual([1, 1]);
  });

  test.for([
    ['connects', !WAITS],
    ['plain requests', WAITS],
  ] as const)('are read on for a burst of %s, to its end', async ([, waits]) => {
    const names = Array.from({ length: 5_000 }, (_, n) => `p${n}`);
    arrived.push(...names.map(lockOf));
    const byTarget = new Map(arrived.map((each) => [each.target, each]));
    findByTargets = async (targets) => {
      await time.sleep(20);
      return targets.flatMap((target) => byTarget.get(target) ?? []);
    };
    const passed = await Promise.all(names.map((name) => ask(personOf(name), waits)));
    for (const each of passed) await each.noteInside?.();
    await drained();
    const refused = passed.filter(({ code }) => code === 'locked').length;
    expect([refused, ended.length]).toEqual(waits ? [names.length, 0] : [0, names.length]);
  });

  test('refuse tickets by their number too, and nothing is fresh but what was asked', async () => {
    arrived.push(lock({ kind: 'before' }));
    expect((await ask({}, WAITS)).code).toBe('locked');
    expect(await ask({ rev: REV + 1 }, WAITS)).toMatchObject({ code: undefined, feed: 'fresh' });
    expect(await ask({ rev: REV + 1 })).toMatchObject({ ...PASSED, feed: 'late' });
  });

  test('are held again when there are fewer', async () => {
    await ask({}, WAITS);
    await drained();
    await time.advance(30_000);
    reply = async (answer) => answer();
    await warm();
    expect(await ask()).toMatchObject({ ...PASSED, feed: 'fresh' });
  });

  test('keep nobody out while the record database is away', async () => {
    findByTargets = async () => undefined;
    expect(await ask({}, WAITS)).toMatchObject({ code: undefined, feed: 'away' });
  });
});

describe('a recorder that is away', () => {
  test('and does not answer keeps nobody out, and nobody waits longer than 300 ms', async () => {
    reply = () => new Promise(() => {});
    const [connect, plain, polling] = await Promise.all([ask(), ask({}, WAITS), ask({}, WAITS)]);
    expect(connect).toMatchObject({ ...PASSED, feed: 'late' });
    for (const each of [plain, polling])
      expect(each).toMatchObject({ ms: 300, code: undefined, feed: 'away' });
    expect(reads).toHaveLength(1);
    await time.advance(1);
    expect(await ask()).toMatchObject({ ...PASSED, feed: 'away' });
  });

  test('and says so is asked four times in a second, and a plain request waits 300 ms for one that answers', async () => {
    reply = async () => ({ kind: 'unavailable' });
    const from = time.clock();
    for (let n = 0; n < 10; n += 1)
      expect(await ask({}, WAITS)).toMatchObject({ ms: 300, code: undefined, feed: 'away' });
    expect(reads.length).toBeLessThanOrEqual(1 + (4 * (time.clock() - from)) / 1_000);
  });

  test.for([0, 10, 240])(
    'for one read lets no plain request pass that came %i ms after it',
    async (later) => {
      arrived.push(lock());
      reply = async () => ({ kind: 'unavailable' });
      const connect = await ask({ agent: 'lobby' });
      expect(connect).toMatchObject({ ...PASSED, feed: 'late' });
      reply = async (answer) => answer();
      await time.advance(later);
      expect((await ask({}, WAITS)).code).toBe('locked');
      expect(reads).toHaveLength(2);
    },
  );

  test('and comes back ends what was admitted meanwhile', async () => {
    reply = async () => ({ kind: 'unavailable' });
    const passed = await ask();
    await passed.noteInside?.();
    await time.advance(20_000);
    arrived.push(lock());
    reply = async (answer) => answer();
    await ask({ agent: 'lobby' });
    await drained();
    expect(ended).toHaveLength(1);
  });

  test('with a read whose request died lets another request read after two seconds, and not before', async () => {
    reply = () => new Promise(() => {});
    await ask();
    reply = async (answer) => answer();
    await time.advance(2_000);
    await ask();
    expect(reads).toHaveLength(1);
    await time.advance(1);
    await ask();
    expect(reads).toHaveLength(2);
  });

  test('because of a bug is a bug for the request that read, and another may pass', async () => {
    reply = () => Promise.reject(new TypeError('no such column'));
    await expect(ask({}, WAITS)).rejects.toThrow(TypeError);
    expect(await ask()).toMatchObject(PASSED);
  });
});
