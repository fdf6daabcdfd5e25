import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Fault } from '../identity-provider/start.ts';
import { openFaultyWorld } from './broker.ts';

const ISSUER = 'https://dev-team.cloudflareaccess.com';
const OPERATORS = { claim: 'groups', equals: 'operators', tier: 'admin', permissions: ['keys:rotate'] };
const SETTINGS = { CLAIM_RULES: JSON.stringify([{ issuer: ISSUER, ...OPERATORS }]) };

const Me = z.looseObject({
  tier: z.string(),
  permissions: z.array(z.string()),
  sources: z.array(z.unknown()),
});

async function openOffice(settings: Readonly<Record<string, string>> = SETTINGS) {
  const world = await openFaultyWorld(settings);
  const { identityUrl } = world.identityProvider.access;
  return {
    ...world,
    identityUrl,
    asked: () => world.asked(identityUrl),
    fail: (fault: Fault | null) => world.identityProvider.fail(identityUrl, fault),
    async whoIs(wish: object) {
      const answer = await world.me('access', await world.token('access', wish));
      return { status: answer.status, ...Me.partial().parse(await answer.json()) };
    },
  };
}

describe('groups of Access', () => {
  it('reach the claim rules, and GET /me says so', async () => {
    const { whoIs } = await openOffice();
    expect(await whoIs({ email: 'dev@example.com' })).toMatchObject({
      status: 200,
      tier: 'admin',
      permissions: ['keys:rotate'],
      sources: [
        { gives: 'tier', value: 'admin', from: 'claim rule 1' },
        { gives: 'permission', value: 'keys:rotate', from: 'claim rule 1' },
      ],
    });
    expect(await whoIs({ email: 'bob@example.com' })).toMatchObject({ tier: 'free', permissions: [] });
  });

  it('are those that Access says, not those in the token', async () => {
    const { whoIs } = await openOffice();
    const claims = { groups: ['operators'] };
    expect(await whoIs({ email: 'bob@example.com', claims })).toMatchObject({
      tier: 'free',
      permissions: [],
    });
  });

  it('are asked for once in a minute for a person, and again after it', async () => {
    const { whoIs, asked, clock } = await openOffice();
    for (let i = 0; i < 5; i += 1) await whoIs({ email: 'dev@example.com' });
    expect(asked()).toBe(1);
    await whoIs({ email: 'alice@example.com' });
    expect(asked()).toBe(2);
    clock.now += 60;
    await whoIs({ email: 'dev@example.com' });
    expect(asked()).toBe(3);
  });

  it('are asked for nobody else: services, other rules, tokens that fail', async () => {
    const { whoIs, asked } = await openOffice();
    expect((await whoIs({ email: undefined, commonName: `${'5e'.repeat(16)}.access` })).status).toBe(200);
    expect((await whoIs({ email: 'dev@example.com', aud: 'ff'.repeat(32) })).status).toBe(401);
    expect((await whoIs({ email: 'dev@example.com', expiresIn: -60 })).status).toBe(401);
    expect(asked()).toBe(0);
    const other = await openOffice({
      CLAIM_RULES: JSON.stringify([{ issuer: ISSUER, claim: 'email', glob: '*@example.com', tier: 'pro' }]),
    });
    expect(await other.whoIs({ email: 'dev@example.com' })).toMatchObject({ tier: 'pro' });
    expect(other.asked()).toBe(0);
  });
});

const person = (groups: unknown): Fault => ({ body: JSON.stringify({ email: 'dev@example.com', groups }) });

const FAULTS: readonly [string, Fault][] = [
  ['an error', { status: 500 }],
  ['a refusal', { status: 401, body: '{}' }],
  ['a redirect', { status: 302 }],
  ['a page', { body: '<!doctype html><title>Sign in</title>' }],
  ['nothing', { body: '' }],
  ['5 MB', person(['x'.repeat(5 * 1024 * 1024)])],
  ['10,000 groups', person(Array.from({ length: 10_000 }, () => 'operators'))],
  ['groups that are no list', person('operators')],
  ['a list', { body: '["operators"]' }],
  // Longer than the broker waits, on the real clock.
  ['its answer too late', { delayMs: 60_000 }],
];

describe('while Access answers with', () => {
  it.each(FAULTS)('%s, a person is asked to come again, and loses nothing for it', async (_what, fault) => {
    const { whoIs, fail, clock } = await openOffice();
    fail(fault);
    const answer = await whoIs({ email: 'dev@example.com' });
    expect(answer.status).toBe(503);
    fail(null);
    clock.now += 5;
    expect(await whoIs({ email: 'dev@example.com' })).toMatchObject({ status: 200, tier: 'admin' });
    fail(fault);
    clock.now += 59;
    expect(await whoIs({ email: 'dev@example.com' })).toMatchObject({ status: 200, tier: 'admin' });
    clock.now += 2;
    expect((await whoIs({ email: 'dev@example.com' })).status).toBe(503);
  });
});
