import type { Fault } from 'agent-ticket/src/identity-provider/start.ts';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { openBroker } from './broker.ts';

const ISSUER = 'https://dev-team.cloudflareaccess.com';
const OPERATORS = { claim: 'groups', equals: 'operators', tier: 'admin', permissions: ['keys:rotate'] };
const SETTINGS = { CLAIM_RULES: JSON.stringify([{ issuer: ISSUER, ...OPERATORS }]) };

const Me = z.looseObject({
  tier: z.string(),
  permissions: z.array(z.string()),
  sources: z.array(z.unknown()),
});

async function openBrokerWithGroups(settings: Readonly<Record<string, string>> = SETTINGS) {
  const broker = await openBroker(settings);
  const { identityUrl } = broker.identityProvider.access;
  return {
    ...broker,
    identityUrl,
    requestCount: () => broker.requestCount(identityUrl),
    fail: (fault: Fault | null) => broker.identityProvider.fail(identityUrl, fault),
    async me(fields: object) {
      const answer = await broker.me('access', await broker.token('access', fields));
      return { status: answer.status, ...Me.partial().parse(await answer.json()) };
    },
  };
}

describe('groups of Access', () => {
  it('are input of the claim rules, and GET /me shows that', async () => {
    const { me } = await openBrokerWithGroups();
    expect(await me({ email: 'dev@example.com' })).toMatchObject({
      status: 200,
      tier: 'admin',
      permissions: ['keys:rotate'],
      sources: [
        { gives: 'tier', value: 'admin', from: 'claim rule 1' },
        { gives: 'permission', value: 'keys:rotate', from: 'claim rule 1' },
      ],
    });
    expect(await me({ email: 'bob@example.com' })).toMatchObject({ tier: 'free', permissions: [] });
  });

  it('are those of get-identity, not those in the token', async () => {
    const { me } = await openBrokerWithGroups();
    const claims = { groups: ['operators'] };
    expect(await me({ email: 'bob@example.com', claims })).toMatchObject({
      tier: 'free',
      permissions: [],
    });
  });

  it('are fetched once in a minute for a person, and again after it', async () => {
    const { me, requestCount, clock } = await openBrokerWithGroups();
    for (let i = 0; i < 5; i += 1) await me({ email: 'dev@example.com' });
    expect(requestCount()).toBe(1);
    await me({ email: 'alice@example.com' });
    expect(requestCount()).toBe(2);
    clock.now += 60;
    await me({ email: 'dev@example.com' });
    expect(requestCount()).toBe(3);
  });

  it('are not fetched for services, other rules and invalid tokens', async () => {
    const { me, requestCount } = await openBrokerWithGroups();
    expect((await me({ email: undefined, commonName: `${'5e'.repeat(16)}.access` })).status).toBe(200);
    expect((await me({ email: 'dev@example.com', aud: 'ff'.repeat(32) })).status).toBe(401);
    expect((await me({ email: 'dev@example.com', expiresIn: -60 })).status).toBe(401);
    expect(requestCount()).toBe(0);
    const other = await openBrokerWithGroups({
      CLAIM_RULES: JSON.stringify([{ issuer: ISSUER, claim: 'email', glob: '*@example.com', tier: 'pro' }]),
    });
    expect(await other.me({ email: 'dev@example.com' })).toMatchObject({ tier: 'pro' });
    expect(other.requestCount()).toBe(0);
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
  it.each(FAULTS)('%s, a person gets a 503, and has the same rights afterwards', async (_what, fault) => {
    const { me, fail, clock } = await openBrokerWithGroups();
    fail(fault);
    const answer = await me({ email: 'dev@example.com' });
    expect(answer.status).toBe(503);
    fail(null);
    clock.now += 5;
    expect(await me({ email: 'dev@example.com' })).toMatchObject({ status: 200, tier: 'admin' });
    fail(fault);
    clock.now += 59;
    expect(await me({ email: 'dev@example.com' })).toMatchObject({ status: 200, tier: 'admin' });
    clock.now += 2;
    expect((await me({ email: 'dev@example.com' })).status).toBe(503);
  });
});
