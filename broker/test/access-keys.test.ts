import { describe, expect, it } from 'vitest';
import {
  accessKeys,
  assertion,
  CERTS_URL,
  certsOf,
  makeAccessKey,
  serveCerts,
  TEAM,
  USER,
} from './access.ts';
import { accessBroker } from './access-broker.ts';
import { refusal, ticketOf } from './call.ts';
import { NOW, setClock } from './clock.ts';
import { outbound } from './outbound.ts';
import { makeToken } from './tokens.ts';

const { mint, subjectOf } = accessBroker();

describe('the keys of Access', () => {
  it.each<[string, () => Response | Promise<Response>]>([
    ['the connection fails', () => Promise.reject(new TypeError('connection refused'))],
    ['an error page comes', () => new Response('<h1>503</h1>', { status: 503 })],
    ['a sign-in page comes', () => new Response('<!doctype html>')],
    ['an empty set comes', () => Response.json({ keys: [] })],
    ['a megabyte comes', () => Response.json({ ...certsOf(accessKeys), padding: 'x'.repeat(1 << 20) })],
  ])('out of reach (%s) are a 503 that asks to come again, never a 401', async (_what, serve) => {
    outbound.serve(CERTS_URL, serve);
    const reply = await mint(await assertion());
    expect(refusal(reply)).toBe('503 UNAVAILABLE');
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('once read serve on while they are out of reach, up to six minutes', async () => {
    await subjectOf(await assertion());
    outbound.serve(CERTS_URL, () => new Response(null, { status: 503 }));
    for (const seconds of [61, 120, 300, 359]) {
      setClock(seconds);
      expect(await subjectOf(await assertion())).toBe(`access:${TEAM}:user:${USER}`);
    }
    setClock(420);
    expect(refusal(await mint(await assertion()))).toBe('503 UNAVAILABLE');
  });

  it('out of reach close nothing to service tokens', async () => {
    outbound.serve(CERTS_URL, () => new Response(null, { status: 503 }));
    ticketOf(await mint((await makeToken()).pair));
    expect(outbound.asked).toEqual([]);
  });

  it('are fetched at most once in 30 s for names that nobody has', async () => {
    await subjectOf(await assertion());
    setClock(31);
    const start = outbound.asked.length;
    for (let i = 0; i < 20; i += 1) {
      const reply = await mint(await assertion({}, { header: { kid: `made-up-${i}` } }));
      // The first one costs the fetch; those that meet the cooldown cannot know, and may come again.
      expect(['401 UNAUTHORIZED', '503 UNAVAILABLE']).toContain(refusal(reply));
    }
    expect(outbound.asked.length - start).toBeLessThanOrEqual(
      1 + Math.ceil((Date.now() / 1000 - NOW - 31) / 30),
    );
  });

  it('are learned anew when Access rotates', async () => {
    await subjectOf(await assertion());
    const next = await makeAccessKey();
    serveCerts([next, accessKeys[0]]);
    setClock(61);
    expect(await subjectOf(await assertion({}, { key: next }))).toBe(`access:${TEAM}:user:${USER}`);
  });

  it.each([
    ['an RSA key without alg', ({ alg: _alg, ...jwk }: Record<string, unknown>) => jwk],
    [
      'a symmetric key',
      ({ kid }: Record<string, unknown>) => ({ kty: 'oct', k: 'c2VjcmV0', alg: 'HS256', kid }),
    ],
    ['something that is no key', () => 'key'],
  ])('beside %s are taken nevertheless, and that one is not', async (_what, spoil) => {
    const spoiled = { ...accessKeys[0].jwk, kid: 'spoiled' };
    outbound.serve(CERTS_URL, () => Response.json({ keys: [spoil(spoiled), accessKeys[1].jwk] }));
    expect(await subjectOf(await assertion({}, { key: accessKeys[1] }))).toBe(`access:${TEAM}:user:${USER}`);
    const reply = await mint(await assertion({}, { key: { ...accessKeys[0], kid: 'spoiled' } }));
    expect(refusal(reply)).not.toBe('201');
    expect(['401 UNAUTHORIZED', '503 UNAVAILABLE']).toContain(refusal(reply));
  });
});
