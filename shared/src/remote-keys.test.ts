import { exportJWK } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWorld, late, set, type World } from '../test/key-endpoint.ts';
import { makeSigner } from '../test/tickets.ts';
import { createRemoteKeys, type KeyLookup } from './remote-keys.ts';

const one = await makeSigner('ES256');
const two = await makeSigner('ES256');
const SECOND = 1000;

let world: World;
beforeEach(() => {
  world = createWorld();
});
afterEach(() => world.close());

const remote = () => createRemoteKeys(world, { algorithms: ['ES256', 'Ed25519'] });
/** `found`, or why not. */
const word = (lookup: KeyLookup<string>) => (typeof lookup === 'string' ? lookup : 'found');
const words = (lookups: KeyLookup<string>[]) => [...new Set(lookups.map(word))];
const many = (count: number, find: (index: number) => Promise<KeyLookup<string>>) =>
  Promise.all(Array.from({ length: count }, (_, index) => find(index)));
const randomKid = (index: number) => `${index}`.padStart(43, 'x');

describe('a cold cache', () => {
  it('costs one fetch for 50 requests at once, and all get the key', async () => {
    world.reply = late(300, set(one.jwk));
    const keys = remote();
    const { value } = await world.settle(many(50, () => keys.find(one.kid)));
    expect([words(value), world.fetches]).toEqual([['found'], [0]]);
  });

  it('answers nobody later than the fetch and one polling step', async () => {
    world.reply = late(300, set(one.jwk));
    const keys = remote();
    const { ms } = await world.settle(many(50, () => keys.find(one.kid)));
    expect(ms).toBeLessThanOrEqual(320);
  });

  it('knows from its first set that a kid is not there', async () => {
    world.reply = set(one.jwk);
    const { value, ms } = await world.settle(remote().find(two.kid));
    expect([value, ms, world.fetches]).toEqual(['unknown', 0, [0]]);
  });
});

describe('a fresh set', () => {
  it('answers without a fetch for exactly 60 s', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(60 * SECOND);
    expect([word((await world.settle(keys.find(one.kid))).value), world.fetches]).toEqual(['found', [0]]);
    await world.advance(1);
    expect([word((await world.settle(keys.find(one.kid))).value), world.fetches]).toEqual([
      'found',
      [0, 60_001],
    ]);
  });

  it('is as old as the start of its fetch, however long that took', async () => {
    world.reply = late(1900, set(one.jwk));
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(60 * SECOND - 1900 + 1);
    await world.settle(keys.find(one.kid));
    expect(world.fetches).toEqual([0, 60_001]);
  });

  it('gives the key with its own algorithm', async () => {
    const edwards = await makeSigner('Ed25519');
    world.reply = set(one.jwk, edwards.jwk);
    const keys = remote();
    expect((await world.settle(keys.find(one.kid))).value).toMatchObject({ alg: 'ES256' });
    expect((await world.settle(keys.find(edwards.kid))).value).toMatchObject({ alg: 'Ed25519' });
  });
});

describe('a refresh', () => {
  it('brings the new key and forgets the removed one', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    world.reply = set(two.jwk);
    await world.advance(61 * SECOND);
    expect((await world.settle(keys.find(one.kid))).value).toBe('unknown');
    expect(word((await world.settle(keys.find(two.kid))).value)).toBe('found');
    expect(world.fetches).toEqual([0, 61_000]);
  });

  it('makes nobody else wait while the set is younger than 120 s', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(118 * SECOND);
    world.reply = late(1500, set(one.jwk));
    const refreshing = keys.find(one.kid);
    const { value, ms } = await world.settle(many(20, () => keys.find(one.kid)));
    expect([words(value), ms]).toEqual([['found'], 0]);
    await world.settle(refreshing);
    expect(world.fetches).toEqual([0, 118_000]);
  });

  it('is waited for once the set is older, so that a revoked key is not used past 120 s', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(121 * SECOND);
    world.reply = late(1500, set(two.jwk));
    const { value, ms } = await world.settle(many(20, () => keys.find(one.kid)));
    expect([words(value), world.fetches]).toEqual([['unknown'], [0, 121_000]]);
    expect(ms).toBeGreaterThanOrEqual(1500);
  });

  it('that is late never puts back an older set', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(61 * SECOND);
    // The first answer takes 40 s in spite of its timeout; the next, 31 s after it, is quick and newer.
    world.reply = late(40 * SECOND, set(one.jwk));
    const forgotten = keys.find(one.kid);
    await world.advance(31 * SECOND);
    world.reply = set(two.jwk);
    expect(word((await world.settle(keys.find(two.kid))).value)).toBe('found');
    await world.advance(10 * SECOND);
    expect((await world.settle(keys.find(one.kid))).value).not.toMatchObject({ alg: 'ES256' });
    expect(word((await world.settle(keys.find(two.kid))).value)).toBe('found');
    await world.settle(forgotten);
  });
});

describe('an unknown kid', () => {
  it('that was published a second ago is found', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    world.reply = set(one.jwk, two.jwk);
    await world.advance(SECOND);
    expect(word((await world.settle(keys.find(two.kid))).value)).toBe('found');
    expect(world.fetches).toEqual([0, SECOND]);
  });

  it('costs one fetch for 50 made-up ones at once', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(SECOND);
    world.reply = late(100, set(one.jwk));
    const { value } = await world.settle(many(50, (index) => keys.find(randomKid(index))));
    expect([words(value), world.fetches]).toEqual([['unknown'], [0, SECOND]]);
  });

  it('costs one fetch per 30 s for made-up ones, one by one, and is never called unknown unproven', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(SECOND);
    for (let index = 0; index < 120; index += 1) {
      const fetchesBefore = world.fetches.length;
      const { value, ms } = await world.settle(keys.find(randomKid(index)));
      const proven = world.fetches.length > fetchesBefore;
      expect([value, ms <= SECOND]).toEqual([proven ? 'unknown' : 'unavailable', true]);
      await world.advance(250);
    }
    const elapsed = world.fetches.at(-1) ?? 0;
    // One series for made-up kids and one for refreshing, each at its own pace.
    expect(world.fetches.length).toBeLessThanOrEqual(2 + elapsed / (30 * SECOND) + elapsed / (60 * SECOND));
    expect(word((await world.settle(keys.find(one.kid))).value)).toBe('found');
  });

  it('in the cooldown waits a second at most, and is then unavailable, not unknown', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(SECOND);
    await world.settle(keys.find(randomKid(1)));
    await world.advance(SECOND);
    world.reply = set(one.jwk, two.jwk);
    const { value, ms } = await world.settle(keys.find(two.kid));
    expect([value, ms, world.fetches]).toEqual(['unavailable', SECOND, [0, SECOND]]);
  });

  it('whose wait outlives the cooldown is fetched and found', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(SECOND);
    await world.settle(keys.find(randomKid(1)));
    await world.advance(29.5 * SECOND);
    world.reply = set(one.jwk, two.jwk);
    const { value, ms } = await world.settle(keys.find(two.kid));
    expect([word(value), ms, world.fetches]).toEqual(['found', 500, [0, SECOND, 31 * SECOND]]);
  });

  it('asked for while an earlier fetch runs is not called unknown by that one', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(SECOND);
    world.reply = late(500, set(one.jwk));
    const earlier = keys.find(randomKid(1));
    await world.advance(100);
    // Published after the earlier fetch left.
    world.reply = set(one.jwk, two.jwk);
    const { value } = await world.settle(keys.find(two.kid));
    expect([value, (await world.settle(earlier)).value]).toEqual(['unavailable', 'unknown']);
  });

  it('never makes a known one wait', async () => {
    world.reply = set(one.jwk);
    const keys = remote();
    await world.settle(keys.find(one.kid));
    await world.advance(SECOND);
    world.reply = late(1500, set(one.jwk));
    const made = many(50, (index) => keys.find(randomKid(index)));
    const { value, ms } = await world.settle(many(50, () => keys.find(one.kid)));
    expect([words(value), ms]).toEqual([['found'], 0]);
    await world.settle(made);
  });
});

describe('over a service binding', () => {
  it('made-up kids cost one call per second', async () => {
    world.reply = set(one.jwk);
    const keys = createRemoteKeys(world, { algorithms: ['ES256'], cooldownMs: SECOND });
    await world.settle(keys.find(one.kid));
    for (let index = 0; index < 40; index += 1) {
      expect((await world.settle(keys.find(randomKid(index)))).value).toBe('unknown');
      await world.advance(250);
    }
    const gaps = world.fetches.slice(2).map((at, index) => at - (world.fetches[index + 1] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(SECOND);
  });

  it('a key published in the cooldown is found also by an isolate that stood still over its end', async () => {
    world.reply = set(one.jwk);
    const still = { ...world, sleep: () => world.sleep(5 * SECOND) };
    const keys = createRemoteKeys(still, { algorithms: ['ES256'], cooldownMs: SECOND });
    await world.settle(keys.find(one.kid));
    await world.advance(1);
    await world.settle(keys.find(two.kid));
    world.reply = set(one.jwk, two.jwk);
    await world.advance(100);
    expect(word((await world.settle(keys.find(two.kid))).value)).toBe('found');
  });

  it('a key published in the cooldown is found within the wait', async () => {
    world.reply = set(one.jwk);
    const keys = createRemoteKeys(world, { algorithms: ['ES256'], cooldownMs: SECOND });
    await world.settle(keys.find(one.kid));
    await world.advance(1);
    await world.settle(keys.find(randomKid(1)));
    world.reply = set(one.jwk, two.jwk);
    await world.advance(100);
    const { value, ms } = await world.settle(keys.find(two.kid));
    expect([word(value), ms >= 900, ms <= SECOND]).toEqual(['found', true, true]);
  });
});

describe('two issuers with one kid', () => {
  it('keep their own keys', async () => {
    const kid = 'shared';
    const caches = [one, two].map(({ jwk }) =>
      createRemoteKeys(
        { ...world, fetchSet: async () => Response.json({ keys: [{ ...jwk, kid }] }) },
        {
          algorithms: ['ES256'],
        },
      ),
    );
    const found = await Promise.all(caches.map(async (keys) => (await world.settle(keys.find(kid))).value));
    const exported = await Promise.all(
      found.map(async (lookup) => (typeof lookup === 'string' ? lookup : (await exportJWK(lookup.key)).x)),
    );
    expect(exported).toEqual([one.jwk.x, two.jwk.x]);
  });
});
