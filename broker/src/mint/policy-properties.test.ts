import { ROLES, TIERS, tierAtLeast } from '@agent-ticket/shared/names.ts';
import {
  type Access,
  type AgentEntry,
  roleScopes,
  validateAgentRegistry,
} from '@agent-ticket/shared/registry.ts';
import { covers, Scope } from '@agent-ticket/shared/scope.ts';
import { createRandom } from '@agent-ticket/shared/test/random.ts';
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

/** Sentences about every case, tried on seeded ones: a case that fails once fails every time. */

const RUNS = 3_000;
const SCOPES = [
  'agent:connect',
  'agent:state:read',
  'agent:state:write',
  'agent:message',
  'agent:rpc:add',
  'agent:rpc:*',
];
type Random = ReturnType<typeof createRandom>;

interface Case {
  readonly who: Authenticated;
  readonly request: Parameters<typeof decide>[1];
  readonly input: PolicyInput;
}

/** Each role may do at least what the one below it may, as the registry's own check demands. */
function randomEntry(random: Random): AgentEntry {
  const access = random.pick<Access>(['public', 'viewer', 'grant', 'first-user', 'first-user']);
  const reading = SCOPES.slice(0, 2);
  const viewer = random.subset(access === 'public' ? reading : SCOPES);
  const admin = [...new Set([...viewer, ...random.subset(SCOPES)])];
  const owner = [...new Set([...admin, ...random.subset(SCOPES)])];
  return entryWith({
    access,
    enabled: random.chance(0.9),
    requiredTier: random.pick(['free', 'free', 'pro', 'admin']),
    requiredScopes: random.chance(0.2) ? ['agents'] : [],
    transport: random.chance(0.2) ? 'sse' : 'websocket',
    ...(access === 'public' || random.chance(0.3)
      ? { instances: random.pick([['main'], ['main', 'other'], ['other']]) }
      : {}),
    scopes: { viewer, admin, owner },
  });
}

const randomGrants = (random: Random, count: number) =>
  Array.from({ length: random.below(count) }, () =>
    grantOf(random.pick(ROLES), random.chance(0.6) ? undefined : 1 + random.below(random.pick([10, 7200]))),
  );

/** Owners that the instance ever had: none, or claims and others in every state. */
const randomOwners = (random: Random) =>
  Array.from({ length: random.pick([0, 0, 1, 2]) }, () =>
    claimOf('somebody', random.below(1_200), {
      claimed: random.chance(0.8),
      openedAt: random.pick([null, null, 1]),
      deletedAt: random.pick([null, null, 1]),
    }),
  );

function randomWho(random: Random): Authenticated {
  if (random.chance(0.15)) return anonymous;
  const limits = {
    ...(random.chance(0.3) ? { expiresAt: NOW + random.below(random.pick([10, 7200])) } : {}),
    ...(random.chance(0.3) ? { issuedAt: NOW * 1000 } : {}),
    ...(random.chance(0.2) ? { login: 'a'.repeat(22) } : {}),
    ...(random.chance(0.2) ? { agents: random.pick([['board'], ['other'], ['other', 'board']]) } : {}),
  };
  const given = { tier: random.pick(TIERS), permissions: random.subset(['agents', 'keys:read']) };
  const who = random.chance(0.5) ? whoWith(limits, given) : user(limits);
  return { ...who, principal: { ...who.principal, ...given } };
}

const randomCase = (random: Random): Case => ({
  who: randomWho(random),
  request: requestWith({
    agent: random.chance(0.9) ? 'board' : 'none',
    instance: random.chance(0.15) ? undefined : random.pick(['main', 'main', 'other']),
    transport: random.pick(['websocket', 'http']),
    scope: random.chance(0.5) ? undefined : random.subset(SCOPES).map((name) => Scope.parse(name)),
  }),
  input: inputWith({
    registry: [randomEntry(random)],
    grants: randomGrants(random, 4),
    revocations: random.chance(0.1) ? [LOCK] : [],
    owners: randomOwners(random),
    claims: random.chance(0.5) ? MAX_CLAIMS : random.below(3),
    signedOut: random.chance(0.2)
      ? { tokensBefore: NOW * 1000 - random.below(2), loginsBefore: random.pick([null, NOW * 1000]) }
      : undefined,
  }),
});

const decideCase = ({ who, request, input }: Case): Decision => decide(who, request, input);

/** Whether the second decision gives at least what the first does. */
const givesAtLeast = (less: Decision, more: Decision): boolean =>
  !less.allowed || (more.allowed && less.scope.every((scope) => covers(more.scope, scope)));

/** Cases in which a sentence does not hold; each run has its own seed, which names it. */
function counterexamples(holds: (c: Case, random: Random) => boolean): number[] {
  return Array.from({ length: RUNS }, (_, seed) => seed).filter((seed) => {
    const random = createRandom(seed);
    return !holds(randomCase(random), random);
  });
}

describe('in every case', () => {
  it('there is a decision, and the cases are of all kinds', () => {
    const words = new Map<string, number>();
    counterexamples((c) => {
      const decision = decideCase(c);
      const word = decision.allowed ? decision.role : decision.reason;
      words.set(word, (words.get(word) ?? 0) + 1);
      return validateAgentRegistry(c.input.registry).length === 0;
    });
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

  it('the registry of the case is a sound one', () => {
    expect(counterexamples((c) => validateAgentRegistry(c.input.registry).length === 0)).toEqual([]);
  });

  it('more grants never give less', () => {
    expect(
      counterexamples((c, random) => {
        const input = { ...c.input, grants: [...c.input.grants, ...randomGrants(random, 3)] };
        const decision = decideCase(c);
        // Any role that a grant gives is held without a claim, which would have given the owner's.
        if (decision.allowed && decision.claim !== undefined) return true;
        return givesAtLeast(decision, decideCase({ ...c, input }));
      }),
    ).toEqual([]);
  });

  it('a claim makes a user the owner of an instance that no owner holds, and no other role', () => {
    expect(
      counterexamples((c) => {
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
      }),
    ).toEqual([]);
  });

  it('the order of the grants means nothing', () => {
    expect(
      counterexamples((c) => {
        const input = { ...c.input, grants: [...c.input.grants].reverse() };
        return JSON.stringify(decideCase(c)) === JSON.stringify(decideCase({ ...c, input }));
      }),
    ).toEqual([]);
  });

  it('a lock gives nothing, and never more', () => {
    expect(
      counterexamples((c) => {
        const locked = decideCase({
          ...c,
          input: { ...c.input, revocations: [...c.input.revocations, LOCK] },
        });
        return !locked.allowed && givesAtLeast(locked, decideCase(c));
      }),
    ).toEqual([]);
  });

  it('narrowing never widens, and what is asked for is what is given', () => {
    expect(
      counterexamples((c) => {
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
      }),
    ).toEqual([]);
  });

  it('a higher tier never gives less', () => {
    expect(
      counterexamples((c, random) => {
        const tier = random.pick(TIERS);
        if (!tierAtLeast(tier, c.who.principal.tier)) return true;
        const who = { ...c.who, principal: { ...c.who.principal, tier } };
        return givesAtLeast(decideCase(c), decideCase({ ...c, who }));
      }),
    ).toEqual([]);
  });

  it('more permissions never give less, and a limit to agents never more', () => {
    expect(
      counterexamples((c) => {
        const permissions = [...c.who.principal.permissions, 'agents', 'keys:rotate'];
        const trusted = { ...c.who, principal: { ...c.who.principal, permissions } };
        const limited = { ...c.who, agents: (c.who.agents ?? ['board']).slice(1) };
        return (
          givesAtLeast(decideCase(c), decideCase({ ...c, who: trusted })) &&
          givesAtLeast(decideCase({ ...c, who: limited }), decideCase(c))
        );
      }),
    ).toEqual([]);
  });

  it('an agent that is unknown or disabled allows nothing', () => {
    expect(
      counterexamples((c) => {
        const unknown = decideCase({ ...c, request: { ...c.request, agent: 'nobody' } });
        const registry = c.input.registry.map((entry) => ({ ...entry, enabled: false }));
        const disabled = decideCase({ ...c, input: { ...c.input, registry } });
        const empty = decideCase({ ...c, input: { ...c.input, registry: [] } });
        return (
          !unknown.allowed &&
          JSON.stringify(unknown) === JSON.stringify(disabled) &&
          JSON.stringify(unknown) === JSON.stringify(empty)
        );
      }),
    ).toEqual([]);
  });

  it('an anonymous caller is a viewer of a public agent, or nothing', () => {
    expect(
      counterexamples((c) => {
        const decision = decideCase({ ...c, who: anonymous, input: { ...c.input, grants: [] } });
        return !decision.allowed || (decision.role === 'viewer' && c.input.registry[0]?.access === 'public');
      }),
    ).toEqual([]);
  });

  it('what is given lies within the role, and ends with what it hangs on', () => {
    expect(
      counterexamples((c) => {
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
      }),
    ).toEqual([]);
  });
});
