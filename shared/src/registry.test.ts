import { describe, expect, expectTypeOf, it } from 'vitest';
import { AGENTS } from '../../agents.ts';
import {
  type AgentEntry,
  type AgentRegistry,
  bindingNamesOf,
  type ClassBinding,
  defineAgents,
  type EnabledSlug,
  findAgent,
  limitsFor,
  registryDigest,
  roleScopes,
  rolloutFaults,
  rolloutOf,
  validateAgentRegistry,
  withDefaults,
} from './registry.ts';
import { covers } from './scope.ts';

const SOUND: AgentEntry = {
  bindingKey: 'MCP_AGENT',
  slug: 'mcp-agent',
  displayName: 'MCP agent',
  description: 'An agent for tests.',
  requiredTier: 'free',
  requiredScopes: [],
  enabled: true,
  worker: 'default',
  transport: 'websocket',
  access: 'public',
  instances: ['main'],
  scopes: {
    viewer: ['agent:connect', 'agent:state:read'],
    admin: ['agent:connect', 'agent:state:read', 'agent:rpc:a'],
    owner: ['agent:connect', 'agent:state:read', 'agent:rpc:*'],
  },
  deliveries: ['subprotocol'],
  limits: { socketsPerPrincipal: 1, messagesPerSecond: 1, frameBytes: 1 },
};
const faultsOf = (change: Partial<AgentEntry>) =>
  validateAgentRegistry([{ ...SOUND, ...change }], ['MCP_AGENT', 'NameTag']);

describe('the registry of this deployment', () => {
  it('is sound with the bindings of its enabled agents', () => {
    const registry: AgentRegistry = AGENTS;
    const bindings = registry.filter((entry) => entry.enabled).map((entry) => entry.bindingKey);
    expect(validateAgentRegistry(AGENTS, bindings)).toEqual([]);
    expect(validateAgentRegistry(AGENTS)).toEqual([]);
    expect(bindings).toEqual(expect.arrayContaining(['COUNTER', 'LOBBY']));
  });

  it('names at compile time the agents that need a binding', () => {
    expectTypeOf<EnabledSlug<typeof AGENTS>>().toEqualTypeOf<
      'counter' | 'chat' | 'integrations' | 'lobby' | 'mcp-agent'
    >();
  });

  it.each(AGENTS)('$slug lets no role write that only looks, and no higher role do less', (entry) => {
    const [viewer, admin, owner] = (['viewer', 'admin', 'owner'] as const).map((role) =>
      roleScopes(entry, role),
    );
    expect(viewer?.some((scope) => scope === 'agent:state:write' || scope === 'agent:rpc:*')).toBe(false);
    expect(viewer?.every((scope) => covers(admin ?? [], scope))).toBe(true);
    expect(admin?.every((scope) => covers(owner ?? [], scope))).toBe(true);
  });
});

describe('a registry that is defined', () => {
  it('fills in what an entry leaves out', () => {
    const [entry] = defineAgents([{ slug: 'note-book', access: 'viewer' }]);
    expect(entry).toMatchObject({
      bindingKey: 'NOTE_BOOK',
      displayName: 'note-book',
      enabled: true,
      access: 'viewer',
      requiredTier: 'free',
    });
  });

  it('lets a picture in a chat through, and little to a public agent', () => {
    const [open, own] = defineAgents([
      { slug: 'board', access: 'public', instances: ['main'] },
      { slug: 'chat' },
    ]);
    expect([open.limits.frameBytes, own.limits.frameBytes]).toEqual([64 * 1024, 4 * 1024 * 1024]);
  });

  it('a limit that is named leaves the others as they are', () => {
    const [usual, short, open] = defineAgents([
      { slug: 'notes' },
      { slug: 'chat', limits: { sessionSeconds: 60 } },
      { slug: 'board', access: 'public', instances: ['main'], limits: { socketsPerPrincipal: 2 } },
    ]);
    expect(short.limits).toEqual({ ...usual.limits, sessionSeconds: 60 });
    expect(open.limits).toEqual({ ...usual.limits, socketsPerPrincipal: 2, frameBytes: 64 * 1024 });
  });

  it('asks the compiler for the bindings of enabled agents alone', () => {
    const agents = defineAgents([
      { slug: 'a-b-c' },
      { slug: 'on', enabled: true },
      { slug: 'off', enabled: false },
      { slug: 'late', enabled: AGENTS.length > 100 },
    ]);
    expectTypeOf<EnabledSlug<typeof agents>>().toEqualTypeOf<'a-b-c' | 'on' | 'late'>();
    expect(agents.map(({ enabled }) => enabled)).toEqual([true, true, false, false]);
  });

  it('asks the compiler for the bindings of one worker alone', () => {
    const agents = defineAgents([{ slug: 'here' }, { slug: 'there', worker: 'other' }]);
    expectTypeOf<EnabledSlug<typeof agents>>().toEqualTypeOf<'here'>();
    expectTypeOf<EnabledSlug<typeof agents, 'other'>>().toEqualTypeOf<'there'>();
    expect(agents.map(({ worker }) => worker)).toEqual(['default', 'other']);
    expect(() => defineAgents([{ slug: 'there', worker: 'Other' }])).toThrow(
      'there: worker is not kebab-case',
    );
  });

  it('has one digest in any order of its entries and members, and another one for any other content', async () => {
    const [one, two] = [withDefaults({ slug: 'one' }), withDefaults({ slug: 'two' })];
    const turned = Object.fromEntries(Object.entries(one).toReversed());
    const digest = await registryDigest([one, two]);
    expect(digest).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(await registryDigest([two, { ...one, ...turned }])).toBe(digest);
    expect(await registryDigest([two, Object.assign(turned, one)])).toBe(digest);
    const others = [
      [one],
      [],
      [one, { ...two, worker: 'other' }],
      [one, { ...two, enabled: false }],
      [one, { ...two, limits: { ...two.limits, idleSeconds: 1 } }],
      [one, { ...two, scopes: { ...two.scopes, viewer: ['agent:connect'] } }],
    ];
    const digests = await Promise.all(others.map(registryDigest));
    expect(new Set([digest, ...digests]).size).toBe(others.length + 1);
  });

  it('that is not sound says every fault at once', () => {
    expect(() => defineAgents([{ slug: 'Bad' }, { slug: 'twice' }, { slug: 'twice' }])).toThrow(
      /not sound\. .*Bad: slug is not kebab-case.*/,
    );
    expect(() => defineAgents([{ slug: 'twice' }, { slug: 'twice' }])).toThrow(/used by more than one agent/);
  });
});

describe('a sound entry', () => {
  it.each<[string, Partial<AgentEntry>]>([
    ['as it is', {}],
    ['bound by the name of its class', { slug: 'name-tag', bindingKey: 'NAME_TAG' }],
    ['disabled without a binding', { enabled: false, slug: 'other', bindingKey: 'OTHER' }],
    ['with any instance, if not public', { access: 'grant', instances: [] }],
    ['with sub-agents', { subAgents: ['search', 'plan-2'] }],
    ['with an idle limit', { limits: { ...SOUND.limits, idleSeconds: 1 } }],
    [
      'with limits of tiers',
      {
        limits: {
          ...SOUND.limits,
          sessionSeconds: 3600,
          tiers: { free: { sessionSeconds: 60, socketsPerPrincipal: 1 }, admin: {} },
        },
      },
    ],
  ])('%s has no fault', (_name, change) => {
    expect(faultsOf(change)).toEqual([]);
  });

  it('is checked without bindings where there are none to check', () => {
    expect(validateAgentRegistry([SOUND])).toEqual([]);
    expect(validateAgentRegistry([])).toEqual([]);
  });
});

describe('a fault is found and named', () => {
  const { viewer, admin, owner } = SOUND.scopes;
  it.each<[string, Partial<AgentEntry>, string[]]>([
    ['a slug that is not kebab-case', { slug: 'Mcp-agent' }, ['Mcp-agent: slug is not kebab-case']],
    [
      'a binding that is not the one of the slug',
      { bindingKey: 'MCP' },
      ['mcp-agent: binding should be MCP_AGENT'],
    ],
    [
      'a binding that is not there',
      { slug: 'other', bindingKey: 'OTHER' },
      ['other: no binding OTHER or Other'],
    ],
    [
      'unknown scopes',
      { scopes: { viewer, admin: [...admin, 'agent:fly'], owner: [...owner, 'keys:revoke'] } },
      ['mcp-agent: unknown scopes agent:fly keys:revoke'],
    ],
    ['invalid instances', { instances: ['main', 'a/b', ''] }, ['mcp-agent: invalid instances a/b ']],
    ['invalid sub-agents', { subAgents: ['ok', 'No'] }, ['mcp-agent: invalid sub-agents No']],
    [
      'a limit of zero',
      { limits: { ...SOUND.limits, frameBytes: 0 } },
      ['mcp-agent: limits that are not whole and positive: frameBytes'],
    ],
    [
      'limits that are no whole numbers',
      {
        limits: {
          socketsPerPrincipal: 1.5,
          messagesPerSecond: Number.NaN,
          frameBytes: Infinity,
          idleSeconds: -1,
        },
      },
      [
        'mcp-agent: limits that are not whole and positive: socketsPerPrincipal messagesPerSecond frameBytes idleSeconds',
      ],
    ],
    [
      'sessions that are too short or too long',
      { limits: { ...SOUND.limits, sessionSeconds: 59, tiers: { free: { sessionSeconds: 3601 } } } },
      ['mcp-agent: sessions shorter than 60 or longer than 3600 s: sessionSeconds free.sessionSeconds'],
    ],
    [
      'a limit of a tier that is not positive',
      { limits: { ...SOUND.limits, tiers: { pro: { messagesPerSecond: 0 } } } },
      ['mcp-agent: limits that are not whole and positive: pro.messagesPerSecond'],
    ],
    [
      'tiers and limits of tiers that there are not',
      { limits: { ...SOUND.limits, tiers: JSON.parse('{"gold": {}, "pro": {"frameBytes": 1}}') } },
      ['mcp-agent: unknown tiers or limits of tiers: gold pro.frameBytes'],
    ],
    [
      'a rollout of an agent of first users',
      { access: 'first-user', enforce: { role: 'viewer', until: '2027-01-01T00:00:00Z' } },
      ['mcp-agent: enforce has no meaning for an agent of first users'],
    ],
    [
      'a rollout that makes owners, until a day of no zone',
      { enforce: JSON.parse('{"role": "owner", "until": "2027-01-01"}') },
      ['mcp-agent: enforce.role is none of viewer, admin', 'mcp-agent: enforce.until is no time with a zone'],
    ],
    ['no delivery', { deliveries: [] }, ['mcp-agent: no known delivery']],
    [
      'a public agent with any instance',
      { instances: [] },
      ['mcp-agent: a public agent lists its instances'],
    ],
    [
      'a public agent that anonymous callers may write to',
      {
        scopes: { viewer: ['agent:state:write'], admin: ['agent:state:write'], owner: ['agent:state:write'] },
      },
      ['mcp-agent: a public agent gives anonymous callers no write scope'],
    ],
    [
      'a public agent that anonymous callers may send messages to',
      { scopes: { viewer: ['agent:message'], admin: ['agent:message'], owner: ['agent:message'] } },
      ['mcp-agent: a public agent gives anonymous callers no write scope'],
    ],
    [
      'an admin below a viewer',
      { scopes: { viewer, admin: ['agent:connect'], owner } },
      ['mcp-agent: admin may do less than viewer'],
    ],
    [
      'an owner below an admin',
      { scopes: { viewer, admin, owner: viewer } },
      ['mcp-agent: owner may do less than admin'],
    ],
  ])('%s', (_name, change, faults) => {
    expect(faultsOf(change)).toEqual(faults);
  });

  it('a delivery that is none of ours', () => {
    const deliveries: AgentEntry['deliveries'] = JSON.parse('["subprotocol","cookie"]');
    expect(faultsOf({ deliveries })).toEqual(['mcp-agent: no known delivery']);
  });

  it('a public agent on which anonymous callers may call everything', () => {
    const scopes = { viewer: ['agent:rpc:*'], admin: ['agent:rpc:*'], owner: ['agent:rpc:*'] };
    expect(faultsOf({ scopes })).toEqual([
      'mcp-agent: a public agent gives anonymous callers no write scope',
    ]);
  });

  it('two agents of one slug and one binding', () => {
    expect(validateAgentRegistry([SOUND, SOUND])).toEqual([
      'slug mcp-agent is used by more than one agent',
      'binding MCP_AGENT is used by more than one agent',
      'binding McpAgent is used by more than one agent',
    ]);
  });

  it('reports all faults of all agents at once', () => {
    const worst: AgentEntry = { ...SOUND, slug: 'X', deliveries: [], instances: [] };
    expect(validateAgentRegistry([worst, { ...SOUND, deliveries: [] }], []).length).toBeGreaterThan(5);
  });
});

describe('looking up', () => {
  const registry = [SOUND, { ...SOUND, slug: 'off', bindingKey: 'OFF', enabled: false }];

  it('finds an enabled agent by its exact slug', () => {
    expect(findAgent(registry, 'mcp-agent')).toBe(SOUND);
  });

  it.each(['off', 'none', 'MCP-AGENT', 'mcp-agent ', '', '__proto__', 'constructor'])(
    'finds nothing for %j',
    (slug) => {
      expect(findAgent(registry, slug)).toBeUndefined();
    },
  );

  it('gives every role connect, once and first', () => {
    const scopes = { viewer: [], admin: ['agent:message', 'agent:connect'], owner: ['agent:connect'] };
    const entry = { ...SOUND, scopes };
    expect(roleScopes(entry, 'viewer')).toEqual(['agent:connect']);
    expect(roleScopes(entry, 'admin')).toEqual(['agent:connect', 'agent:message']);
    expect(roleScopes(entry, 'owner')).toEqual(['agent:connect']);
  });

  it('derives both bindings of each slug', () => {
    expect(['counter', 'mcp-agent', 'a-b-c'].map(bindingNamesOf)).toEqual([
      ['COUNTER', 'Counter'],
      ['MCP_AGENT', 'McpAgent'],
      ['A_B_C', 'ABC'],
    ]);
    expectTypeOf<ClassBinding<'a-b-c'>>().toEqualTypeOf<'ABC'>();
  });

  it.each([
    ['note-2', 'note2', 'Note2'],
    ['ab', 'a-b', 'AB'],
  ])(
    '%s and %s are no agents of one registry, since %s would be the binding of both',
    (one, other, binding) => {
      expect(() => defineAgents([{ slug: one }, { slug: other }])).toThrow(
        `binding ${binding} is used by more than one agent`,
      );
    },
  );
});

it('the limits of a tier stand in for those of the agent, one by one', () => {
  const limits = {
    ...SOUND.limits,
    tiers: { free: { messagesPerSecond: 2 }, admin: { sessionSeconds: 60 } },
  };
  expect(limitsFor({ limits }, 'free')).toEqual({ ...SOUND.limits, messagesPerSecond: 2 });
  expect(limitsFor({ limits }, 'pro')).toEqual(SOUND.limits);
  expect(limitsFor({ limits }, 'admin')).toEqual({ ...SOUND.limits, sessionSeconds: 60 });
});

describe('a rollout', () => {
  const NOW = Date.UTC(2027, 0, 1);
  const DAY_MS = 86_400_000;
  const entry = (inDays: number, more: Partial<AgentEntry> = {}): AgentEntry => ({
    ...SOUND,
    enforce: { role: 'viewer', until: new Date(NOW + inDays * DAY_MS).toISOString() },
    ...more,
  });

  it.each([
    ['until its end', entry(1), true],
    ['not at its end', entry(0), false],
    ['for thirty days', entry(30), true],
    ['not for more', entry(30.001), false],
    ['not without one', SOUND, false],
    ['not for first users', entry(1, { access: 'first-user' }), false],
  ])('is in force %s', (_when, given, isInForce) => {
    expect(rolloutOf(given, NOW) !== undefined).toBe(isInForce);
  });

  it('that ends too late is a fault of the registry', () => {
    expect(rolloutFaults([entry(30), SOUND], NOW)).toEqual([]);
    expect(rolloutFaults([entry(31)], NOW)).toEqual(['mcp-agent: enforce.until is more than 30 days ahead']);
  });
});
