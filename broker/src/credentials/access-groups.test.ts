import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { describe, expect, it } from 'vitest';
import { createAccessGroups } from './access-groups.ts';

const NOW = 1_800_000_000_000;
const TEAM = {
  namespace: 'access:team.test',
  issuer: 'https://team.test',
  audiences: ['aud'],
  maxAgeSeconds: null,
  keysUrl: 'https://team.test/cdn-cgi/access/certs',
};
const person = (name: string) => PrincipalId.parse(`access:team.test:user:${name}`);
const ALICE = person('alice');

/** Groups over an Access that gives the answers in order, the last one for ever. */
function accessOf(...answers: (() => Response | Promise<Response>)[]) {
  const asked: { url: string; headers: Record<string, string>; signal: AbortSignal }[] = [];
  const fetch = async (url: string, init: { headers: Record<string, string>; signal: AbortSignal }) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)];
    asked.push({ url, ...init });
    if (answer === undefined) throw new TypeError('nothing answers');
    return answer();
  };
  return { asked, groups: createAccessGroups({ fetch }) };
}
const says = (groups: unknown) => () => Response.json({ email: 'a@example.com', groups });
const down = () => new Response('', { status: 500 });

describe('the groups of an Access user', () => {
  it('are asked for next to the certificates, with the person’s token and a time limit', async () => {
    const { groups, asked } = accessOf(says(['ops']));
    expect(await groups.of('e.y.J', ALICE, TEAM, NOW)).toEqual({ ok: true, value: ['ops'] });
    expect(asked).toEqual([
      {
        url: 'https://team.test/cdn-cgi/access/get-identity',
        headers: { cookie: 'CF_Authorization=e.y.J' },
        signal: expect.any(AbortSignal),
      },
    ]);
  });

  it.each<[string, unknown, readonly string[]]>([
    ['names', ['a', 'b'], ['a', 'b']],
    ['objects with a name', [{ id: '1', name: 'a' }], ['a']],
    ['both at once', ['a', { name: 'b', email: 'b@example.com' }], ['a', 'b']],
    ['none', [], []],
    ['left out', undefined, []],
  ])('are read as %s', async (_what, given, expected) => {
    const { groups } = accessOf(says(given));
    expect(await groups.of('t', ALICE, TEAM, NOW)).toEqual({ ok: true, value: expected });
  });

  it.each<[string, number, number]>([
    ['at once', 0, 1],
    ['just before a minute', 59_999, 1],
    ['after a minute', 60_000, 2],
    ['when the clock went back', -1, 2],
  ])('are asked for again %s: %i ms, %i calls', async (_when, later, calls) => {
    const { groups, asked } = accessOf(says(['ops']));
    await groups.of('t', ALICE, TEAM, NOW);
    await groups.of('t', ALICE, TEAM, NOW + later);
    expect(asked).toHaveLength(calls);
  });

  it('are held by principal: by another token they are the same, for another person they are others', async () => {
    const { groups, asked } = accessOf(says(['ops']), says(['dev']));
    await groups.of('t', ALICE, TEAM, NOW);
    expect(await groups.of('u', ALICE, TEAM, NOW)).toEqual({ ok: true, value: ['ops'] });
    expect(asked).toHaveLength(1);
    expect(await groups.of('t', person('bob'), TEAM, NOW)).toEqual({ ok: true, value: ['dev'] });
  });

  it('that were lost are gone within a minute', async () => {
    const { groups } = accessOf(says(['ops']), says([]));
    await groups.of('t', ALICE, TEAM, NOW);
    expect(await groups.of('t', ALICE, TEAM, NOW + 60_000)).toEqual({ ok: true, value: [] });
  });

  it('are held for a thousand people, and the one asked for longest ago goes first', async () => {
    const { groups, asked } = accessOf(says(['ops']));
    for (let at = 0; at < 1_000; at += 1) await groups.of('t', person(`${at}`), TEAM, NOW);
    // Asked for anew, so no longer the oldest.
    await groups.of('t', person('0'), TEAM, NOW + 60_000);
    await groups.of('t', person('1000'), TEAM, NOW + 60_000);
    expect(asked).toHaveLength(1_002);
    const again = async (name: string): Promise<boolean> => {
      const before = asked.length;
      await groups.of('t', person(name), TEAM, NOW + 59_999);
      return asked.length > before;
    };
    expect([await again('999'), await again('2'), await again('1')]).toEqual([false, false, true]);
  });
});

describe('while Access does not answer', () => {
  it.each<[string, () => Response | Promise<Response>]>([
    ['but fails', down],
    ['but does not know the person', () => Response.json({ err: 'no session' }, { status: 401 })],
    ['but redirects', () => new Response(null, { status: 302, headers: { location: 'https://team.test' } })],
    ['but says 204', () => new Response(null, { status: 204 })],
    [
      'but sends a page',
      () => new Response('<!doctype html><p>Sign in', { headers: { 'content-type': 'text/html' } }),
    ],
    ['but sends nothing', () => new Response('')],
    ['but sends too much', says(['x'.repeat(64 * 1024)])],
    ['but sends too many', says(Array.from({ length: 1_001 }, () => 'g'))],
    ['but sends a list', () => Response.json(['ops'])],
    ['but sends groups that are none', says('ops')],
    ['but sends groups of numbers', says([1])],
    ['but sends null', () => Response.json(null)],
    ['but breaks off', () => new Response(new ReadableStream({ pull: (c) => c.error(new Error('reset')) }))],
    ['and the network is gone', () => Promise.reject(new TypeError('fetch failed'))],
    ['in time', () => Promise.reject(new DOMException('timed out', 'TimeoutError'))],
  ])('%s, the groups are unknown, not none, and are asked for again when we said', async (_how, answer) => {
    const { groups, asked } = accessOf(answer, says(['ops']));
    const unknown = { ok: false, denial: { reason: 'identity_source_unavailable', retryAfter: 5 } };
    for (const later of [0, 0, 1_000, 4_999])
      expect(await groups.of('t', ALICE, TEAM, NOW + later)).toEqual(unknown);
    expect(asked).toHaveLength(1);
    expect(await groups.of('t', ALICE, TEAM, NOW + 5_000)).toEqual({ ok: true, value: ['ops'] });
    expect(asked).toHaveLength(2);
  });

  it('for one person, another one is asked about all the same', async () => {
    const { groups, asked } = accessOf(down, says(['dev']));
    await groups.of('t', ALICE, TEAM, NOW);
    expect(await groups.of('t', person('bob'), TEAM, NOW)).toEqual({ ok: true, value: ['dev'] });
    expect(asked).toHaveLength(2);
  });

  it('what is held serves its minute and no longer', async () => {
    const { groups } = accessOf(says(['ops']), down);
    await groups.of('t', ALICE, TEAM, NOW);
    expect((await groups.of('t', ALICE, TEAM, NOW + 59_999)).ok).toBe(true);
    expect((await groups.of('t', ALICE, TEAM, NOW + 60_000)).ok).toBe(false);
  });
});
