import { describe, expect, it } from 'vitest';
import {
  anonymous,
  type Case,
  decideCase,
  entryWith,
  grantOf,
  LOCK,
  NOW,
  scopes,
  user,
  verdict,
  whoWith,
} from '../../test/policy-cases.ts';

const until = (seconds: number) => new Date((NOW + seconds) * 1000).toISOString();
const rollout = (role: 'viewer' | 'admin' = 'viewer', ends = 86_400) => ({
  access: 'grant' as const,
  enforce: { role, until: until(ends) },
});

describe('the rollout of an agent', () => {
  it.each<[string, Case, string, string]>([
    ['the grant', { entry: rollout() }, 'viewer', 'agent_invisible'],
    [
      'the grant of a visible agent',
      { who: user(), entry: { ...rollout('admin'), access: 'viewer', requiredTier: 'pro' } },
      'admin',
      'tier_insufficient',
    ],
    [
      'the tier',
      { entry: { ...rollout(), requiredTier: 'pro' }, input: { grants: [grantOf('owner')] } },
      'viewer',
      'tier_insufficient',
    ],
    [
      'the permission',
      { entry: { ...rollout(), requiredScopes: ['agents'] }, input: { grants: [grantOf('viewer')] } },
      'viewer',
      'permission_missing',
    ],
    [
      'all of them',
      { entry: { ...rollout('admin'), requiredScopes: ['agents'], requiredTier: 'admin' } },
      'admin',
      'agent_invisible',
    ],
  ])('turns the lack of %s into its role, and says what would be refused', (_what, c, role, wouldDeny) => {
    expect(decideCase(c)).toMatchObject({
      ...{ allowed: true, role, wouldDeny, grant: 'rollout:board', claim: undefined },
      sessionExpiry: NOW + 900,
    });
  });

  it.each<[string, Case, string]>([
    ['callers without a credential', { who: anonymous, entry: rollout() }, 'credential_missing'],
    [
      'callers without a credential below the tier of a public agent',
      { who: anonymous, entry: { ...rollout(), access: 'public', requiredTier: 'pro' } },
      'tier_insufficient',
    ],
    ['locked ones', { entry: rollout(), input: { revocations: [LOCK] } }, 'agent_invisible'],
    [
      'locked ones with a grant',
      { entry: rollout(), input: { revocations: [LOCK], grants: [grantOf('viewer')] } },
      'locked',
    ],
    [
      'those who signed out',
      {
        who: user({ issuedAt: NOW * 1000 }),
        entry: rollout(),
        input: { signedOut: { tokensBefore: NOW * 1000, loginsBefore: null } },
      },
      'credential_revoked',
    ],
    [
      'tokens that are limited to other agents',
      { who: whoWith({ agents: ['other'] }), entry: rollout() },
      'agent_invisible',
    ],
    ['instances that there are not', { entry: { ...rollout(), instances: ['other'] } }, 'agent_invisible'],
    [
      'scopes above its role',
      { entry: rollout(), request: { scope: scopes('agent:state:write') } },
      'agent_invisible',
    ],
    [
      'scopes above a grant',
      {
        entry: rollout('admin'),
        input: { grants: [grantOf('viewer')] },
        request: { scope: scopes('agent:state:write') },
      },
      'scope_outside_role',
    ],
    ['agents that are disabled', { entry: { ...rollout(), enabled: false } }, 'agent_unknown'],
    ['anybody after its end', { entry: rollout('viewer', 0) }, 'agent_invisible'],
    ['anybody, longer than thirty days ahead', { entry: rollout('viewer', 31 * 86_400) }, 'agent_invisible'],
    [
      'anybody to an agent of first users',
      { who: whoWith(), entry: { ...rollout(), access: 'first-user' } },
      'grant_missing',
    ],
  ])('lets in no %s', (_what, c, reason) => {
    expect(verdict(c)).toBe(reason);
  });

  it('changes nothing for who has all that is needed', () => {
    const entry = rollout();
    const input = { grants: [grantOf('owner')] };
    expect(decideCase({ entry, input })).toMatchObject({
      role: 'owner',
      grant: grantOf('owner').id,
      sessionExpiry: NOW + 3600,
    });
    expect(decideCase({ entry, input })).not.toHaveProperty('wouldDeny');
  });

  it.each<[string, Case, number]>([
    ['its own end', { entry: rollout('viewer', 60) }, 60],
    ['the credential', { who: whoWith({ expiresAt: NOW + 50 }), entry: rollout() }, 50],
    [
      'the agent’s sessions',
      { entry: { ...rollout(), limits: { ...entryWith().limits, sessionSeconds: 300 } } },
      300,
    ],
  ])('lasts no longer than %s', (_what, c, seconds) => {
    expect(decideCase(c)).toMatchObject({ allowed: true, sessionExpiry: NOW + seconds });
  });
});
