import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it, vi } from 'vitest';
import type { Fault } from '../identity-provider/start.ts';
import { type FaultyWorld, NOW, openFaultyWorld, PLATFORMS, type Platform } from './broker.ts';

/** The slow ones are waited for on the real clock, several times. */
vi.setConfig({ testTimeout: 30_000 });

const FIVE_MEGABYTES = 5 * 1024 * 1024;
const json = (body: unknown): Fault => ({ body: JSON.stringify(body) });

/** Each made from the set that is really there. */
const FAULTS: readonly [what: string, (set: { keys: object[] }) => Fault][] = [
  ['is 5 MB', (set) => json({ ...set, padding: 'x'.repeat(FIVE_MEGABYTES) })],
  ['is 5 MB of keys', ({ keys }) => json({ keys: Array.from({ length: 10_000 }, () => keys[0]) })],
  ['is HTML', () => ({ body: '<!doctype html><title>Sign in</title>' })],
  ['is HTML of an error', () => ({ status: 502, body: '<h1>Bad gateway</h1>' })],
  ['is one broken key', ({ keys }) => json({ keys: [{ ...keys[0], n: '!' }] })],
  ['is one key too short', ({ keys }) => json({ keys: [{ ...keys[0], n: 'AQAB' }] })],
  ['is one symmetric key', () => json({ keys: [{ kty: 'oct', k: 'AAAA', alg: 'HS256', kid: 'k' }] })],
  ['is empty', () => json({ keys: [] })],
  ['is nothing', () => ({ body: '' })],
  ['is a list', ({ keys }) => json(keys)],
  ['breaks off', (set) => ({ body: JSON.stringify(set).slice(0, 400) })],
  ['is an error', () => ({ status: 500 })],
  ['is gone', () => ({ status: 404, body: '{}' })],
  ['is elsewhere', () => ({ status: 302 })],
  ['says "too many"', () => ({ status: 429 })],
  // Longer than the broker waits, on the real clock.
  ['is slow', () => ({ delayMs: 60_000 })],
];

async function spoil(world: FaultyWorld, platform: Platform, fault: (typeof FAULTS)[number][1]) {
  const url = world.keysUrl(platform);
  world.identityProvider.fail(url, fault(await (await fetch(url)).json()));
}

async function expectUnavailable(answer: Response): Promise<void> {
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(answer.headers.has('www-authenticate')).toBe(false);
  expect(await answer.json()).toMatchObject({ error: { code: 'UNAVAILABLE' } });
}

describe.each(PLATFORMS)('a key set of %s', (platform) => {
  it.each(FAULTS)(
    'that %s, with no keys cached, is 503 and no 401, until it is mended',
    async (_what, fault) => {
      const world = await openFaultyWorld();
      const token = await world.token(platform);
      await spoil(world, platform, fault);
      await expectUnavailable(await world.me(platform, token));
      const other = platform === 'access' ? 'auth0' : 'access';
      expect((await world.me(other, await world.token(other))).status).toBe(200);

      world.identityProvider.fail(world.keysUrl(platform), null);
      world.clock.now += 31;
      expect((await world.me(platform, token)).status).toBe(200);
    },
  );

  it.each(FAULTS)('that %s harms nobody whose key is cached, for six minutes', async (_what, fault) => {
    const world = await openFaultyWorld();
    const token = await world.token(platform);
    expect((await world.me(platform, token)).status).toBe(200);
    await spoil(world, platform, fault);
    for (const later of [61, 200, 350]) {
      world.clock.now = NOW + later;
      expect((await world.me(platform, token)).status, `${later} s later`).toBe(200);
    }
    world.clock.now = NOW + 420;
    await expectUnavailable(await world.me(platform, token));
  });

  it('with one broken key among good ones serves by the good ones', async () => {
    const world = await openFaultyWorld();
    const token = await world.token(platform);
    await spoil(world, platform, ({ keys }) =>
      json({ keys: [{ ...keys[1], n: '!' }, 'no key', null, { kty: 'RSA' }, keys[0]] }),
    );
    expect((await world.me(platform, token)).status).toBe(200);
  });

  it('behind a closed port is 503', async () => {
    const world = await openFaultyWorld();
    const token = await world.token(platform);
    await world.identityProvider.close();
    await expectUnavailable(await world.me(platform, token));
  });

  it('that rotates is learned at the first token by the new key, and the old key goes on', async () => {
    const world = await openFaultyWorld();
    const old = await world.token(platform);
    expect((await world.me(platform, old)).status).toBe(200);
    await world.identityProvider[platform].rotate();
    world.clock.now += 1;
    expect((await world.me(platform, await world.token(platform))).status).toBe(200);
    expect((await world.me(platform, old)).status).toBe(200);
    await world.identityProvider[platform].rotate();
    world.clock.now += 61;
    expect((await world.me(platform, old)).status).toBe(401);
    expect((await world.me(platform, await world.token(platform))).status).toBe(200);
  });
});

/** Tokens with everything right but the key, which nobody has published. */
async function forger(world: FaultyWorld, platform: Platform) {
  const { privateKey } = await generateKeyPair('RS256');
  const { issuer, audience } = world.identityProvider[platform];
  const claims = platform === 'access' ? { type: 'app', sub: 'x' } : { sub: 'auth0|x' };
  return (kid: string) =>
    new SignJWT({ ...claims, iss: issuer, aud: audience, iat: world.clock.now, exp: world.clock.now + 600 })
      .setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' })
      .sign(privateKey);
}

describe.each(PLATFORMS)('tokens of %s by keys that nobody has', (platform) => {
  it('cost one fetch in 30 s, however many come and however they are called', async () => {
    const world = await openFaultyWorld();
    const forge = await forger(world, platform);
    const good = await world.token(platform);
    expect((await world.me(platform, good)).status).toBe(200);
    const start = world.asked(world.keysUrl(platform));
    const begun = world.clock.now;
    let tries = 0;
    while (world.clock.now < begun + 120) {
      const forged = await Promise.all(Array.from({ length: 10 }, (_, i) => forge(`made-up-${tries + i}`)));
      const answers = await Promise.all(forged.map((token) => world.me(platform, token)));
      // The first costs the fetch and is known to be nobody's; those that meet the cooldown may come again.
      for (const { status } of answers) expect([401, 503]).toContain(status);
      expect((await world.me(platform, good)).status).toBe(200);
      tries += 10;
      world.clock.now += 1;
    }
    expect(tries).toBeGreaterThan(200);
    const windows = Math.ceil((world.clock.now - begun) / 30);
    // One more for each minute: the set is fetched anew when it is a minute old.
    const refreshes = Math.ceil((world.clock.now - begun) / 60);
    expect(world.asked(world.keysUrl(platform)) - start).toBeLessThanOrEqual(windows + refreshes);
  });

  it('cost one fetch in 30 s while the keys are down, too', async () => {
    const world = await openFaultyWorld();
    const forge = await forger(world, platform);
    const url = world.keysUrl(platform);
    world.identityProvider.fail(url, { status: 500 });
    const begun = world.clock.now;
    while (world.clock.now < begun + 60) {
      const answers = await Promise.all(
        Array.from({ length: 5 }, async (_, i) => world.me(platform, await forge(`made-up-${i}`))),
      );
      expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
      world.clock.now += 1;
    }
    expect(world.asked(url)).toBeLessThanOrEqual(1 + Math.ceil((world.clock.now - begun) / 30));
  });

  it('of an issuer that nobody registered cost none, wherever they say the keys are', async () => {
    const world = await openFaultyWorld();
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = await exportJWK(publicKey);
    for (const iss of [`${world.identityProvider.url}/`, 'https://evil.test', '', 'x'.repeat(2000)]) {
      const token = await new SignJWT({ iss, aud: 'x', sub: 'x', iat: NOW, exp: NOW + 60 })
        .setProtectedHeader({ alg: 'RS256', kid: 'k', jku: world.keysUrl(platform), jwk })
        .sign(privateKey);
      expect((await world.me(platform, token)).status).toBe(401);
    }
    expect(world.identityProvider.requests()).toEqual([]);
  });
});
