import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  body,
  createKeySetup,
  dead,
  deaf,
  down,
  dripping,
  type KeySetup,
  late,
  type Reply,
  set,
  silent,
} from '../test/key-endpoint.ts';
import { createRandom } from '../test/random.ts';
import { makeSigner } from '../test/tickets.ts';
import { createRemoteKeys, type KeyLookup } from './remote-keys.ts';

const one = await makeSigner('ES256');
const two = await makeSigner('ES256');
const SECOND = 1000;
/** What `find` promises: the fetch timeout and the wait. */
const LONGEST = 3 * SECOND;

let setup: KeySetup;
beforeEach(() => {
  setup = createKeySetup();
});
afterEach(() => setup.close());

const kindOf = (lookup: KeyLookup<string>) => (typeof lookup === 'string' ? lookup : 'found');

/** A cache that has fetched `one` at the start of time. */
async function warm(cooldownMs?: number) {
  setup.reply = set(one.jwk);
  const keys = createRemoteKeys(setup, {
    algorithms: ['ES256'],
    ...(cooldownMs === undefined ? {} : { cooldownMs }),
  });
  await setup.resolve(keys.find(one.kid));
  const find = async (kid: string) => {
    const { value, ms } = await setup.resolve(keys.find(kid));
    return { answer: kindOf(value), ms };
  };
  return { keys, find };
}

describe('an answer that is no good set', () => {
  const weak = { ...two.jwk, alg: 'HS256' };
  const replies: [string, Reply][] = [
    ['no connection', down],
    ['no byte', silent],
    ['a slow drip', dripping],
    ['HTML with status 200', body('<!doctype html>', { headers: { 'content-type': 'text/html' } })],
    ['an empty body', body('')],
    ['an empty set', set()],
    ['a set without a usable key', set(weak, { ...two.jwk, y: two.jwk.x ?? '' })],
    ['a set cut short', body(JSON.stringify({ keys: [two.jwk] }).slice(0, -1))],
    ['5 MB of white space before a set', body(`${' '.repeat(5_000_000)}{"keys":[]}`)],
    ['one byte over 64 KiB', body(JSON.stringify({ keys: [two.jwk] }).padEnd(64 * 1024 + 1))],
    ['101 keys', set(...Array.from({ length: 101 }, (_, index) => ({ ...two.jwk, kid: `k${index}` })))],
    ...[201, 204, 206, 301, 302, 304, 401, 403, 404, 429, 500, 502, 503].map((status): [string, Reply] => [
      `status ${status}`,
      body(JSON.stringify({ keys: [two.jwk] }), { status }),
    ]),
  ];
  const bodiless = new Set(['status 204', 'status 304']);
  const table = replies.map(([name, reply]): [string, Reply] => {
    if (!bodiless.has(name)) return [name, reply];
    return [name, async () => new Response(null, { status: Number(name.slice(-3)) })];
  });

  it.each(table)('%s does not replace a good set', async (_name, reply) => {
    const { find } = await warm();
    await setup.advance(61 * SECOND);
    setup.reply = reply;
    expect((await find(one.kid)).answer).toBe('found');
    expect((await find(two.kid)).answer).toBe('unavailable');
    expect(setup.fetches).toEqual([0, 61_000]);
  });

  it.each(table)('%s on a cold cache is unavailable in time, and not unknown', async (_name, reply) => {
    setup.reply = reply;
    const keys = createRemoteKeys(setup, { algorithms: ['ES256'] });
    const { value, ms } = await setup.resolve(keys.find(one.kid));
    expect([value, ms <= LONGEST, setup.fetches]).toEqual(['unavailable', true, [0]]);
  });

  it('a set of exactly 64 KiB is read', async () => {
    setup.reply = body(JSON.stringify({ keys: [one.jwk] }).padEnd(64 * 1024));
    const keys = createRemoteKeys(setup, { algorithms: ['ES256'] });
    expect(kindOf((await setup.resolve(keys.find(one.kid))).value)).toBe('found');
  });

  it('one broken key is skipped and the others serve', async () => {
    const { find } = await warm();
    await setup.advance(61 * SECOND);
    setup.reply = set({ ...one.jwk, y: one.jwk.x ?? '' }, { kty: 'oct' }, two.jwk);
    expect((await find(two.kid)).answer).toBe('found');
    expect((await find(one.kid)).answer).not.toBe('found');
  });
});

describe('while the endpoint is down', () => {
  it('a stale set serves for 360 s to the millisecond, and then nothing does', async () => {
    const { find } = await warm();
    setup.reply = down;
    await setup.advance(360 * SECOND);
    expect(await find(one.kid)).toEqual({ answer: 'found', ms: 0 });
    await setup.advance(1);
    expect((await find(one.kid)).answer).toBe('unavailable');
  });

  it('a known key is served at once between two tries', async () => {
    const { find } = await warm();
    setup.reply = silent;
    await setup.advance(61 * SECOND);
    expect(await find(one.kid)).toEqual({ answer: 'found', ms: 2000 });
    expect(await find(one.kid)).toEqual({ answer: 'found', ms: 0 });
  });

  it('refreshing costs one fetch per 30 s, failures counted', async () => {
    const { find } = await warm();
    setup.reply = down;
    await setup.advance(61 * SECOND);
    for (let tries = 0; tries < 300; tries += 1) {
      await find(one.kid);
      await setup.advance(SECOND);
    }
    expect(setup.fetches).toEqual([
      0,
      ...Array.from({ length: 10 }, (_, index) => (61 + 30 * index) * SECOND),
    ]);
  });

  it('made-up kids add no fetch to those of refreshing', async () => {
    const { find } = await warm();
    setup.reply = down;
    await setup.advance(61 * SECOND);
    for (let index = 0; index < 90; index += 1) {
      const { answer, ms } = await find(`${index}`);
      expect([answer, ms <= LONGEST]).toEqual(['unavailable', true]);
    }
    const elapsed = (setup.fetches.at(-1) ?? 0) - 61_000;
    expect(setup.fetches.length).toBeLessThanOrEqual(2 + elapsed / (30 * SECOND));
  });

  it('a cold cache costs one fetch per 30 s', async () => {
    setup.reply = down;
    const keys = createRemoteKeys(setup, { algorithms: ['ES256'] });
    for (let tries = 0; tries < 59; tries += 1)
      expect((await setup.resolve(keys.find(one.kid))).value).toBe('unavailable');
    expect(setup.fetches).toEqual([0, 30_000]);
  });

  it('its return is noticed by the next try', async () => {
    const { find } = await warm();
    setup.reply = down;
    await setup.advance(400 * SECOND);
    expect((await find(one.kid)).answer).toBe('unavailable');
    setup.reply = set(one.jwk);
    await setup.advance(30 * SECOND);
    expect(await find(one.kid)).toEqual({ answer: 'found', ms: 0 });
  });
});

describe('a request that dies during its fetch', () => {
  it('does not keep others from a set that is a little old', async () => {
    const { keys, find } = await warm();
    await setup.advance(61 * SECOND);
    setup.reply = dead;
    void keys.find(one.kid);
    expect(await find(one.kid)).toEqual({ answer: 'found', ms: 0 });
  });

  it('holds others up no longer than the fetch timeout where the set is older', async () => {
    const { keys, find } = await warm();
    await setup.advance(200 * SECOND);
    setup.reply = dead;
    void keys.find(one.kid);
    const { answer, ms } = await find(one.kid);
    expect([answer, ms <= LONGEST]).toEqual(['found', true]);
    expect(await find(one.kid)).toEqual({ answer: 'found', ms: 0 });
  });

  it('is replaced by another fetch after the cooldown', async () => {
    const { keys, find } = await warm();
    await setup.advance(200 * SECOND);
    setup.reply = dead;
    void keys.find(one.kid);
    await setup.advance(30 * SECOND);
    setup.reply = set(one.jwk, two.jwk);
    expect(await find(two.kid)).toEqual({ answer: 'found', ms: 0 });
    expect(setup.fetches).toEqual([0, 200_000, 230_000]);
  });

  it('leaves a cold cache unavailable in time, and usable after the cooldown', async () => {
    setup.reply = dead;
    const keys = createRemoteKeys(setup, { algorithms: ['ES256'] });
    void keys.find(one.kid);
    const { value, ms } = await setup.resolve(keys.find(one.kid));
    expect([value, ms <= LONGEST]).toEqual(['unavailable', true]);
    await setup.advance(30 * SECOND);
    setup.reply = set(one.jwk);
    expect(kindOf((await setup.resolve(keys.find(one.kid))).value)).toBe('found');
  });
});

describe('an answer comes within the fetch timeout and the wait', () => {
  it('where the fetch hangs and does not heed its signal', async () => {
    const { find } = await warm();
    await setup.advance(61 * SECOND);
    setup.reply = deaf;
    const { answer, ms } = await find(one.kid);
    expect([answer, ms <= LONGEST]).toEqual(['found', true]);
  });

  it('where each try takes longer than the cooldown, as over a binding that hangs', async () => {
    const { find } = await warm(SECOND);
    await setup.advance(61 * SECOND);
    setup.reply = silent;
    const { answer, ms } = await find(one.kid);
    expect([answer, ms <= LONGEST]).toEqual(['found', true]);
  });

  it('where another’s slow refresh does not settle what is asked for', async () => {
    const { keys, find } = await warm();
    await setup.advance(61 * SECOND);
    setup.reply = late(1900, set(one.jwk));
    const refreshing = keys.find(one.kid);
    await setup.advance(1);
    const { answer, ms } = await find(two.kid);
    expect([answer, ms <= LONGEST]).toEqual([answer, true]);
    await setup.resolve(refreshing);
  });
});

describe('over random weather', () => {
  it.each([1, 2, 3])(
    'no answer is wrong, late or unproven, and fetches stay bounded (seed %i)',
    async (seed) => {
      const random = createRandom(seed);
      const { keys } = await warm();
      /** What the endpoint held and when it last stopped holding it. */
      let published = [one];
      let oneGoneAt = Number.POSITIVE_INFINITY;
      // A set and a request of one millisecond count as simultaneous: the set is taken for the newer.
      await setup.advance(1);
      for (let round = 0; round < 150; round += 1) {
        const honest: Reply = (signal, w) => set(...published.map(({ jwk }) => jwk))(signal, w);
        setup.reply = random.pick<Reply>([
          honest,
          honest,
          honest,
          late(700, honest),
          down,
          silent,
          dripping,
          set(),
        ]);
        if (random.chance(0.05)) {
          published = published.includes(one) ? [two] : [one, two];
          oneGoneAt = published.includes(one) ? Number.POSITIVE_INFINITY : setup.clock();
        }
        const asked = Array.from({ length: 1 + random.below(5) }, (_, index) =>
          random.pick([one.kid, two.kid, `made-up-${index}`]),
        );
        const began = setup.clock();
        const { value, ms } = await setup.resolve(Promise.all(asked.map((kid) => keys.find(kid))));
        expect(ms).toBeLessThanOrEqual(LONGEST);
        for (const [index, kid] of asked.entries()) {
          const answer = kindOf(value[index] ?? 'unavailable');
          if (kid.startsWith('made-up')) expect(answer).not.toBe('found');
          if (kid === one.kid && answer === 'found')
            expect(began - oneGoneAt).toBeLessThanOrEqual(360 * SECOND);
          if (answer === 'unknown') expect(published.map((signer): string => signer.kid)).not.toContain(kid);
        }
        await setup.advance(1 + random.below(20 * SECOND));
      }
      for (const [index, at] of setup.fetches.entries()) {
        const inWindow = setup.fetches.slice(index).filter((other) => other < at + 30 * SECOND);
        expect(inWindow.length).toBeLessThanOrEqual(2);
      }
    },
  );
});
