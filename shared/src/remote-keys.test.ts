import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKeySetup, type KeySetup, late, set } from '../test/key-endpoint.ts';
import { makeSigner } from '../test/tickets.ts';
import { createRemoteKeys, type KeyLookup } from './remote-keys.ts';

const one = await makeSigner('ES256');
const two = await makeSigner('ES256');
const SECOND = 1000;

let setup: KeySetup;
beforeEach(() => {
  setup = createKeySetup();
});
afterEach(() => setup.close());

const remote = () => createRemoteKeys(setup, { algorithms: ['ES256', 'Ed25519'] });
/** `found`, or why not. */
const kindOf = (lookup: KeyLookup<string>) => (typeof lookup === 'string' ? lookup : 'found');
const words = (lookups: KeyLookup<string>[]) => [...new Set(lookups.map(kindOf))];
const many = (count: number, find: (index: number) => Promise<KeyLookup<string>>) =>
  Promise.all(Array.from({ length: count }, (_, index) => find(index)));
const randomKid = (index: number) => `${index}`.padStart(43, 'x');

describe('a cold cache', () => {
  it('costs one fetch for 50 requests at once, and all get the key', async () => {
    setup.reply = late(300, set(one.jwk));
    const keys = remote();
    const { value } = await setup.resolve(many(50, () => keys.find(one.kid)));
    expect([words(value), setup.fetches]).toEqual([['found'], [0]]);
  });

  it('answers nobody later than the fetch and one polling step', async () => {
    setup.reply = late(300, set(one.jwk));
    const keys = remote();
    const { ms } = await setup.resolve(many(50, () => keys.find(one.kid)));
    expect(ms).toBeLessThanOrEqual(320);
  });

  it('knows from its first set that a kid is not there', async () => {
    setup.reply = set(one.jwk);
    const { value, ms } = await setup.resolve(remote().find(two.kid));
    expect([value, ms, setup.fetches]).toEqual(['unknown', 0, [0]]);
  });
});

describe('a fresh set', () => {
  it('answers without a fetch for exactly 60 s', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(60 * SECOND);
    expect([kindOf((await setup.resolve(keys.find(one.kid))).value), setup.fetches]).toEqual(['found', [0]]);
    await setup.advance(1);
    expect([kindOf((await setup.resolve(keys.find(one.kid))).value), setup.fetches]).toEqual([
      'found',
      [0, 60_001],
    ]);
  });

  it('is as old as the start of its fetch, however long that took', async () => {
    setup.reply = late(1900, set(one.jwk));
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(60 * SECOND - 1900 + 1);
    await setup.resolve(keys.find(one.kid));
    expect(setup.fetches).toEqual([0, 60_001]);
  });

  it('gives the key with its own algorithm', async () => {
    const edwards = await makeSigner('Ed25519');
    setup.reply = set(one.jwk, edwards.jwk);
    const keys = remote();
    expect((await setup.resolve(keys.find(one.kid))).value).toMatchObject({ alg: 'ES256' });
    expect((await setup.resolve(keys.find(edwards.kid))).value).toMatchObject({ alg: 'Ed25519' });
  });
});

describe('a refresh', () => {
  it('brings the new key and forgets the removed one', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    setup.reply = set(two.jwk);
    await setup.advance(61 * SECOND);
    expect((await setup.resolve(keys.find(one.kid))).value).toBe('unknown');
    expect(kindOf((await setup.resolve(keys.find(two.kid))).value)).toBe('found');
    expect(setup.fetches).toEqual([0, 61_000]);
  });

  it('makes nobody else wait while the set is younger than 120 s', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(118 * SECOND);
    setup.reply = late(1500, set(one.jwk));
    const refreshing = keys.find(one.kid);
    const { value, ms } = await setup.resolve(many(20, () => keys.find(one.kid)));
    expect([words(value), ms]).toEqual([['found'], 0]);
    await setup.resolve(refreshing);
    expect(setup.fetches).toEqual([0, 118_000]);
  });

  it('is waited for once the set is older, so that a revoked key is not used past 120 s', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(121 * SECOND);
    setup.reply = late(1500, set(two.jwk));
    const { value, ms } = await setup.resolve(many(20, () => keys.find(one.kid)));
    expect([words(value), setup.fetches]).toEqual([['unknown'], [0, 121_000]]);
    expect(ms).toBeGreaterThanOrEqual(1500);
  });

  it('that is late never puts back an older set', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(61 * SECOND);
    // The first answer takes 40 s in spite of its timeout; the next, 31 s after it, is quick and newer.
    const slow = late(40 * SECOND, set(one.jwk));
    setup.reply = (signal, within) => {
      within.forget(signal);
      return slow(signal, within);
    };
    const forgotten = keys.find(one.kid);
    await setup.advance(31 * SECOND);
    setup.reply = set(two.jwk);
    expect(kindOf((await setup.resolve(keys.find(two.kid))).value)).toBe('found');
    await setup.advance(10 * SECOND);
    expect((await setup.resolve(keys.find(one.kid))).value).not.toMatchObject({ alg: 'ES256' });
    expect(kindOf((await setup.resolve(keys.find(two.kid))).value)).toBe('found');
    await setup.resolve(forgotten);
  });
});

describe('an unknown kid', () => {
  it('that was published a second ago is found', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    setup.reply = set(one.jwk, two.jwk);
    await setup.advance(SECOND);
    expect(kindOf((await setup.resolve(keys.find(two.kid))).value)).toBe('found');
    expect(setup.fetches).toEqual([0, SECOND]);
  });

  it('costs one fetch for 50 made-up ones at once', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(SECOND);
    setup.reply = late(100, set(one.jwk));
    const { value } = await setup.resolve(many(50, (index) => keys.find(randomKid(index))));
    expect([words(value), setup.fetches]).toEqual([['unknown'], [0, SECOND]]);
  });

  it('costs one fetch per 30 s for made-up ones, one by one, and is never called unknown unproven', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(SECOND);
    for (let index = 0; index < 120; index += 1) {
      const fetchesBefore = setup.fetches.length;
      const { value, ms } = await setup.resolve(keys.find(randomKid(index)));
      const proven = setup.fetches.length > fetchesBefore;
      expect([value, ms <= SECOND]).toEqual([proven ? 'unknown' : 'unavailable', true]);
      await setup.advance(250);
    }
    const elapsed = setup.fetches.at(-1) ?? 0;
    // One series for made-up kids and one for refreshing, each at its own pace.
    expect(setup.fetches.length).toBeLessThanOrEqual(2 + elapsed / (30 * SECOND) + elapsed / (60 * SECOND));
    expect(kindOf((await setup.resolve(keys.find(one.kid))).value)).toBe('found');
  });

  it('in the cooldown waits a second at most, and is then unavailable, not unknown', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(SECOND);
    await setup.resolve(keys.find(randomKid(1)));
    await setup.advance(SECOND);
    setup.reply = set(one.jwk, two.jwk);
    const { value, ms } = await setup.resolve(keys.find(two.kid));
    expect([value, ms, setup.fetches]).toEqual(['unavailable', SECOND, [0, SECOND]]);
  });

  it('whose wait outlives the cooldown is fetched and found', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(SECOND);
    await setup.resolve(keys.find(randomKid(1)));
    await setup.advance(29.5 * SECOND);
    setup.reply = set(one.jwk, two.jwk);
    const { value, ms } = await setup.resolve(keys.find(two.kid));
    expect([kindOf(value), ms, setup.fetches]).toEqual(['found', 500, [0, SECOND, 31 * SECOND]]);
  });

  it('asked for while an earlier fetch runs is not called unknown by that one', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(SECOND);
    setup.reply = late(500, set(one.jwk));
    const earlier = keys.find(randomKid(1));
    await setup.advance(100);
    // Published after the earlier fetch left.
    setup.reply = set(one.jwk, two.jwk);
    const { value } = await setup.resolve(keys.find(two.kid));
    expect([value, (await setup.resolve(earlier)).value]).toEqual(['unavailable', 'unknown']);
  });

  it('never makes a known one wait', async () => {
    setup.reply = set(one.jwk);
    const keys = remote();
    await setup.resolve(keys.find(one.kid));
    await setup.advance(SECOND);
    setup.reply = late(1500, set(one.jwk));
    const made = many(50, (index) => keys.find(randomKid(index)));
    const { value, ms } = await setup.resolve(many(50, () => keys.find(one.kid)));
    expect([words(value), ms]).toEqual([['found'], 0]);
    await setup.resolve(made);
  });
});

describe('over a service binding', () => {
  it('made-up kids cost one call per second', async () => {
    setup.reply = set(one.jwk);
    const keys = createRemoteKeys(setup, { algorithms: ['ES256'], cooldownMs: SECOND });
    await setup.resolve(keys.find(one.kid));
    for (let index = 0; index < 40; index += 1) {
      expect((await setup.resolve(keys.find(randomKid(index)))).value).toBe('unknown');
      await setup.advance(250);
    }
    const gaps = setup.fetches.slice(2).map((at, index) => at - (setup.fetches[index + 1] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(SECOND);
  });

  it('a key published in the cooldown is found also by an isolate that stood still over its end', async () => {
    setup.reply = set(one.jwk);
    const still = { ...setup, sleep: () => setup.sleep(5 * SECOND) };
    const keys = createRemoteKeys(still, { algorithms: ['ES256'], cooldownMs: SECOND });
    await setup.resolve(keys.find(one.kid));
    await setup.advance(1);
    await setup.resolve(keys.find(two.kid));
    setup.reply = set(one.jwk, two.jwk);
    await setup.advance(100);
    expect(kindOf((await setup.resolve(keys.find(two.kid))).value)).toBe('found');
  });

  it('a key published in the cooldown is found within the wait', async () => {
    setup.reply = set(one.jwk);
    const keys = createRemoteKeys(setup, { algorithms: ['ES256'], cooldownMs: SECOND });
    await setup.resolve(keys.find(one.kid));
    await setup.advance(1);
    await setup.resolve(keys.find(randomKid(1)));
    setup.reply = set(one.jwk, two.jwk);
    await setup.advance(100);
    const { value, ms } = await setup.resolve(keys.find(two.kid));
    expect([kindOf(value), ms >= 900, ms <= SECOND]).toEqual(['found', true, true]);
  });
});

describe('a clock that is put back by an hour', () => {
  /** The setup on a clock that a test may put back. */
  const stepped = () => {
    const step = { back: 0 };
    const keys = createRemoteKeys(
      { ...setup, clock: () => setup.clock() - step.back },
      { algorithms: ['ES256'] },
    );
    return { step, keys };
  };

  it('makes no set fresh for that hour: a new key is found after the cooldown', async () => {
    setup.reply = set(one.jwk);
    const { step, keys } = stepped();
    await setup.resolve(keys.find(one.kid));
    setup.reply = set(one.jwk, two.jwk);
    step.back = 3600 * SECOND;
    await setup.advance(61 * SECOND);
    expect(kindOf((await setup.resolve(keys.find(two.kid))).value)).toBe('found');
  });

  it('makes no request wait for that hour', async () => {
    setup.reply = late(300, set(one.jwk));
    const { step, keys } = stepped();
    const found = setup.resolve(keys.find(one.kid));
    step.back = 3600 * SECOND;
    expect((await found).ms).toBeLessThanOrEqual(320);
  });
});

describe('a set without a key that can serve', () => {
  const foreign = () => createRemoteKeys(setup, { algorithms: ['RS256'], alg: 'optional' });

  it('is named as such until a set can serve', async () => {
    setup.reply = set(one.jwk);
    const keys = foreign();
    expect(keys.isUnusable()).toBe(false);
    expect((await setup.resolve(keys.find(one.kid))).value).toBe('unavailable');
    expect(keys.isUnusable()).toBe(true);
    setup.reply = set(await exportedRsa('one'));
    await setup.advance(60 * SECOND);
    expect(kindOf((await setup.resolve(keys.find('one'))).value)).toBe('found');
    expect(keys.isUnusable()).toBe(false);
  });

  it.each([
    ['an empty set', { keys: [] }],
    ['no set', { error: 'unavailable' }],
  ])('is not %s, which is an outage', async (_what, document) => {
    setup.reply = async () => Response.json(document);
    const keys = foreign();
    expect((await setup.resolve(keys.find('one'))).value).toBe('unavailable');
    expect(keys.isUnusable()).toBe(false);
  });

  it('leaves the keys from before in their place', async () => {
    setup.reply = set(await exportedRsa('one'));
    const keys = foreign();
    await setup.resolve(keys.find('one'));
    setup.reply = set(two.jwk);
    await setup.advance(61 * SECOND);
    expect(kindOf((await setup.resolve(keys.find('one'))).value)).toBe('found');
    expect(keys.isUnusable()).toBe(true);
  });
});

/** A public key as Entra ID publishes it: without `alg`. */
async function exportedRsa(kid: string): Promise<JWK> {
  const { publicKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(publicKey)), kid, use: 'sig' };
}

describe('two issuers with one kid', () => {
  it('keep their own keys', async () => {
    const kid = 'shared';
    const caches = [one, two].map(({ jwk }) =>
      createRemoteKeys(
        { ...setup, fetchSet: async () => Response.json({ keys: [{ ...jwk, kid }] }) },
        {
          algorithms: ['ES256'],
        },
      ),
    );
    const found = await Promise.all(caches.map(async (keys) => (await setup.resolve(keys.find(kid))).value));
    const exported = await Promise.all(
      found.map(async (lookup) => (typeof lookup === 'string' ? lookup : (await exportJWK(lookup.key)).x)),
    );
    expect(exported).toEqual([one.jwk.x, two.jwk.x]);
  });
});
