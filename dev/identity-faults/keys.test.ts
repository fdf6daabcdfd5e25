import type { Fault } from 'agent-ticket/src/identity-provider/start.ts';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it, vi } from 'vitest';
import { type FaultyBroker, NOW, openBroker, PLATFORMS, type Platform } from './broker.ts';

/** The broker waits for slow answers on the real clock, several times. */
vi.setConfig({ testTimeout: 30_000 });

const FIVE_MEGABYTES = 5 * 1024 * 1024;
const json = (body: unknown): Fault => ({ body: JSON.stringify(body) });

/** Each derived from the real key set. */
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
  ['is a redirect', () => ({ status: 302 })],
  ['is a 429', () => ({ status: 429 })],
  // Longer than the broker waits, on the real clock.
  ['is slow', () => ({ delayMs: 60_000 })],
];

async function breakKeys(broker: FaultyBroker, platform: Platform, fault: (typeof FAULTS)[number][1]) {
  const url = broker.keysUrl(platform);
  broker.identityProvider.fail(url, fault(await (await fetch(url)).json()));
}

async function expectUnavailable(answer: Response): Promise<void> {
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(answer.headers.has('www-authenticate')).toBe(false);
  expect(await answer.json()).toMatchObject({ error: { code: 'UNAVAILABLE' } });
}

describe.each(PLATFORMS)('a key set of %s', (platform) => {
  it.each(FAULTS)(
    'that %s, with no keys cached, is 503 and no 401, until it is repaired',
    async (_what, fault) => {
      const broker = await openBroker();
      const token = await broker.token(platform);
      await breakKeys(broker, platform, fault);
      await expectUnavailable(await broker.me(platform, token));
      const other = platform === 'access' ? 'auth0' : 'access';
      expect((await broker.me(other, await broker.token(other))).status).toBe(200);

      broker.identityProvider.fail(broker.keysUrl(platform), null);
      broker.clock.now += 31;
      expect((await broker.me(platform, token)).status).toBe(200);
    },
  );

  it.each(FAULTS)('that %s has no effect on tokens of cached keys, for six minutes', async (_what, fault) => {
    const broker = await openBroker();
    const token = await broker.token(platform);
    expect((await broker.me(platform, token)).status).toBe(200);
    await breakKeys(broker, platform, fault);
    for (const later of [61, 200, 350]) {
      broker.clock.now = NOW + later;
      expect((await broker.me(platform, token)).status, `${later} s later`).toBe(200);
    }
    broker.clock.now = NOW + 420;
    await expectUnavailable(await broker.me(platform, token));
  });

  it('with one broken key among good ones serves by the good ones', async () => {
    const broker = await openBroker();
    const token = await broker.token(platform);
    await breakKeys(broker, platform, ({ keys }) =>
      json({ keys: [{ ...keys[1], n: '!' }, 'no key', null, { kty: 'RSA' }, keys[0]] }),
    );
    expect((await broker.me(platform, token)).status).toBe(200);
  });

  it('behind a closed port is 503', async () => {
    const broker = await openBroker();
    const token = await broker.token(platform);
    await broker.identityProvider.close();
    await expectUnavailable(await broker.me(platform, token));
  });

  it('that rotates is fetched at the first token by the new key, and the old key still verifies', async () => {
    const broker = await openBroker();
    const old = await broker.token(platform);
    expect((await broker.me(platform, old)).status).toBe(200);
    await broker.identityProvider[platform].rotate();
    broker.clock.now += 1;
    expect((await broker.me(platform, await broker.token(platform))).status).toBe(200);
    expect((await broker.me(platform, old)).status).toBe(200);
    await broker.identityProvider[platform].rotate();
    broker.clock.now += 61;
    expect((await broker.me(platform, old)).status).toBe(401);
    expect((await broker.me(platform, await broker.token(platform))).status).toBe(200);
  });
});

/** Valid tokens but for the key, which is not published. */
async function forgerOf(broker: FaultyBroker, platform: Platform) {
  const { privateKey } = await generateKeyPair('RS256');
  const { issuer, audience } = broker.identityProvider[platform];
  const claims = platform === 'access' ? { type: 'app', sub: 'x' } : { sub: 'auth0|x' };
  return (kid: string) =>
    new SignJWT({ ...claims, iss: issuer, aud: audience, iat: broker.clock.now, exp: broker.clock.now + 600 })
      .setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' })
      .sign(privateKey);
}

describe.each(PLATFORMS)('tokens of %s by unknown keys', (platform) => {
  it('cost one fetch in 30 s, for any number of tokens and key ids', async () => {
    const broker = await openBroker();
    const forge = await forgerOf(broker, platform);
    const good = await broker.token(platform);
    expect((await broker.me(platform, good)).status).toBe(200);
    const start = broker.requestCount(broker.keysUrl(platform));
    const begun = broker.clock.now;
    let tries = 0;
    while (broker.clock.now < begun + 120) {
      const forged = await Promise.all(Array.from({ length: 10 }, (_, i) => forge(`made-up-${tries + i}`)));
      const answers = await Promise.all(forged.map((token) => broker.me(platform, token)));
      // The first token costs the fetch and is refused; tokens during the cooldown may be retried.
      for (const { status } of answers) expect([401, 503]).toContain(status);
      expect((await broker.me(platform, good)).status).toBe(200);
      tries += 10;
      broker.clock.now += 1;
    }
    expect(tries).toBeGreaterThan(200);
    const windows = Math.ceil((broker.clock.now - begun) / 30);
    // One more for each minute: a key set is fetched again when it is a minute old.
    const refreshes = Math.ceil((broker.clock.now - begun) / 60);
    expect(broker.requestCount(broker.keysUrl(platform)) - start).toBeLessThanOrEqual(windows + refreshes);
  });

  it('cost one fetch in 30 s while the keys are down, too', async () => {
    const broker = await openBroker();
    const forge = await forgerOf(broker, platform);
    const url = broker.keysUrl(platform);
    broker.identityProvider.fail(url, { status: 500 });
    const begun = broker.clock.now;
    while (broker.clock.now < begun + 60) {
      const answers = await Promise.all(
        Array.from({ length: 5 }, async (_, i) => broker.me(platform, await forge(`made-up-${i}`))),
      );
      expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
      broker.clock.now += 1;
    }
    expect(broker.requestCount(url)).toBeLessThanOrEqual(1 + Math.ceil((broker.clock.now - begun) / 30));
  });

  it('of an unregistered issuer cost no fetch, whatever key address they name', async () => {
    const broker = await openBroker();
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = await exportJWK(publicKey);
    for (const iss of [`${broker.identityProvider.url}/`, 'https://evil.test', '', 'x'.repeat(2000)]) {
      const token = await new SignJWT({ iss, aud: 'x', sub: 'x', iat: NOW, exp: NOW + 60 })
        .setProtectedHeader({ alg: 'RS256', kid: 'k', jku: broker.keysUrl(platform), jwk })
        .sign(privateKey);
      expect((await broker.me(platform, token)).status).toBe(401);
    }
    expect(broker.identityProvider.requests()).toEqual([]);
  });
});
