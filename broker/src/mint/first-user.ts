import type { grantQueries } from '@agent-ticket/drizzle/control/grants.ts';
import type { GrantRow } from '@agent-ticket/drizzle/control/policy.ts';
import type { sessionQueries } from '@agent-ticket/drizzle/record/sessions.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { type AgentRegistry, findAgent } from '@agent-ticket/shared/registry.ts';
import { auditEventOf, type By } from '../audit/act.ts';
import { type AnnouncePorts, announce } from '../audit/announce.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { LedgerAnswer } from './ledger.ts';
import { type Decision, type DecisionRequest, decide, type PolicyFacts } from './policy.ts';

export interface FirstUserPorts extends AnnouncePorts {
  readonly registry: AgentRegistry;
  readonly grants: ReturnType<typeof grantQueries>;
  readonly sessions: ReturnType<typeof sessionQueries>;
  /** How long sessions are kept after their end, in ms: beyond it nobody can tell whether there was one. */
  readonly sessionRetentionMs: number;
  readonly randomId: () => string;
}

/** Instances that one user may hold by having been first. Each costs a row for ever. */
export const MAX_CLAIMS = 100;

/** A claim that nobody opened this long is free again, or a stranger could reserve names for nothing. In ms. */
export const CLAIM_LAPSES_MS = 10 * 60_000;

/** A request whose instance is named, and what the policy says to it. */
export interface Refused {
  readonly who: Authenticated;
  readonly request: DecisionRequest & { readonly instance: string };
  readonly facts: PolicyFacts;
  readonly decision: Decision;
  /** Whether a ticket has room for what is allowed. */
  readonly fits: (decision: Decision) => boolean;
}

/** Whether somebody could be the first user of an instance of an agent, if it were free. */
export const mayClaim = (
  { method, principal }: Authenticated,
  agent: string,
  registry: AgentRegistry,
): boolean =>
  method !== 'anonymous' && principal.kind === 'user' && findAgent(registry, agent)?.access === 'first-user';

/** What is to be done about a claim that turns out to have been opened. */
type OnOpened = (claim: GrantRow) => Promise<void>;

/** Whether asking for a ticket would make the caller the owner. A moment later somebody else may be. `now` in ms. */
export const wouldClaim = async (refused: Refused, now: number, ports: FirstUserPorts): Promise<boolean> =>
  (await freeFor(refused, now, ports, async () => {})) !== undefined;

export interface Claimed {
  readonly decision: Decision;
  /** What the ledger said of the request, where it was asked: it has counted it. */
  readonly admission?: LedgerAnswer;
}

/**
 * Makes a user the owner of an instance that never had one, or whose claim lapsed unopened, where a ticket can follow
 * from it, and decides anew. Otherwise the decision stands. `by.now` in ms.
 *
 * @param admit counts the request: who is over the limit claims nothing, and the event tells of what was wanted.
 */
export async function claimFirst(
  refused: Refused,
  by: By,
  ports: FirstUserPorts,
  admit: (wanted: AuditEvent) => Promise<LedgerAnswer>,
): Promise<Claimed> {
  const { who, request, facts, decision } = refused;
  // Noted once, so that the sessions are not asked again.
  const free = await freeFor(refused, by.now, ports, ({ id }) => ports.grants.noteOpened(id, by.now));
  if (free === undefined) return { decision };
  const grant = claimOf(refused, ports.randomId(), by.now);
  const event = auditEventOf(by, 'grant.created', ports.randomId(), {
    agent: grant.agentSlug,
    instance: grant.instanceId,
    details: { grant: grant.id, subject: grant.subject, role: grant.role, reason: grant.reason },
  });
  const admission = await admit(event);
  if (!admission.admitted) return { decision, admission };
  if (free.lapsed !== undefined) await ports.grants.dropLapsed(free.lapsed.id, by.now - CLAIM_LAPSES_MS);
  const { claimed: _claimed, openedAt: _openedAt, deletedAt: _deletedAt, ...row } = grant;
  const won = await ports.grants.claim(row, MAX_CLAIMS, event);
  // Before the ticket's own event. If the ledger is away now, the event waits beside the claim.
  if (won) await announce(event, ports);
  const owned = won ? grant : await ownClaim(refused, ports);
  return owned === undefined
    ? { decision, admission }
    : { decision: decide(who, request, { ...facts, grants: [...facts.grants, owned] }), admission };
}

/** Whoever lost may have lost to another request of the same person, as of a second tab that opens beside the first. */
async function ownClaim(
  { who, request }: Refused,
  { grants }: Pick<FirstUserPorts, 'grants'>,
): Promise<GrantRow | undefined> {
  const owners = await grants.ownersEver(request.agent, request.instance);
  return owners.find(({ subject, deletedAt }) => subject === who.principal.id && deletedAt === null);
}

const claimOf = ({ who, request }: Refused, id: string, now: number): GrantRow => ({
  id,
  subject: who.principal.id,
  agentSlug: request.agent,
  instanceId: request.instance,
  role: 'owner',
  reason: 'first user',
  createdBy: who.principal.id,
  createdAt: now,
  expiresAt: null,
  claimed: true,
  openedAt: null,
  deletedAt: null,
});

/** That an instance is free for the caller, with the lapsed claim that must go; `undefined` where it is not. */
async function freeFor(
  refused: Refused,
  now: number,
  ports: FirstUserPorts,
  onOpened: OnOpened,
): Promise<{ readonly lapsed: GrantRow | undefined } | undefined> {
  const { who, request, facts, decision, fits } = refused;
  if (decision.allowed || decision.reason !== 'grant_missing') return undefined;
  if (!mayClaim(who, request.agent, ports.registry)) return undefined;
  const owned = { ...facts, grants: [...facts.grants, claimOf(refused, 'asked', now)] };
  // A request that is refused to an owner too must not make one.
  const asOwner = decide(who, request, owned);
  if (!asOwner.allowed || !fits(asOwner)) return undefined;
  const [owner, ...others] = await ports.grants.ownersEver(request.agent, request.instance);
  if (others.length > 0) return undefined;
  if (owner !== undefined && !(await hasLapsed(owner, now, ports, onOpened))) return undefined;
  return (await ports.grants.countClaims(who.principal.id)) < MAX_CLAIMS ? { lapsed: owner } : undefined;
}

/** Whether a grant is a claim that was not opened in time. */
async function hasLapsed(
  claim: GrantRow,
  now: number,
  ports: FirstUserPorts,
  onOpened: OnOpened,
): Promise<boolean> {
  const due =
    claim.claimed &&
    claim.openedAt === null &&
    claim.deletedAt === null &&
    claim.createdAt < now - CLAIM_LAPSES_MS;
  // Its sessions may have been purged since: an owner who stays away long is an owner.
  if (!due || claim.createdAt <= now - ports.sessionRetentionMs) return false;
  // Sessions of an earlier claim of the same instance do not count; the object's clock may be behind ours.
  const since = claim.createdAt - CLOCK_SKEW_SECONDS * 1000;
  if (!(await ports.sessions.wasOpened(claim.agentSlug, claim.instanceId, claim.subject, since))) return true;
  await onOpened(claim);
  return false;
}
