import type { GrantRow, PolicyRows } from '@agent-ticket/drizzle/control/policy.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { CREDENTIAL_MIN_LEFT_SECONDS, SESSION_SECONDS } from '@agent-ticket/shared/limits.ts';
import { InstanceName, ROLES, Role, type Transport, tierAtLeast } from '@agent-ticket/shared/names.ts';
import {
  type AgentEntry,
  type AgentRegistry,
  findAgent,
  limitsFor,
  roleScopes,
  rolloutGrant,
  rolloutOf,
} from '@agent-ticket/shared/registry.ts';
import { narrow, type Scope } from '@agent-ticket/shared/scope.ts';
import { type Authenticated, isBeforeSignOut } from '../credentials/principal.ts';

/**
 * The authorization policy. A pure function from plain data to one decision: no clock, no database, no request. Default
 * deny: every rule must hold, and a rule whose facts are missing does not hold.
 */

/** Bump when the meaning of a rule changes; every audit event carries it. */
export const POLICY_VERSION = '2';

/** The most instances that one user may own by a first-user claim. Each costs a row for ever. */
export const MAX_CLAIMS = 100;

/** Age in ms at which an unused claim may lapse. Without it, one caller could reserve names at no cost. */
export const CLAIM_LAPSES_MS = 10 * 60_000;

export const DEFAULT_INSTANCE = InstanceName.parse('default');

interface DecisionRequest {
  readonly agent: string;
  /** Left out: {@link DEFAULT_INSTANCE}; an agent that belongs to its first user has no default. */
  readonly instance?: string | undefined;
  readonly transport: Transport;
  /** Left out: everything the role allows. */
  readonly scope?: readonly Scope[] | undefined;
}

/** The facts of a decision besides the caller and the request. */
export interface PolicyInput extends Omit<PolicyRows, 'rev'> {
  readonly registry: AgentRegistry;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Refusals that say nothing of the agent: the same answer as for one that does not exist. */
export const HIDDEN: readonly DenialReason[] = ['agent_unknown', 'agent_invisible', 'instance_unlisted'];

interface RuleResult {
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
      /** Seconds since 1970. */
      readonly sessionExpiry: number;
      /** The grant that decided; left out where the agent is open to the principal, or a claim decides. */
      readonly grant: string | undefined;
      /** The principal becomes the owner of the instance by asking: the claim has to be made first. */
      readonly claim: Claim | undefined;
      /** Why the request would be refused, where the rollout of the agent lets it pass. */
      readonly wouldDeny?: DenialReason;
      readonly rules: RuleResult[];
    }
  | { readonly allowed: false; readonly reason: DenialReason; readonly rules: RuleResult[] };

/** How a first user comes to own an instance. */
interface Claim {
  /** A claim of somebody who never opened the instance, as far as is known: its object must be asked before it lapses. */
  readonly lapses: GrantRow | undefined;
}

interface Case {
  readonly who: Authenticated;
  readonly request: DecisionRequest;
  readonly input: PolicyInput;
  readonly entry: AgentEntry | undefined;
  readonly role: Role | undefined;
  readonly claim: Claim | undefined;
  readonly scope: Scope[] | undefined;
  /** Seconds since 1970; 0 where there is no role. */
  readonly sessionExpiry: number;
  /** The rollout that the case is judged by; `undefined`: by the rules as they are. */
  readonly rollout: Rollout | undefined;
}

type Rollout = NonNullable<ReturnType<typeof rolloutOf>>;

/** A rule returns the reason of the refusal, or `undefined` where it holds. In the order of the checks. */
const RULES: readonly [name: string, refuses: (c: Case) => DenialReason | undefined][] = [
  [
    'a caller without a credential is let in to public agents alone',
    (c) => (isAnonymousCaller(c) && c.entry?.access !== 'public' ? 'credential_missing' : undefined),
  ],
  [
    'the principal has not signed out with this credential',
    (c) => (isSignedOut(c) ? 'credential_revoked' : undefined),
  ],
  ['the agent exists and is enabled', (c) => (c.entry === undefined ? 'agent_unknown' : undefined)],
  ['the agent is visible to the principal', (c) => (isVisible(c) ? undefined : 'agent_invisible')],
  ['the instance is one of the agent', (c) => (hasInstance(c) ? undefined : 'instance_unlisted')],
  [
    'an instance that belongs to its first user is named',
    (c) =>
      c.entry?.access === 'first-user' && c.request.instance === undefined ? 'instance_missing' : undefined,
  ],
  ['no lock is in force', (c) => (c.input.revocations.length > 0 ? 'locked' : undefined)],
  [
    'the tier is high enough',
    (c) =>
      c.rollout !== undefined || (c.entry && tierAtLeast(c.who.principal.tier, c.entry.requiredTier))
        ? undefined
        : 'tier_insufficient',
  ],
  [
    'a service holds the required permissions',
    (c) => (c.rollout !== undefined || holdsPermissions(c) ? undefined : 'permission_missing'),
  ],
  [
    'the principal has a role, or may be the first user',
    (c) => (c.role === undefined && c.claim === undefined ? 'grant_missing' : undefined),
  ],
  [
    'a first user holds no more instances than it may',
    (c) => (c.role === undefined ? 'claim_limit_reached' : undefined),
  ],
  [
    'the transport is offered',
    (c) =>
      c.entry?.transport === 'sse' && c.request.transport === 'websocket'
        ? 'transport_not_offered'
        : undefined,
  ],
  [
    'the role lasts',
    (c) =>
      c.sessionExpiry - seconds(c.input.now) < CREDENTIAL_MIN_LEFT_SECONDS ? 'grant_missing' : undefined,
  ],
  ['the scope lies within the role', (c) => (c.scope === undefined ? 'scope_outside_role' : undefined)],
];

/** The names of the rules, in the order of the checks. */
export const RULE_NAMES: readonly string[] = RULES.map(([name]) => name);

/** The refusals that a rollout turns into its role. A token's limit to agents also makes them invisible, and holds. */
const WAIVED: readonly DenialReason[] = [
  'agent_invisible',
  'tier_insufficient',
  'permission_missing',
  'grant_missing',
];

/** A session of a rollout is short, since a change of the registry ends the rollout. */
const ROLLOUT_SESSION_SECONDS = 15 * 60;

/**
 * Decides one request. `rules` lists every rule up to the one that refused. Where the agent is being rolled out, a
 * verified principal that lacks grant, tier or permission is judged once more, with the role of the rollout.
 */
export function decide(who: Authenticated, request: DecisionRequest, input: PolicyInput): Decision {
  const enforced = judge(who, request, input);
  const entry = findAgent(input.registry, request.agent);
  if (enforced.allowed || entry === undefined || who.method === 'anonymous') return enforced;
  const rollout = rolloutOf(entry, input.now);
  if (rollout === undefined || !WAIVED.includes(enforced.reason)) return enforced;
  const decision = judge(who, request, input, rollout);
  return decision.allowed ? { ...decision, wouldDeny: enforced.reason } : enforced;
}

function judge(
  who: Authenticated,
  request: DecisionRequest,
  given: PolicyInput,
  rollout?: Rollout,
): Decision {
  // A grant about to end is not used. A claim that may lapse is not used until its object has confirmed it.
  const grants = given.grants.filter((grant) => lasts(grant, given.now) && !mayLapse(grant, given.now));
  const input = { ...given, grants };
  const entry = findAgent(input.registry, request.agent);
  const granted = entry === undefined ? undefined : (rollout?.role ?? roleOf(entry, grants));
  const claim =
    entry === undefined || granted !== undefined ? undefined : claimOf(who, entry, request, input);
  const role = granted ?? (claim === undefined || isOverClaimLimit(input) ? undefined : 'owner');
  const scope =
    entry === undefined || role === undefined ? undefined : narrow(roleScopes(entry, role), request.scope);
  const rests =
    entry === undefined || role === undefined ? undefined : restOn(who, entry, granted, input, rollout);
  const sessionExpiry = rests?.sessionExpiry ?? 0;
  const rules: RuleResult[] = [];
  for (const [rule, refuses] of RULES) {
    const reason = refuses({ who, request, input, entry, role, claim, scope, sessionExpiry, rollout });
    rules.push(reason === undefined ? { rule, holds: true } : { rule, holds: false, reason });
    if (reason !== undefined) return { allowed: false, reason, rules };
  }
  if (role === undefined || scope === undefined)
    throw new TypeError('an allowed request has a role and a scope');
  return { allowed: true, role, scope, sessionExpiry, grant: rests?.grant, claim, rules };
}

const seconds = (ms: number): number => Math.floor(ms / 1000);

const lasts = ({ expiresAt }: GrantRow, now: number): boolean =>
  expiresAt === null || seconds(expiresAt) - seconds(now) >= CREDENTIAL_MIN_LEFT_SECONDS;

/** Whether a grant is an old claim without a recorded use. Only the object knows whether it was used all the same. */
const mayLapse = ({ claimed, openedAt, deletedAt, createdAt }: GrantRow, now: number): boolean =>
  claimed && openedAt === null && deletedAt === null && createdAt < now - CLAIM_LAPSES_MS;

const isAnonymousCaller = (c: Case): boolean => c.who.method === 'anonymous';

/** Bearer tokens and sign-ins of browsers end apart: a browser's sign-in is revoked by its own name where it has one. */
function isSignedOut({ who, input: { signedOut, revocations } }: Case): boolean {
  if (who.login !== undefined && revocations.some(({ target }) => target === `login:${who.login}`))
    return true;
  return isBeforeSignOut(who, signedOut);
}

/** The claim that would make the principal the owner; `undefined` where it cannot claim the instance. */
function claimOf(
  { method, principal }: Authenticated,
  entry: AgentEntry,
  request: DecisionRequest,
  { owners, now }: PolicyInput,
): Claim | undefined {
  const mayBeFirst = method !== 'anonymous' && principal.kind === 'user' && entry.access === 'first-user';
  if (!mayBeFirst || request.instance === undefined) return undefined;
  const [owner, ...others] = owners;
  // An instance whose owner was deleted stays closed.
  if (others.length > 0 || (owner !== undefined && !mayLapse(owner, now))) return undefined;
  return { lapses: owner };
}

const isOverClaimLimit = ({ claims }: PolicyInput): boolean => claims >= MAX_CLAIMS;

/** Agents with `grant` access are visible only to callers with a role on them, other agents to all callers. */
function isVisible({ who, entry, role }: Case): boolean {
  if (entry === undefined || (who.agents !== undefined && !who.agents.includes(entry.slug))) return false;
  return entry.access === 'grant' ? role !== undefined : true;
}

const hasInstance = ({ entry, request }: Case): boolean =>
  entry?.instances === undefined || entry.instances.includes(request.instance ?? DEFAULT_INSTANCE);

const holdsPermissions = ({ who, entry }: Case): boolean =>
  who.principal.kind === 'user' ||
  (entry?.requiredScopes ?? []).every((p) => who.principal.permissions.includes(p));

/** Whether the access mode alone makes every principal a viewer. Anonymous callers get no further than the first rule. */
const isOpen = ({ access }: AgentEntry): boolean => access === 'public' || access === 'viewer';

/** The highest role that access mode or grants give. */
function roleOf(entry: AgentEntry, grants: readonly GrantRow[]): Role | undefined {
  const granted = grants.map((grant) => Role.parse(grant.role));
  const held: readonly Role[] = isOpen(entry) ? [...granted, 'viewer'] : granted;
  return ROLES.findLast((role) => held.includes(role));
}

/** The basis of a role: the grant that decided, and the end of the session's rights, in seconds. */
function restOn(
  who: Authenticated,
  entry: AgentEntry,
  granted: Role | undefined,
  { grants, now }: PolicyInput,
  rollout: Rollout | undefined,
): { readonly grant: string | undefined; readonly sessionExpiry: number } {
  const { sessionSeconds = SESSION_SECONDS } = limitsFor(entry, who.principal.tier);
  const most = Math.min(seconds(now) + sessionSeconds, who.expiresAt ?? Number.POSITIVE_INFINITY);
  if (rollout !== undefined) {
    const end = Math.min(most, seconds(now) + ROLLOUT_SESSION_SECONDS, seconds(rollout.until));
    return { grant: rolloutGrant(entry.slug), sessionExpiry: end };
  }
  // A caller that is a viewer by the access mode does not need the grant: its session does not end with the grant.
  const open = granted === undefined || (granted === 'viewer' && isOpen(entry));
  if (open) return { grant: undefined, sessionExpiry: most };
  // Any grant of the role is sufficient, so the grant that ends last decides.
  const [grant] = grants
    .filter((each) => each.role === granted)
    .map(({ id, expiresAt }) => ({ id, end: expiresAt ?? Number.POSITIVE_INFINITY }))
    .sort((a, b) => b.end - a.end);
  return { grant: grant?.id, sessionExpiry: Math.min(most, Math.floor((grant?.end ?? 0) / 1000)) };
}
