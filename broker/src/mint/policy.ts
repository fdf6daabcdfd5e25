import type { GrantRow, LockRow } from '@agent-ticket/drizzle/control/policy.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { CREDENTIAL_MIN_LEFT_SECONDS, SESSION_SECONDS } from '@agent-ticket/shared/limits.ts';
import { InstanceName, ROLES, Role, type Transport, tierAtLeast } from '@agent-ticket/shared/names.ts';
import { type AgentEntry, type AgentRegistry, findAgent, roleScopes } from '@agent-ticket/shared/registry.ts';
import { narrow, type Scope } from '@agent-ticket/shared/scope.ts';
import type { Authenticated } from '../credentials/principal.ts';

/**
 * Who may do what with which agent. Plain data in, one decision out: no clock, no database, no request. Default
 * deny: every rule must hold, and a rule that cannot tell does not hold.
 */

/** Bump when the meaning of a rule changes; every audit event carries it. */
export const POLICY_VERSION = '1';

export const DEFAULT_INSTANCE = InstanceName.parse('default');

export interface DecisionRequest {
  readonly agent: string;
  /** Left out: {@link DEFAULT_INSTANCE}; an agent that belongs to its first user has no default. */
  readonly instance?: string | undefined;
  readonly transport: Transport;
  /** Left out: everything the role allows. */
  readonly scope?: readonly Scope[] | undefined;
}

export interface PolicyFacts {
  readonly registry: AgentRegistry;
  /** Grants that name this principal on this agent and instance and have not ended. */
  readonly grants: readonly GrantRow[];
  /** Locks that stand and bear on this request. */
  readonly locks: readonly LockRow[];
  /** Seconds since 1970. */
  readonly nowSeconds: number;
}

export interface RuleResult {
  readonly rule: string;
  readonly holds: boolean;
  /** Why not; inside only. */
  readonly reason?: DenialReason;
}

export type Decision =
  | {
      readonly allowed: true;
      readonly role: Role;
      readonly scope: Scope[];
      readonly sessionExpiry: number;
      readonly rules: RuleResult[];
    }
  | { readonly allowed: false; readonly reason: DenialReason; readonly rules: RuleResult[] };

interface Case {
  readonly who: Authenticated;
  readonly request: DecisionRequest;
  readonly facts: PolicyFacts;
  readonly entry: AgentEntry | undefined;
  readonly role: Role | undefined;
  readonly scope: Scope[] | undefined;
  /** Seconds since 1970; 0 where there is no role. */
  readonly sessionExpiry: number;
}

/** A rule says with which reason a case is refused, or `undefined` where it holds. In the order of the checks. */
const RULES: readonly [name: string, refuses: (c: Case) => DenialReason | undefined][] = [
  [
    'a stranger signs in, except for public agents',
    (c) => (isStranger(c) && c.entry?.access !== 'public' ? 'credential_missing' : undefined),
  ],
  ['the agent exists and is enabled', (c) => (c.entry === undefined ? 'agent_unknown' : undefined)],
  ['the agent is visible to the principal', (c) => (isVisible(c) ? undefined : 'agent_invisible')],
  ['the instance is one of the agent', (c) => (hasInstance(c) ? undefined : 'instance_unlisted')],
  [
    'an instance that belongs to its first user is named',
    (c) =>
      c.entry?.access === 'first-user' && c.request.instance === undefined ? 'instance_missing' : undefined,
  ],
  ['no lock stands', (c) => (c.facts.locks.length > 0 ? 'locked' : undefined)],
  [
    'the tier is high enough',
    (c) =>
      c.entry && tierAtLeast(c.who.principal.tier, c.entry.requiredTier) ? undefined : 'tier_insufficient',
  ],
  [
    'a service holds the required permissions',
    (c) => (holdsPermissions(c) ? undefined : 'permission_missing'),
  ],
  ['the principal has a role', (c) => (c.role === undefined ? 'grant_missing' : undefined)],
  [
    'the transport is offered',
    (c) =>
      c.entry?.transport === 'sse' && c.request.transport === 'websocket'
        ? 'transport_not_offered'
        : undefined,
  ],
  [
    'the role lasts',
    (c) => (c.sessionExpiry - c.facts.nowSeconds < CREDENTIAL_MIN_LEFT_SECONDS ? 'grant_missing' : undefined),
  ],
  ['the scope lies within the role', (c) => (c.scope === undefined ? 'scope_outside_role' : undefined)],
];

/** The rules by name, in the order in which they are asked. */
export const RULE_NAMES: readonly string[] = RULES.map(([name]) => name);

/** Decides one request. `rules` lists every rule up to the one that refused. */
export function decide(who: Authenticated, request: DecisionRequest, given: PolicyFacts): Decision {
  // A grant about to end gives nothing worth having; what there is without it still stands.
  const facts = { ...given, grants: given.grants.filter((grant) => lasts(grant, given.nowSeconds)) };
  const entry = findAgent(facts.registry, request.agent);
  const role = entry === undefined ? undefined : roleOf(who, entry, facts.grants);
  const scope =
    entry === undefined || role === undefined ? undefined : narrow(roleScopes(entry, role), request.scope);
  const expiry = entry === undefined || role === undefined ? 0 : sessionExpiry(who, entry, role, facts);
  const rules: RuleResult[] = [];
  for (const [rule, refuses] of RULES) {
    const reason = refuses({ who, request, facts, entry, role, scope, sessionExpiry: expiry });
    rules.push(reason === undefined ? { rule, holds: true } : { rule, holds: false, reason });
    if (reason !== undefined) return { allowed: false, reason, rules };
  }
  if (role === undefined || scope === undefined)
    throw new TypeError('an allowed request has a role and a scope');
  return { allowed: true, role, scope, sessionExpiry: expiry, rules };
}

const lasts = ({ expiresAt }: GrantRow, nowSeconds: number): boolean =>
  expiresAt === null || Math.floor(expiresAt / 1000) - nowSeconds >= CREDENTIAL_MIN_LEFT_SECONDS;

const isStranger = (c: Case): boolean => c.who.method === 'anonymous';

/** Public and viewer agents are known to all; others only to those who hold something on them. */
function isVisible({ who, entry, role }: Case): boolean {
  if (entry === undefined || (who.agents !== undefined && !who.agents.includes(entry.slug))) return false;
  return entry.access === 'grant' ? role !== undefined : true;
}

const hasInstance = ({ entry, request }: Case): boolean =>
  entry?.instances === undefined || entry.instances.includes(request.instance ?? DEFAULT_INSTANCE);

const holdsPermissions = ({ who, entry }: Case): boolean =>
  who.principal.kind === 'user' ||
  (entry?.requiredScopes ?? []).every((p) => who.principal.permissions.includes(p));

/** Whether the access mode alone makes the principal a viewer. */
const isOpenTo = (who: Authenticated, entry: AgentEntry): boolean =>
  entry.access === 'public' || (entry.access === 'viewer' && who.method !== 'anonymous');

/** The highest role that access mode or grants give. */
export function roleOf(who: Authenticated, entry: AgentEntry, grants: readonly GrantRow[]): Role | undefined {
  const granted = grants.map((grant) => Role.parse(grant.role));
  const held: readonly Role[] = isOpenTo(who, entry) ? [...granted, 'viewer'] : granted;
  return ROLES.findLast((role) => held.includes(role));
}

/** When the session's rights end: the least of every life that they hang on. In seconds. */
function sessionExpiry(
  who: Authenticated,
  entry: AgentEntry,
  role: Role,
  { grants, nowSeconds }: PolicyFacts,
): number {
  return Math.min(
    nowSeconds + SESSION_SECONDS,
    who.expiresAt ?? Number.POSITIVE_INFINITY,
    role === 'viewer' && isOpenTo(who, entry) ? Number.POSITIVE_INFINITY : lastEnd(grants, role),
  );
}

/** Every grant of the role in force is as good as the others: the last to end decides. */
function lastEnd(grants: readonly GrantRow[], role: Role): number {
  const ends = grants
    .filter((grant) => grant.role === role)
    .map((grant) => grant.expiresAt ?? Number.POSITIVE_INFINITY);
  return Math.floor(Math.max(...ends) / 1000);
}
