import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import type { Role } from '@agent-ticket/shared/names.ts';
import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { describe, expect, it } from 'vitest';
import {
  anonymous,
  type Case,
  decideCase,
  grantOf,
  LOCK,
  NOW,
  scopes,
  user,
  verdict,
  whoWith,
} from '../../test/policy-cases.ts';
import { MAX_CLAIMS, RULE_NAMES } from './policy.ts';

/** All bearer tokens until now were given up, and no sign-in of a browser. */
const SIGNED_OUT = { tokensBefore: NOW * 1000, loginsBefore: null };

describe('a rule', () => {
  const table: [string, Case, Role | DenialReason][] = [
    ['lets a principal view what is open to principals', {}, 'viewer'],
    [
      'lets an anonymous caller view what is public',
      { who: anonymous, entry: { access: 'public' } },
      'viewer',
    ],
    ['asks an anonymous caller to sign in elsewhere', { who: anonymous }, 'credential_missing'],
    [
      'asks an anonymous caller to sign in for an agent by grant',
      { who: anonymous, entry: { access: 'grant' } },
      'credential_missing',
    ],
    [
      'asks an anonymous caller to sign in for an agent of first users',
      { who: anonymous, entry: { access: 'first-user' } },
      'credential_missing',
    ],
    [
      'asks an anonymous caller to sign in before it says that there is no agent',
      { who: anonymous, request: { agent: 'none' } },
      'credential_missing',
    ],
    [
      'asks an anonymous caller to sign in for a public agent that is disabled',
      { who: anonymous, entry: { access: 'public', enabled: false } },
      'credential_missing',
    ],
    ['knows no agent that is not listed', { request: { agent: 'none' } }, 'agent_unknown'],
    ['knows no agent in other letters', { request: { agent: 'Board' } }, 'agent_unknown'],
    ['knows no disabled agent', { entry: { enabled: false } }, 'agent_unknown'],
    [
      'knows no disabled agent, grant or not',
      { entry: { enabled: false }, input: { grants: [grantOf('owner')] } },
      'agent_unknown',
    ],
    ['hides an agent by grant from who has none', { entry: { access: 'grant' } }, 'agent_invisible'],
    [
      'shows an agent by grant to who has one',
      { entry: { access: 'grant' }, input: { grants: [grantOf('viewer')] } },
      'viewer',
    ],
    [
      'hides agents outside those of the credential',
      { who: whoWith({ agents: ['other'] }) },
      'agent_invisible',
    ],
    ['hides every agent from a credential for none', { who: whoWith({ agents: [] }) }, 'agent_invisible'],
    ['shows agents of the credential', { who: whoWith({ agents: ['board'] }) }, 'viewer'],
    [
      'hides a public agent outside those of the credential',
      { who: whoWith({ agents: ['other'] }), entry: { access: 'public' } },
      'agent_invisible',
    ],
    ['knows no instance outside the list', { entry: { instances: ['lobby'] } }, 'instance_unlisted'],
    ['knows an instance on the list', { entry: { instances: ['main'] } }, 'viewer'],
    ['knows no instance where the list is empty', { entry: { instances: [] } }, 'instance_unlisted'],
    ['refuses under a lock', { input: { revocations: [LOCK] } }, 'locked'],
    [
      'refuses an owner under a lock',
      { input: { revocations: [LOCK], grants: [grantOf('owner')] } },
      'locked',
    ],
    ['refuses a tier that is too low', { entry: { requiredTier: 'pro' } }, 'tier_insufficient'],
    [
      'refuses a tier that is one too low',
      { who: whoWith({}, { tier: 'pro' }), entry: { requiredTier: 'admin' } },
      'tier_insufficient',
    ],
    [
      'refuses an owner of a tier that is too low',
      { entry: { requiredTier: 'pro' }, input: { grants: [grantOf('owner')] } },
      'tier_insufficient',
    ],
    [
      'takes a tier that is high enough',
      { who: whoWith({}, { tier: 'pro' }), entry: { requiredTier: 'pro' } },
      'viewer',
    ],
    [
      'takes a tier that is higher',
      { who: whoWith({}, { tier: 'admin' }), entry: { requiredTier: 'pro' } },
      'viewer',
    ],
    [
      'refuses a service without the permission',
      { entry: { requiredScopes: ['agents'] } },
      'permission_missing',
    ],
    [
      'refuses a service with one of two permissions',
      { who: whoWith({}, { permissions: ['agents'] }), entry: { requiredScopes: ['agents', 'more'] } },
      'permission_missing',
    ],
    [
      'takes a service with the permission',
      { who: whoWith({}, { permissions: ['agents'] }), entry: { requiredScopes: ['agents'] } },
      'viewer',
    ],
    ['asks no user for that permission', { who: user(), entry: { requiredScopes: ['agents'] } }, 'viewer'],
    [
      'gives a service no role without a grant on an agent of first users',
      { entry: { access: 'first-user' } },
      'grant_missing',
    ],
    ['gives the role that was granted', { input: { grants: [grantOf('admin')] } }, 'admin'],
    [
      'gives the highest role of several',
      { input: { grants: [grantOf('viewer'), grantOf('owner'), grantOf('admin')] } },
      'owner',
    ],
    [
      'gives no anonymous caller a role of a grant where it must sign in',
      { who: anonymous, input: { grants: [grantOf('owner')] } },
      'credential_missing',
    ],
    [
      'offers no socket to an agent that streams over HTTP',
      { entry: { transport: 'sse' } },
      'transport_not_offered',
    ],
    [
      'offers requests to an agent that streams over HTTP',
      { entry: { transport: 'sse' }, request: { transport: 'http' } },
      'viewer',
    ],
    ['offers requests to an agent of sockets', { request: { transport: 'http' } }, 'viewer'],
    ['gives no more than the role', { request: { scope: scopes('agent:message') } }, 'scope_outside_role'],
    ['gives a scope of the role', { request: { scope: scopes('agent:state:read') } }, 'viewer'],
    [
      'gives one method under all of them',
      { request: { scope: scopes('agent:rpc:x') }, input: { grants: [grantOf('owner')] } },
      'owner',
    ],
    [
      'gives no other method',
      { request: { scope: scopes('agent:rpc:x') }, input: { grants: [grantOf('admin')] } },
      'scope_outside_role',
    ],
    ['gives nothing that is about to end', { who: whoWith({ expiresAt: NOW + 4 }) }, 'grant_missing'],
    ['gives what lasts five seconds', { who: whoWith({ expiresAt: NOW + 5 }) }, 'viewer'],
    [
      'gives nothing by a grant alone that is about to end',
      { entry: { access: 'first-user' }, input: { grants: [grantOf('owner', 4)] } },
      'grant_missing',
    ],
    [
      'gives the role below where the higher grant is about to end',
      { input: { grants: [grantOf('owner', 4), grantOf('admin')] } },
      'admin',
    ],
    [
      'gives what is open to all where the grant is about to end',
      { input: { grants: [grantOf('owner', 4)] } },
      'viewer',
    ],
  ];
  it.each(table)('%s', (_what, c, expected) => {
    expect(verdict(c)).toBe(expected);
  });

  it('refuses a role that nobody knows as a bug, not as a right', () => {
    const strange = { ...grantOf('viewer'), role: 'root' };
    expect(() => decideCase({ input: { grants: [strange] } })).toThrow();
  });
});

describe('a principal that signed out', () => {
  const before = SIGNED_OUT.tokensBefore;
  const login = 'a'.repeat(22);
  const revoked = { ...LOCK, target: `login:${login}`, code: 'session_terminated' } as const;
  it.each<[string, Case, Role | DenialReason]>([
    ['gets nothing by a bearer token of before', { who: user({ issuedAt: before }) }, 'credential_revoked'],
    ['gets a ticket by a bearer token of after', { who: user({ issuedAt: before + 1 }) }, 'viewer'],
    ['gets a ticket by a credential without a time', { who: user() }, 'viewer'],
    ['gets a ticket by a sign-in that was not named', { who: user({ issuedAt: before, login }) }, 'viewer'],
    [
      'gets nothing by any sign-in of before, where all were ended',
      {
        who: user({ issuedAt: before, login }),
        input: { signedOut: { ...SIGNED_OUT, loginsBefore: before } },
      },
      'credential_revoked',
    ],
    [
      'gets a ticket by a sign-in of after',
      {
        who: user({ issuedAt: before + 1, login }),
        input: { signedOut: { ...SIGNED_OUT, loginsBefore: before } },
      },
      'viewer',
    ],
    [
      'gets nothing by the sign-in that was named',
      { who: user({ issuedAt: before + 1, login }), input: { revocations: [revoked] } },
      'credential_revoked',
    ],
  ])('%s', (_what, c, expected) => {
    expect(verdict({ ...c, input: { signedOut: SIGNED_OUT, ...c.input } })).toBe(expected);
  });
});

describe('the order of the rules', () => {
  /** A case in which every rule is broken; each step mends the first that is. */
  const broken: Case = {
    who: anonymous,
    entry: {
      enabled: false,
      access: 'grant',
      instances: ['other'],
      requiredTier: 'pro',
      requiredScopes: ['agents'],
      transport: 'sse',
    },
    request: { instance: undefined, scope: scopes('agent:message') },
    input: { revocations: [LOCK], signedOut: SIGNED_OUT, claims: MAX_CLAIMS },
  };
  const mend = (c: Case, entry: Partial<AgentEntry>): Case => ({ ...c, entry: { ...c.entry, ...entry } });
  const know = (c: Case, input: Case['input']): Case => ({ ...c, input: { ...c.input, ...input } });
  const ending = { expiresAt: NOW + 1, issuedAt: NOW * 1000 };
  const steps: [DenialReason, (c: Case) => Case][] = [
    ['credential_missing', (c) => ({ ...c, who: whoWith(ending) })],
    ['credential_revoked', (c) => know(c, { signedOut: undefined })],
    ['agent_unknown', (c) => mend(c, { enabled: true })],
    ['agent_invisible', (c) => mend(c, { access: 'first-user' })],
    ['instance_unlisted', (c) => mend(c, { instances: ['main', 'default'] })],
    ['instance_missing', (c) => ({ ...c, request: { scope: scopes('agent:message') } })],
    ['locked', (c) => know(c, { revocations: [] })],
    ['tier_insufficient', (c) => mend(c, { requiredTier: 'free' })],
    ['permission_missing', (c) => mend(c, { requiredScopes: [] })],
    ['grant_missing', (c) => ({ ...c, who: user(ending) })],
    ['claim_limit_reached', (c) => mend(c, { access: 'viewer' })],
    ['transport_not_offered', (c) => mend(c, { transport: 'websocket' })],
    ['grant_missing', (c) => ({ ...c, who: whoWith() })],
    ['scope_outside_role', (c) => ({ ...c, request: {} })],
  ];

  it('is that of the protocol: the first broken rule gives the reason', () => {
    const reasons: string[] = [];
    let c = broken;
    for (const [, mended] of steps) {
      reasons.push(verdict(c));
      c = mended(c);
    }
    expect(reasons).toEqual(steps.map(([reason]) => reason));
    expect(verdict(c)).toBe('viewer');
  });

  it('is written down with the decision, up to the rule that refused', () => {
    const allowed = decideCase({});
    expect(allowed.rules.every(({ holds }) => holds)).toBe(true);
    expect(allowed.rules).toHaveLength(RULE_NAMES.length);
    const denied = decideCase({ input: { revocations: [LOCK] } });
    expect(denied.rules.map(({ holds }) => holds)).toEqual([true, true, true, true, true, true, false]);
    expect(denied.rules.at(-1)).toMatchObject({ reason: 'locked' });
    expect(denied.rules.slice(0, -1)).toEqual(allowed.rules.slice(0, 6));
  });
});
