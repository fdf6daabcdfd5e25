import { describe, expect, it } from 'vitest';
import { anonymous, whoWith } from '../../test/policy-cases.ts';
import type { Authenticated } from '../credentials/principal.ts';
import { accountOf, instanceMarkOf, rateRuleOf } from './shard.ts';

const rateOf = (who: Authenticated, address: string | null) => ({
  account: accountOf(who, address),
  rate: rateRuleOf(who, address),
});

describe('the account of a request', () => {
  it('of an anonymous caller is the address', () => {
    expect(rateOf(anonymous, '2001:DB8::1')).toEqual({
      account: 'address:2001:db8:0:0::/64',
      rate: { key: 'address:2001:db8:0:0::/64', limit: 30 },
    });
  });

  it.each([
    ['free', 60],
    ['pro', 600],
  ] as const)('of the tier %s is the principal, with %i', (tier, limit) => {
    const who = whoWith({}, { tier });
    expect(rateOf(who, '192.0.2.1')).toEqual({ account: 'token:1', rate: { key: 'token:1', limit } });
  });

  it('of the tier admin has no limit', () => {
    expect(rateOf(whoWith({}, { tier: 'admin' }), null)).toEqual({ account: 'token:1', rate: undefined });
  });

  it('of a principal called like an address is not that of the address', () => {
    expect(rateOf(anonymous, 'unknown').account).not.toBe(rateOf(whoWith(), 'unknown').account);
  });
});

describe('the mark of an instance', () => {
  const at = { agent: 'counter', instance: 'main' };

  it.each([
    ['an anonymous caller', anonymous, 'address:2001:db8:0:0::/64', 10],
    ['the tier free', whoWith({}, { tier: 'free' }), 'token:1', 20],
    ['the tier pro', whoWith({}, { tier: 'pro' }), 'token:1', 200],
  ] as const)('of %s is of the account', (_who, who, account, limit) => {
    expect(instanceMarkOf(who, '2001:db8::1', at)).toEqual({
      account,
      name: 'counter/main',
      limit,
      windowMs: 3_600_000,
    });
  });

  it('of the tier admin there is none', () => {
    expect(instanceMarkOf(whoWith({}, { tier: 'admin' }), null, at)).toBeUndefined();
  });
});
