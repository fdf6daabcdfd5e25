import { ROLES, TIERS, type Transport, tierAtLeast } from '@agent-ticket/shared/names.ts';
import {
  type Access,
  type AgentEntry,
  roleScopes,
  validateAgentRegistry,
} from '@agent-ticket/shared/registry.ts';
import { covers, Scope } from '@agent-ticket/shared/scope.ts';
import { forAll } from '@agent-ticket/shared/test/property.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  anonymous,
  claimOf,
  entryWith,
  grantOf,
  inputWith,
  LOCK,
  NOW,
  requestWith,
  user,
  whoWith,
} from '../../test/policy-cases.ts';
import type { Authenticated } from '../credentials/principal.ts';
import { type Decision, decide, MAX_CLAIMS, type PolicyInput } from './policy.ts';

/** Sentences about every case of the policy. */

const SCOPES = [
  'agent:connect',
  'agent:state:read',
  'agent:state:write',
  'agent:message',
  'agent:rpc:add',
  'agent:rpc:*',
];

interface Case {
  readonly who: Authenticated;
  readonly request: Parameters<typeof decide>[1];
  readonly input: PolicyInput;
}

/** Seconds from now, near or far. */
const soon = fc.oneof(fc.nat(9), fc.nat(7199));
const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 2 });
const someScopes = fc.subarray(SCOPES);

/** Each role may do at least what the one below it may, as the registry's own check demands. */
const entry: fc.Arbitrary<AgentEntry> = fc
  .record({
    access: fc.constantFrom<Access>('public', 'viewer', 'grant', 'first-user', 'first-user'),
    enabled: fc.integer({ min: 0, max: 9 }).map((at) => at > 0),
    requiredTier: fc.constantFrom('free', 'free', 'pro', 'admin'),
    requiredScopes: fc.constantFrom([], [], [], [], ['agents']),
    transport: fc.constantFrom('websocket', 'websocket', 'websocket', 'sse'),
    listed: fc.constantFrom(undefined, undefined, undefined, ['main'], ['main', 'other'], ['other']),
    scopes: fc.tuple(someScopes, someScopes, someScopes),
  })
  .map(({ listed, scopes: [first, second, third], ...rest }) => {
    const isPublic = rest.access === 'public';
    const viewer = isPublic ? first.filter((name) => SCOPES.indexOf(name) < 2) : first;
    const admin = [...new Set([...viewer, ...second])];
    const owner = [...new Set([...admin, ...third])];
    const instances = listed ?? (isPublic ? ['main'] : undefined);
    return entryWith({ ...rest, ...(instances && { instances }), scopes: { viewer, admin, owner } });
  });

const grant = fc
  .tuple(fc.constantFrom(...ROLES), maybe(soon))
  .map(([role, endsIn]) => grantOf(role, endsIn === undefined ? undefined : 1 + endsIn));
const grants = fc.array(grant, { maxLength: 3 });

/** Owners that the instance ever had: none, or claims and others in every state. */
const owners = fc.array(
  fc
    .record({
      madeAgo: fc.nat(1_199),
      claimed: fc.constantFrom(true, true, true, false),
      openedAt: fc.constantFrom(null, null, 1),
      deletedAt: fc.constantFrom(null, null, 1),
    })
    .map(({ madeAgo, ...states }) => claimOf('somebody', madeAgo, states)),
  { maxLength: 2, size: '-1' },
);

const who: fc.Arbitrary<Authenticated> = fc
  .record({
    kind: fc.constantFrom('anonymous', 'user', 'user', 'user', 'service', 'service', 'service'),
    expiresIn: maybe(soon),
    issuedAt: fc.constantFrom(undefined, undefined, NOW * 1000),
    login: fc.constantFrom(undefined, undefined, undefined, 'a'.repeat(22)),
    agents: fc.constantFrom(undefined, undefined, undefined, ['board'], ['other'], ['other', 'board']),
    tier: fc.constantFrom(...TIERS),
    permissions: fc.subarray(['agents', 'keys:read']),
  })
  .map(({ kind, expiresIn, issuedAt, login, agents, ...given }) => {
    if (kind === 'anonymous') return anonymous;
    const limits = {
      ...(expiresIn !== undefined && { expiresAt: NOW + expiresIn }),
      ...(issuedAt !== undefined && { issuedAt }),
      ...(login !== undefined && { login }),
      ...(agents !== undefined && { agents }),
    };
    const made = kind === 'service' ? whoWith(limits, given) : user(limits);
    return { ...made, principal: { ...made.principal, ...given } };
  });

const anyCase: fc.Arbitrary<Case> = fc
  .record({
    who,
    entry,
    grants,
    owners,
    agent: fc.constantFrom(...Array.from({ length: 9 }, () => 'board'), 'none'),
    instance: fc.constantFrom('main', 'main', 'main', 'main', 'other', undefined),
    transport: fc.constantFrom<Transport[]>('websocket', 'websocket', 'http'),
    scope: maybe(someScopes),
    isLocked: fc.integer({ min: 0, max: 9 }).map((at) => at === 0),
    claims: fc.constantFrom(0, 1, 2, MAX_CLAIMS, MAX_CLAIMS),
    signedOut: fc.constantFrom(
      undefined,
      undefined,
      undefined,
      { tokensBefore: NOW * 1000, loginsBefore: null },
      { tokensBefore: NOW * 1000 - 1, loginsBefore: NOW * 1000 },
    ),
  })
  .map((c) => ({
    who: c.who,
    request: requestWith({
      agent: c.agent,
      instance: c.instance,
      transport: c.transport,
      scope: c.scope?.map((name) => Scope.parse(name)),
    }),
    input: inputWith({
      registry: [c.entry],
      grants: c.grants,
      revocations: c.isLocked ? [LOCK] : [],
      owners: c.owners,
      claims: c.claims,
      signedOut: c.signedOut,
    }),
  }));

const decideCase = ({ who, request, input }: Case): Decision => decide(who, request, input);

/** Whether the second decision gives at least what the first does. */
const givesAtLeast = (less: Decision, more: Decision): boolean =>
  !less.allowed || (more.allowed && less.scope.every((scope) => covers(more.scope, scope)));

describe('in every case', () => {
  it('there is a decision by a sound registry, and the cases are of all kinds', () => {
    const words = new Map<string, number>();
    // This number of samples has each kind, in a quick run as in a long one.
    for (const c of fc.sample(anyCase, { numRuns: 3_000, seed: 1 })) {
      const decision = decideCase(c);
      const word = decision.allowed ? decision.role : decision.reason;
      words.set(word, (words.get(word) ?? 0) + 1);
      expect(validateAgentRegistry(c.input.registry)).toEqual([]);
    }
    expect([...words.keys()].sort()).toEqual([
      'admin',
      'agent_invisible',
      'agent_unknown',
      'claim_limit_reached',
      'credential_missing',
      'credential_revoked',
      'grant_missing',
      'instance_missing',
      'instance_unlisted',
      'locked',
      'owner',
      'permission_missing',
      'scope_outside_role',
      'tier_insufficient',
      'transport_not_offered',
      'viewer',
    ]);
    expect(Math.min(...words.values())).toBeGreaterThan(10);
  });

  it('more grants never give less', () => {
    return forAll(fc.tuple(anyCase, grants), ([c, more]) => {
      const input = { ...c.input, grants: [...c.input.grants, ...more] };
      const decision = decideCase(c);
      // Any role that a grant gives is held without a claim, which would have given the owner's.
      if (decision.allowed && decision.claim !== undefined) return true;
      return givesAtLeast(decision, decideCase({ ...c, input }));
    });
  });

  it('a claim makes a user the owner of an instance that no owner holds, and no other role', () => {
    return forAll(anyCase, (c) => {
      const decision = decideCase(c);
      if (!decision.allowed || decision.claim === undefined) return true;
      const { owners } = c.input;
      return (
        decision.role === 'owner' &&
        decision.grant === undefined &&
        c.who.principal.kind === 'user' &&
        c.input.registry[0]?.access === 'first-user' &&
        owners.every((owner) => owner === decision.claim?.lapses && owner.deletedAt === null)
      );
    });
  });

  it('the order of the grants means nothing', () => {
    return forAll(anyCase, (c) => {
      const input = { ...c.input, grants: [...c.input.grants].reverse() };
      return JSON.stringify(decideCase(c)) === JSON.stringify(decideCase({ ...c, input }));
    });
  });

  it('a lock gives nothing, and never more', () => {
    return forAll(anyCase, (c) => {
      const locked = decideCase({
        ...c,
        input: { ...c.input, revocations: [...c.input.revocations, LOCK] },
      });
      return !locked.allowed && givesAtLeast(locked, decideCase(c));
    });
  });

  it('narrowing never widens, and what is asked for is what is given', () => {
    return forAll(anyCase, (c) => {
      const all = decideCase({ ...c, request: { ...c.request, scope: undefined } });
      const narrowed = decideCase(c);
      if (!narrowed.allowed) return true;
      const asked = c.request.scope ?? (all.allowed ? all.scope : []);
      return (
        givesAtLeast(narrowed, all) &&
        new Set(narrowed.scope).size === narrowed.scope.length &&
        narrowed.scope.every((scope) => scope === 'agent:connect' || asked.includes(scope)) &&
        asked.every((scope) => narrowed.scope.includes(scope))
      );
    });
  });

  it('a higher tier never gives less', () => {
    return forAll(fc.tuple(anyCase, fc.constantFrom(...TIERS)), ([c, tier]) => {
      if (!tierAtLeast(tier, c.who.principal.tier)) return true;
      const who = { ...c.who, principal: { ...c.who.principal, tier } };
      return givesAtLeast(decideCase(c), decideCase({ ...c, who }));
    });
  });

  it('more permissions never give less, and a limit to agents never more', () => {
    return forAll(anyCase, (c) => {
      const permissions = [...c.who.principal.permissions, 'agents', 'keys:rotate'];
      const trusted = { ...c.who, principal: { ...c.who.principal, permissions } };
      const limited = { ...c.who, agents: (c.who.agents ?? ['board']).slice(1) };
      return (
        givesAtLeast(decideCase(c), decideCase({ ...c, who: trusted })) &&
        givesAtLeast(decideCase({ ...c, who: limited }), decideCase(c))
      );
    });
  });

  it('no role is above those that the caller holds: of the access, a grant of its own, or a claim', () => {
    return forAll(anyCase, (c) => {
      const decision = decideCase(c);
      if (!decision.allowed) return true;
      const { access } = c.input.registry[0] ?? {};
      const isPlain = access === 'viewer' || access === 'public';
      const held: readonly string[] = [
        ...(isPlain ? (['viewer'] as const) : []),
        ...(decision.claim === undefined ? [] : (['owner'] as const)),
        ...c.input.grants
          .filter(({ expiresAt }) => expiresAt === null || expiresAt > NOW * 1000)
          .map(({ role }) => role),
      ];
      return ROLES.some((role, rank) => held.includes(role) && rank >= ROLES.indexOf(decision.role));
    });
  });

  it('an agent that is unknown or disabled allows nothing', () => {
    return forAll(anyCase, (c) => {
      const unknown = decideCase({ ...c, request: { ...c.request, agent: 'nobody' } });
      const registry = c.input.registry.map((entry) => ({ ...entry, enabled: false }));
      const disabled = decideCase({ ...c, input: { ...c.input, registry } });
      const empty = decideCase({ ...c, input: { ...c.input, registry: [] } });
      return (
        !unknown.allowed &&
        JSON.stringify(unknown) === JSON.stringify(disabled) &&
        JSON.stringify(unknown) === JSON.stringify(empty)
      );
    });
  });

  it('an anonymous caller is a viewer of a public agent, or nothing', () => {
    return forAll(anyCase, (c) => {
      const decision = decideCase({ ...c, who: anonymous, input: { ...c.input, grants: [] } });
      return !decision.allowed || (decision.role === 'viewer' && c.input.registry[0]?.access === 'public');
    });
  });

  it('what is given lies within the role, and ends with what it hangs on', () => {
    return forAll(anyCase, (c) => {
      const decision = decideCase(c);
      const [entry] = c.input.registry;
      if (!decision.allowed || entry === undefined) return true;
      return (
        decision.scope[0] === 'agent:connect' &&
        decision.scope.every((scope) => covers(roleScopes(entry, decision.role), scope)) &&
        decision.sessionExpiry >= NOW + 5 &&
        decision.sessionExpiry <= NOW + 3600 &&
        decision.sessionExpiry <= (c.who.expiresAt ?? Number.POSITIVE_INFINITY) &&
        Number.isInteger(decision.sessionExpiry)
      );
    });
  });
});
