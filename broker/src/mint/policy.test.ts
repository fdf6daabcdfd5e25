import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import type { Role } from '@agent-ticket/shared/names.ts';
import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { describe, expect, it } from 'vitest';
import {
  type Case,
  decideCase,
  grantOf,
  LOCK,
  NOW,
  scopes,
  stranger,
  user,
  verdict,
  whoWith,
} from '../../test/policy-cases.ts';

describe('a rule', () => {
  const table: [string, Case, Role | DenialReason][] = [
    ['lets a principal view what is open to principals', {}, 'viewer'],
    ['lets a stranger view what is public', { who: stranger, entry: { access: 'public' } }, 'viewer'],
    ['asks a stranger to sign in elsewhere', { who: stranger }, 'credential_missing'],
    [
      'asks a stranger to sign in for an agent by grant',
      { who: stranger, entry: { access: 'grant' } },
      'credential_missing',
    ],
    [
      'asks a stranger to sign in for an agent of first users',
      { who: stranger, entry: { access: 'first-user' } },
      'credential_missing',
    ],
    [
      'asks a stranger to sign in before it says that there is no agent',
      { who: stranger, request: { agent: 'none' } },
      'credential_missing',
    ],
    [
      'asks a stranger to sign in for a public agent that is disabled',
      { who: stranger, entry: { access: 'public', enabled: false } },
      'credential_missing',
    ],
    ['knows no agent that is not listed', { request: { agent: 'none' } }, 'agent_unknown'],
    ['knows no agent in other letters', { request: { agent: 'Board' } }, 'agent_unknown'],
    ['knows no disabled agent', { entry: { enabled: false } }, 'agent_unknown'],
    [
      'knows no disabled agent, grant or not',
      { entry: { enabled: false }, facts: { grants: [grantOf('owner')] } },
      'agent_unknown',
    ],
    ['hides an agent by grant from who has none', { entry: { access: 'grant' } }, 'agent_invisible'],
    [
      'shows an agent by grant to who has one',
      { entry: { access: 'grant' }, facts: { grants: [grantOf('viewer')] } },
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
    ['refuses under a lock', { facts: { locks: [LOCK] } }, 'locked'],
    ['refuses an owner under a lock', { facts: { locks: [LOCK], grants: [grantOf('owner')] } }, 'locked'],
    ['refuses a tier that is too low', { entry: { requiredTier: 'pro' } }, 'tier_insufficient'],
    [
      'refuses a tier that is one too low',
      { who: whoWith({}, { tier: 'pro' }), entry: { requiredTier: 'admin' } },
      'tier_insufficient',
    ],
    [
      'refuses an owner of a tier that is too low',
      { entry: { requiredTier: 'pro' }, facts: { grants: [grantOf('owner')] } },
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
      'gives no role without a grant to an agent of first users',
      { who: user(), entry: { access: 'first-user' } },
      'grant_missing',
    ],
    ['gives the role that was granted', { facts: { grants: [grantOf('admin')] } }, 'admin'],
    [
      'gives the highest role of several',
      { facts: { grants: [grantOf('viewer'), grantOf('owner'), grantOf('admin')] } },
      'owner',
    ],
    [
      'gives no stranger a role of a grant where it must sign in',
      { who: stranger, facts: { grants: [grantOf('owner')] } },
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
      { request: { scope: scopes('agent:rpc:x') }, facts: { grants: [grantOf('owner')] } },
      'owner',
    ],
    [
      'gives no other method',
      { request: { scope: scopes('agent:rpc:x') }, facts: { grants: [grantOf('admin')] } },
      'scope_outside_role',
    ],
    ['gives nothing that is about to end', { who: whoWith({ expiresAt: NOW + 4 }) }, 'grant_missing'],
    ['gives what lasts five seconds', { who: whoWith({ expiresAt: NOW + 5 }) }, 'viewer'],
    [
      'gives nothing by a grant alone that is about to end',
      { entry: { access: 'first-user' }, facts: { grants: [grantOf('owner', 4)] } },
      'grant_missing',
    ],
    [
      'gives the role below where the higher grant is about to end',
      { facts: { grants: [grantOf('owner', 4), grantOf('admin')] } },
      'admin',
    ],
    [
      'gives what is open to all where the grant is about to end',
      { facts: { grants: [grantOf('owner', 4)] } },
      'viewer',
    ],
  ];
  it.each(table)('%s', (_what, c, expected) => {
    expect(verdict(c)).toBe(expected);
  });

  it('refuses a role that nobody knows as a bug, not as a right', () => {
    const strange = { ...grantOf('viewer'), role: 'root' };
    expect(() => decideCase({ facts: { grants: [strange] } })).toThrow();
  });
});

describe('the order of the rules', () => {
  /** A case in which every rule is broken; each step mends the first that is. */
  const broken: Case = {
    who: stranger,
    entry: {
      enabled: false,
      access: 'grant',
      instances: ['other'],
      requiredTier: 'pro',
      requiredScopes: ['agents'],
      transport: 'sse',
    },
    request: { scope: scopes('agent:message') },
    facts: { locks: [LOCK] },
  };
  const mend = (c: Case, entry: Partial<AgentEntry>): Case => ({ ...c, entry: { ...c.entry, ...entry } });
  const steps: [DenialReason, (c: Case) => Case][] = [
    ['credential_missing', (c) => ({ ...c, who: whoWith({ expiresAt: NOW + 1 }) })],
    ['agent_unknown', (c) => mend(c, { enabled: true })],
    ['agent_invisible', (c) => mend(c, { access: 'first-user' })],
    ['instance_unlisted', (c) => mend(c, { instances: ['main'] })],
    ['locked', (c) => ({ ...c, facts: { ...c.facts, locks: [] } })],
    ['tier_insufficient', (c) => mend(c, { requiredTier: 'free' })],
    ['permission_missing', (c) => mend(c, { requiredScopes: [] })],
    ['grant_missing', (c) => mend(c, { access: 'viewer' })],
    ['transport_not_offered', (c) => mend(c, { transport: 'websocket' })],
    ['grant_missing', (c) => ({ ...c, who: whoWith() })],
    ['scope_outside_role', (c) => ({ ...c, request: {} })],
  ];

  it('is that of the protocol: the first that is broken is the one that is told', () => {
    const told: string[] = [];
    let c = broken;
    for (const [, mended] of steps) {
      told.push(verdict(c));
      c = mended(c);
    }
    expect(told).toEqual(steps.map(([reason]) => reason));
    expect(verdict(c)).toBe('viewer');
  });

  it('is written down with the decision, up to the rule that refused', () => {
    const allowed = decideCase({});
    expect(allowed.rules.every(({ holds }) => holds)).toBe(true);
    expect(allowed.rules).toHaveLength(12);
    const denied = decideCase({ facts: { locks: [LOCK] } });
    expect(denied.rules.map(({ holds }) => holds)).toEqual([true, true, true, true, true, false]);
    expect(denied.rules.at(-1)).toMatchObject({ reason: 'locked' });
    expect(denied.rules.slice(0, -1)).toEqual(allowed.rules.slice(0, 5));
  });
});
