import { beforeEach, describe, expect, it } from 'vitest';
import { type Broker, startBroker } from './broker.ts';
import { COUNTER, call, expectRefusal, mint, refusal, type TicketAnswer, ticketOf } from './call.ts';
import { NOW, setClock } from './clock.ts';
import { forgetKeys } from './databases.ts';
import { askToRotate, keyRows, listKeys, operator, publishedJwks, publishedKids, rotate } from './keys.ts';
import { delivered, eventsWith } from './record.ts';
import { headerOf, publishedKeys, type TicketKeys, verdict } from './tickets.ts';
import { makeToken } from './tokens.ts';

let broker: Broker;
beforeEach(async () => {
  await forgetKeys();
  broker = startBroker();
});

const issue = async (from: Broker = broker, request: object = COUNTER): Promise<TicketAnswer> =>
  ticketOf(await mint(operator.pair, request, { front: from.front }));
const kidOf = async (from: Broker = broker): Promise<unknown> => headerOf(await issue(from)).kid;
const seconds = (time: string): number => Date.parse(time) / 1000 - NOW;

describe('a rotation at once', () => {
  it('answers the new key and the end of the old one, and the list says the same', async () => {
    const old = await kidOf();
    const answer = await rotate(broker.front, { activate: 'now' });
    expect(answer).toEqual({
      kid: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      alg: 'ES256',
      state: 'active',
      activates_at: new Date(NOW * 1000).toISOString(),
      previous: { kid: old, retires_at: answer.activates_at, removed_at: expect.any(String) },
    });
    expect(answer.kid).not.toBe(old);
    expect(seconds(answer.previous.removed_at)).toBeGreaterThanOrEqual(310);
    expect(await listKeys(broker.front)).toEqual([
      expect.objectContaining({ kid: answer.kid, state: 'active', retires_at: null, removed_at: null }),
      expect.objectContaining({
        kid: old,
        state: 'retiring',
        retires_at: answer.previous.retires_at,
        removed_at: answer.previous.removed_at,
      }),
    ]);
  });

  it('signs with the new key, and tickets of the old one are taken as before', async () => {
    const before = await issue(broker, { ...COUNTER, expires_in: 300 });
    const { kid } = await rotate(broker.front, { activate: 'now' });
    const after = await issue();
    expect(headerOf(after).kid).toBe(kid);
    const keys = await publishedKeys(broker.front);
    expect(await publishedKids(broker.front)).toEqual([kid, headerOf(before).kid]);
    expect([await verdict(before, keys), await verdict(after, keys)]).toEqual(['accepted', 'accepted']);
    setClock(299);
    expect(await verdict(before, await publishedKeys(broker.front))).toBe('accepted');
  });

  it('may follow another at once, and every ticket is still taken', async () => {
    const tickets = [await issue()];
    for (let i = 0; i < 3; i += 1) {
      await rotate(broker.front, { activate: 'now' });
      tickets.push(await issue());
    }
    expect(new Set(tickets.map((ticket) => headerOf(ticket).kid)).size).toBe(4);
    const keys = await publishedKeys(broker.front);
    for (const ticket of tickets) expect(await verdict(ticket, keys)).toBe('accepted');
    expect((await listKeys(broker.front)).map(({ state }) => state)).toEqual([
      'active',
      'retiring',
      'retiring',
      'retiring',
    ]);
  });

  it('changes the name of the set', async () => {
    const etag = async () =>
      (await call('/.well-known/jwks.json', { front: broker.front })).headers.get('etag');
    const before = await etag();
    await rotate(broker.front, { activate: 'now' });
    expect(await etag()).not.toBe(before);
  });

  it('reaches another instance with its next ticket, and what that signed before is taken', async () => {
    const other = startBroker();
    const early = await issue(other, { ...COUNTER, expires_in: 300 });
    const { kid } = await rotate(broker.front, { activate: 'now' });
    expect(await kidOf(other)).toBe(kid);
    setClock(299);
    expect(await verdict(early, await publishedKeys(broker.front))).toBe('accepted');
  });

  it('reaches an instance that rested for a day with its first ticket', async () => {
    const other = startBroker();
    const old = await kidOf(other);
    setClock(86_400);
    const { kid } = await rotate(broker.front, { activate: 'now' });
    expect([await kidOf(other), old === kid]).toEqual([kid, false]);
  });

  it('survives a clock that steps back: one key signs, and all are published', async () => {
    setClock(-3600);
    await kidOf();
    setClock(0);
    const { kid } = await rotate(broker.front, { activate: 'now' });
    for (const clock of [-10, -1, 0, 1]) {
      setClock(clock);
      const ticket = await issue();
      expect(await verdict(ticket, await publishedKeys(broker.front))).toBe('accepted');
      expect((await listKeys(broker.front)).filter(({ state }) => state === 'active')).toHaveLength(1);
      expect(await publishedKids(broker.front)).toContain(kid);
    }
  });
});

describe('a scheduled rotation', () => {
  it('is what is asked for when nothing is said', async () => {
    await kidOf();
    const answer = await rotate(broker.front);
    expect(answer.state).toBe('pending');
    expect(seconds(answer.activates_at)).toBeGreaterThanOrEqual(125);
    expect(answer.previous.retires_at).toBe(answer.activates_at);
    expect(seconds(answer.previous.removed_at) - seconds(answer.activates_at)).toBeGreaterThanOrEqual(310);
  });

  it('publishes the next key at once and signs with it in time', async () => {
    const old = await kidOf();
    const { kid, activates_at } = await rotate(broker.front, { activate: 'scheduled' });
    expect(await publishedKids(broker.front)).toEqual([kid, old]);
    const start = seconds(activates_at);
    for (const [clock, signer] of [
      [0, old],
      [start - 1, old],
      [start - 0.001, old],
      [start, kid],
      [start + 1, kid],
    ] as const) {
      setClock(clock);
      expect([clock, await kidOf()]).toEqual([clock, signer]);
    }
  });

  it('goes through its states by the clock alone', async () => {
    const old = await kidOf();
    const { kid, activates_at, previous } = await rotate(broker.front);
    const [start, end] = [seconds(activates_at), seconds(previous.removed_at)];
    const states: [number, string, string | undefined][] = [
      [0, 'pending', 'active'],
      [start - 0.001, 'pending', 'active'],
      [start, 'active', 'retiring'],
      [end - 0.001, 'active', 'retiring'],
      [end, 'active', 'retired'],
      [end + 86_400 * 365, 'active', 'retired'],
    ];
    for (const instance of [broker, startBroker()]) {
      for (const [clock, next, last] of states) {
        setClock(clock);
        const keys = await listKeys(instance.front);
        const stateOf = (name: unknown) => keys.find((key) => key.kid === name)?.state;
        expect([clock, stateOf(kid), stateOf(old)]).toEqual([clock, next, last]);
        const published = keys.filter(({ state }) => state !== 'retired');
        expect(await publishedKids(instance.front)).toEqual(published.map((key) => key.kid));
      }
    }
  });

  it('refuses no ticket, whatever a verifier may still hold of the key set', async () => {
    const STEP = 30;
    /** What a verifier may hold: its own minute, and that of a cache on the way. */
    const OLDEST = 120;
    setClock(-OLDEST);
    await kidOf();
    const sets = new Map<number, TicketKeys>();
    const tickets: { at: number; answer: TicketAnswer }[] = [];
    for (let clock = -OLDEST; clock <= 1200; clock += STEP) {
      setClock(clock);
      if (clock === 0) await rotate(broker.front);
      sets.set(clock, await publishedKeys(broker.front));
      if (clock <= 900)
        tickets.push({ at: clock, answer: await issue(broker, { ...COUNTER, expires_in: 300 }) });
    }
    const refused: string[] = [];
    for (const { at, answer } of tickets) {
      for (let shown = at; shown < at + 300; shown += STEP) {
        for (let age = 0; age <= OLDEST; age += STEP) {
          const keys = sets.get(shown - age);
          if (keys === undefined) continue;
          const word = await verdict(answer, keys, NOW + shown);
          if (word !== 'accepted')
            refused.push(`made at ${at}, shown at ${shown}, set ${age} s old: ${word}`);
        }
      }
    }
    expect(tickets.length).toBeGreaterThan(30);
    expect(refused).toEqual([]);
  });

  it('runs alone: a second one is a conflict until it is done', async () => {
    await kidOf();
    const { activates_at } = await rotate(broker.front);
    for (const activate of ['scheduled', 'now']) {
      expectRefusal(await askToRotate(broker.front, { activate }), '409 CONFLICT');
    }
    expectRefusal(await askToRotate(startBroker().front), '409 CONFLICT');
    expect(await keyRows()).toHaveLength(2);
    setClock(seconds(activates_at));
    await rotate(broker.front);
    expect(await keyRows()).toHaveLength(3);
  });
});

describe('rotations at the same time', () => {
  it.each([
    ['now', 2],
    ['now', 10],
    ['scheduled', 2],
    ['scheduled', 10],
  ] as const)(
    '(%s, on %i instances) make one key, and the others are a conflict',
    async (activate, count) => {
      const old = await kidOf();
      const fronts = Array.from({ length: count }, () => startBroker().front);
      // Each knows the keys before it is asked, so that none is late.
      for (const front of fronts) await listKeys(front);
      const replies = await Promise.all(fronts.map((front) => askToRotate(front, { activate })));
      expect(replies.map(({ status }) => status).sort()).toEqual([
        201,
        ...Array<number>(count - 1).fill(409),
      ]);
      for (const reply of replies.filter(({ status }) => status === 409)) {
        expect(refusal(reply)).toBe('409 CONFLICT');
      }
      const rows = await keyRows();
      expect(rows.map(({ generation }) => generation)).toEqual([2, 1]);
      expect(rows[1]).toMatchObject({ kid: old, retires_at: rows[0]?.activates_at });
    },
  );
});

describe('rotations at the same time, in the audit log,', () => {
  it('are one success: nothing says of a key that never came to be that it did', async () => {
    await kidOf();
    const by = await makeToken({ tier: 'admin', permissions: ['keys:rotate'] });
    const fronts = Array.from({ length: 5 }, () => startBroker().front);
    const replies = await Promise.all(
      fronts.map((front) => askToRotate(front, { activate: 'now' }, { headers: by.pair })),
    );
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
    await delivered();
    const events = await eventsWith('user_id', by.principal);
    const denied = events.filter(({ outcome }) => outcome === 'denied').map(({ kid }) => kid);
    const recorded = events.filter(({ outcome, kid }) => outcome === 'success' && !denied.includes(kid));
    const [newest] = await keyRows();
    expect(recorded.map(({ type, kid }) => `${type} ${kid}`)).toEqual([`key.rotated ${newest?.kid}`]);
  });
});

describe('the algorithm of a new key', () => {
  it('is Ed25519 by choice, and stays so until another is chosen', async () => {
    await kidOf();
    const first = await rotate(broker.front, { activate: 'now', alg: 'Ed25519' });
    expect(first.alg).toBe('Ed25519');
    const ticket = await issue();
    expect(headerOf(ticket)).toEqual({ alg: 'Ed25519', typ: 'agent-ticket+jwt', kid: first.kid });
    expect(await verdict(ticket, await publishedKeys(broker.front))).toBe('accepted');
    const jwk = (await publishedJwks(broker.front)).find(({ kid }) => kid === first.kid);
    expect(jwk).toEqual({
      kty: 'OKP',
      crv: 'Ed25519',
      x: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      kid: first.kid,
      alg: 'Ed25519',
      use: 'sig',
    });
    expect((await rotate(broker.front, { activate: 'now' })).alg).toBe('Ed25519');
    expect((await rotate(broker.front, { activate: 'now', alg: 'ES256' })).alg).toBe('ES256');
  });
});
