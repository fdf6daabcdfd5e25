import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import type { Role } from '@agent-ticket/shared/names.ts';
import { describe, expect, it } from 'vitest';
import {
  type Case,
  claimOf,
  decideCase,
  grantOf,
  LOCK,
  scopes,
  user,
  whoWith,
} from '../../test/policy-cases.ts';
import { CLAIM_LAPSES_MS, MAX_CLAIMS } from './policy.ts';

describe('a first user', () => {
  const who = user();
  const own = who.principal.id;
  const LAPSED = CLAIM_LAPSES_MS / 1000 + 1;
  const claimed = claimOf('somebody', LAPSED);
  const decideFirst = (c: Case) => decideCase({ who, ...c, entry: { ...c.entry, access: 'first-user' } });

  it.each<[string, Case, Role | DenialReason]>([
    ['becomes the owner of an instance that never had one', {}, 'owner'],
    ['is no service', { who: whoWith() }, 'grant_missing'],
    ['is nobody where another claimed', { input: { owners: [claimOf('somebody', 1)] } }, 'grant_missing'],
    [
      'is nobody where a claim has not lapsed yet, to the second',
      { input: { owners: [claimOf('somebody', LAPSED - 1)] } },
      'grant_missing',
    ],
    [
      'is nobody where the claim was opened',
      { input: { owners: [{ ...claimed, openedAt: 1 }] } },
      'grant_missing',
    ],
    [
      'is nobody where an operator named the owner',
      { input: { owners: [{ ...claimed, claimed: false }] } },
      'grant_missing',
    ],
    [
      'is nobody where the owner was deleted: the instance stays closed',
      { input: { owners: [{ ...claimed, deletedAt: 1 }] } },
      'grant_missing',
    ],
    [
      'is nobody where there was another owner beside the claim that lapses',
      { input: { owners: [claimed, { ...grantOf('owner'), deletedAt: 1 }] } },
      'grant_missing',
    ],
    ['claims no more than so many', { input: { claims: MAX_CLAIMS } }, 'claim_limit_reached'],
    ['claims the last of so many', { input: { claims: MAX_CLAIMS - 1 } }, 'owner'],
    [
      'needs no claim for the role that it has',
      { input: { claims: MAX_CLAIMS, grants: [grantOf('viewer')] } },
      'viewer',
    ],
    ['claims nothing under a lock', { input: { revocations: [LOCK] } }, 'locked'],
    [
      'claims nothing for a scope outside that of an owner',
      {
        entry: { scopes: { viewer: [], admin: [], owner: scopes('agent:message') } },
        request: { scope: scopes('agent:rpc:x') },
      },
      'scope_outside_role',
    ],
  ])('%s', (_what, c, expected) => {
    const decision = decideFirst(c);
    expect(decision.allowed ? decision.role : decision.reason).toBe(expected);
  });

  it('claims by the decision, and by no stored grant', () => {
    expect(decideFirst({})).toMatchObject({ claim: { lapses: undefined }, grant: undefined });
    expect(decideFirst({ input: { grants: [grantOf('viewer')] } })).toMatchObject({
      claim: undefined,
      grant: grantOf('viewer').id,
    });
  });

  it.each([
    ['of somebody else', 'somebody', []],
    ['of its own', own, [claimOf(own, LAPSED)]],
  ])('learns of a claim %s that may lapse, as its object must be asked first', (_what, subject, grants) => {
    const owner = claimOf(subject, LAPSED);
    expect(decideFirst({ input: { owners: [owner], grants } })).toMatchObject({
      allowed: true,
      role: 'owner',
      grant: undefined,
      claim: { lapses: owner },
    });
  });
});
