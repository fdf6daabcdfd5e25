import { TIERS } from '@agent-ticket/shared/names.ts';
import type { AgentLimits } from '@agent-ticket/shared/registry.ts';
import { describe, expect, it } from 'vitest';
import { type Case, decideCase, entryWith, grantOf, NOW, scopes, whoWith } from '../../test/policy-cases.ts';

const limited = (limits: Partial<AgentLimits>) => ({ limits: { ...entryWith().limits, ...limits } });

describe('what an allowed request gets', () => {
  it.each<[string, Case, string[]]>([
    ['everything of its role', {}, ['agent:connect', 'agent:state:read']],
    [
      'what it asked for, with agent:connect',
      { request: { scope: scopes('agent:state:read') } },
      ['agent:connect', 'agent:state:read'],
    ],
    ['agent:connect alone', { request: { scope: scopes('agent:connect') } }, ['agent:connect']],
    ['agent:connect where it asked for nothing', { request: { scope: [] } }, ['agent:connect']],
    [
      'agent:connect although the registry forgot it',
      { entry: { scopes: { viewer: [], admin: [], owner: [] } } },
      ['agent:connect'],
    ],
  ])('is %s', (_what, c, scope) => {
    expect(decideCase(c)).toMatchObject({ allowed: true, scope });
  });

  it.each<[string, Case, number]>([
    ['an hour', {}, 3600],
    ['an hour in every tier', { who: whoWith({}, { tier: TIERS[2] }) }, 3600],
    ['the session of the agent', { entry: limited({ sessionSeconds: 900 }) }, 900],
    [
      'the session of the tier',
      { entry: limited({ sessionSeconds: 900, tiers: { free: { sessionSeconds: 60 } } }) },
      60,
    ],
    [
      'the session of the agent where another tier has its own',
      { entry: limited({ sessionSeconds: 900, tiers: { pro: { sessionSeconds: 60 } } }) },
      900,
    ],
    ['the life of the credential', { who: whoWith({ expiresAt: NOW + 100 }) }, 100],
    ['an hour of a longer credential', { who: whoWith({ expiresAt: NOW + 7200 }) }, 3600],
    ['the life of the grant', { input: { grants: [grantOf('admin', 200)] } }, 200],
    [
      'the life of the longest grant of the role',
      { input: { grants: [grantOf('admin', 200), grantOf('admin', 300)] } },
      300,
    ],
    [
      'an hour, where one grant of the role has no end',
      { input: { grants: [grantOf('admin', 200), grantOf('admin')] } },
      3600,
    ],
    [
      'the life of the grant that gives the role',
      { input: { grants: [grantOf('owner', 200), grantOf('admin')] } },
      200,
    ],
    [
      'an hour for a viewer of an open agent, whatever the grant',
      { input: { grants: [grantOf('viewer', 200)] } },
      3600,
    ],
    [
      'the life of the viewer grant where the agent is by grant',
      { entry: { access: 'grant' }, input: { grants: [grantOf('viewer', 200)] } },
      200,
    ],
    [
      'the shorter of grant and credential',
      { who: whoWith({ expiresAt: NOW + 50 }), input: { grants: [grantOf('admin', 200)] } },
      50,
    ],
  ])('lasts %s', (_what, c, seconds) => {
    expect(decideCase(c)).toMatchObject({ allowed: true, sessionExpiry: NOW + seconds });
  });
});
