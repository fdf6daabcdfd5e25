import type { MintFacts, MintQuestion } from '@agent-ticket/drizzle/control/mint-facts.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Denial, DenialReason } from '@agent-ticket/shared/denial.ts';
import { CREDENTIAL_MIN_LEFT_SECONDS, TICKET_TTL_SECONDS } from '@agent-ticket/shared/limits.ts';
import { ok } from '@agent-ticket/shared/outcome.ts';
import { type AgentRegistry, findAgent } from '@agent-ticket/shared/registry.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { auditEventOf } from '../audit/event.ts';
import { workerOf } from '../config/workers.ts';
import { type Authenticated, labelOf, plainPrincipal } from '../credentials/principal.ts';
import {
  isUnverified,
  isUseDue,
  principalOfToken,
  USE_NOTED_EVERY_MS,
  verifySecret,
} from '../credentials/service-token.ts';
import { INSTANCE_WINDOW_MS, type RateState, retryAfterOf, secondsUntil } from '../http/rate.ts';
import { SIGNING, stateOf } from '../keys/schedule.ts';
import { claimRow } from './claims.ts';
import { fitsTicket, ticketPayload } from './issue.ts';
import {
  CLAIM_LAPSES_MS,
  DEFAULT_INSTANCE,
  type Decision,
  decide,
  MAX_CLAIMS,
  POLICY_VERSION,
} from './policy.ts';
import { questionAbout } from './policy-input.ts';
import {
  type BatchAnswer,
  instanceMarkOf,
  type MintAnswer,
  type MintBatch,
  type MintOrder,
  type MintPorts,
  type MintResult,
  rateRuleOf,
} from './shard.ts';

/**
 * The part of the exchange that a mint shard runs: facts → verify a secret → decide → fits → count → claim if needed →
 * record the event. Calls of one account may run concurrently; each count and each record is one atomic step.
 */
export async function decideTicket(order: MintOrder, ports: MintPorts): Promise<MintAnswer> {
  const { credential, context } = order;
  const facts = await readFacts(order, ports);
  const verified = isUnverified(credential)
    ? verifySecret(credential, facts.token, context.now)
    : ok(credential);
  if (!verified.ok) return { kind: 'unauthenticated', denial: verified.denial };
  const who = verified.value;
  const result = await decideFor({ ...order, who }, facts, ports);
  return { ...result, ...holderOf(order, who, facts) };
}

/**
 * The same for requests that came together: verify a secret → count all → facts → decide and record one after another. One
 * of them at most claims an instance. Those that were recorded before a database goes away are tickets that never leave.
 */
export async function decideBatch({ requests, ...batch }: MintBatch, ports: MintPorts): Promise<BatchAnswer> {
  const { credential, context } = batch;
  const orders = requests.map((each) => ({ ...batch, ...each, isCounted: true }));
  const [first] = orders;
  if (first === undefined) throw new TypeError('a batch has a request');
  // The tier says what the limit is, and of a secret only its row says the tier.
  const facts = isUnverified(credential) ? await readFacts(first, ports) : undefined;
  const verified = isUnverified(credential)
    ? verifySecret(credential, facts?.token, context.now)
    : ok(credential);
  if (!verified.ok) return { kind: 'unauthenticated', denial: verified.denial };
  const who = verified.value;
  const holder = facts === undefined ? {} : holderOf(batch, who, facts);
  if (isSpent(who, context.now)) return { ...refused('credential_expired', null), ...holder };

  const rule = batch.isCounted ? undefined : rateRuleOf(who, context.ipAddress);
  const { agent, instance } = first.request;
  const wanted = auditEventOf({ ...context, who }, 'ticket.issued', ports.randomId(), { agent, instance });
  const counted = await ports.record.write({ rate: rule && { ...rule, cost: orders.length }, wanted });
  if (!counted.admitted) return { ...overLimit(counted.rate, context.now), ...holder };

  const read = await ports.readFacts.all(orders.map((order) => questionOf(order, ports)));
  let { mayClaim } = batch;
  const results: MintResult[] = [];
  for (const [index, order] of orders.entries()) {
    const result = await decideFor(
      { ...order, who },
      read[index] ?? (await readFacts(order, ports)),
      ports,
      mayClaim,
    );
    mayClaim &&= !isClaim(result);
    results.push(result);
  }
  return { kind: 'decided', results, rate: counted.rate, ...holder };
}

/** Whether a result has claimed an instance, or will where another claim lapses. */
export const isClaim = (result: MintResult): boolean =>
  result.kind === 'lapses' || (result.kind === 'admitted' && result.isClaimed);

function holderOf(
  { credential, context }: Pick<MintOrder, 'credential' | 'context'>,
  who: Authenticated,
  { token }: MintFacts,
) {
  if (!isUnverified(credential) || token === undefined) return {};
  return { holder: { who, isUseDue: isUseDue(token.token, context.now) } };
}

interface VerifiedOrder extends Omit<MintOrder, 'credential'> {
  readonly who: Authenticated;
}

const readFacts = (order: MintOrder, ports: MintPorts): Promise<MintFacts> =>
  ports.readFacts(questionOf(order, ports));

function questionOf(order: MintOrder, ports: MintPorts): MintQuestion {
  const { credential, context, kid } = order;
  const { agent, instance = DEFAULT_INSTANCE } = order.request;
  const question = (who: Authenticated) => questionAbout(who, { agent, instance }, context.now, ports, kid);
  if (!isUnverified(credential)) return { ...question(credential), kid };
  const { tokenId } = credential;
  // Only names of the holder are part of the question, and its id says those.
  const id = principalOfToken(tokenId);
  const principal = plainPrincipal({ id, kind: 'service', issuer: 'broker' });
  return { ...question({ method: 'service-token', principal }), kid, tokenId };
}

/** The rule of a request that was counted before: it adds nothing and refuses nothing, and goes with a mark. */
const COUNTED_BEFORE = { cost: 0, limit: Number.MAX_SAFE_INTEGER };

/** @param mayClaim whether it may make the caller the owner of an instance. */
async function decideFor(
  order: VerifiedOrder,
  first: MintFacts,
  ports: MintPorts,
  mayClaim = true,
): Promise<MintResult> {
  const { who, context, isCounted } = order;
  const { record, registry } = ports;
  const { now } = context;
  const label = labelDue(who, first, now, ports);
  if (isSpent(who, now)) return refused('credential_expired', null);
  const rule = rateRuleOf(who, context.ipAddress);
  let rate = rule && (isCounted ? { ...rule, ...COUNTED_BEFORE } : rule);
  let state: RateState | null = null;

  // Two rounds at most: where another caller won the claim, the request is decided once more, before any event.
  for (let lost = 0; lost < 2; lost += 1) {
    const { policy, key } = lost === 0 ? first : await readFacts({ ...order, credential: who }, ports);
    if (key === undefined || stateOf(key, now) !== SIGNING) return { kind: 'key-changed' };
    const { rev, ...rows } = policy;
    // The request without defaults: an agent with `first-user` access has no default instance.
    const decided = decide(who, order.request, { ...rows, registry, now });
    const isSecondClaim = !mayClaim && decided.allowed && decided.claim !== undefined;
    // The claim of another request in the batch may be of this instance, and newer than the facts.
    if (isSecondClaim && lost === 0) continue;
    const decision: Decision = isSecondClaim
      ? { allowed: false, reason: 'claim_limit_reached', rules: decided.rules }
      : decided;
    const claim = decision.allowed ? decision.claim : undefined;
    const grant = decision.allowed ? (claim === undefined ? decision.grant : ports.randomId()) : undefined;
    const payload = decision.allowed ? payloadOf(order, decision, { rev, grant }, ports) : undefined;
    if (payload !== undefined && !fitsTicket(payload)) {
      const counted = await record.write({ rate });
      if (!counted.admitted) return overLimit(counted.rate, now);
      return refused('field_invalid', counted.rate, { field: 'scope', hint: 'too much for one ticket' });
    }

    const event = eventOf(order, decision, ports.randomId());
    if (claim === undefined || grant === undefined) {
      const mark = markOf(order, decision, registry);
      const recorded = await record.write({ rate, mark, event, wanted: event });
      state = recorded.rate ?? state;
      if (!recorded.admitted) return overLimit(recorded.rate, now, recorded.nextInstanceAt);
      if (payload !== undefined) return { kind: 'admitted', payload, rate: state, isClaimed: false, label };
      return refusalOf(decision, state);
    }

    const row = claimRow(order, grant);
    const claimed = auditEventOf({ ...context, who }, 'grant.created', ports.randomId(), {
      agent: row.agentSlug,
      instance: row.instanceId,
      details: { grant, subject: row.subject, role: row.role, reason: row.reason },
    });
    // The count comes first: a caller over the limit must not claim an instance.
    const counted = await record.write({ rate, wanted: claimed });
    rate = undefined;
    state = counted.rate ?? state;
    if (!counted.admitted) return overLimit(counted.rate, now);
    if (claim.lapses !== undefined) return { kind: 'lapses', claim: claim.lapses, rate: state };
    const statement = ports.control.grants.claim(row, MAX_CLAIMS, now - CLAIM_LAPSES_MS);
    const won = await ports.control.change({ statement, event: claimed, dueAt: now });
    if (won === undefined) continue;
    await record.write({ event });
    if (payload !== undefined) return { kind: 'admitted', payload, rate: state, isClaimed: true, label };
  }
  return refused('claim_contended', state, { retryAfter: 1 });
}

/** The label of the caller, where it is new or its last sight was noted some time ago. `now` in ms. */
function labelDue({ principal }: Authenticated, { seen }: MintFacts, now: number, { config }: MintPorts) {
  const label = labelOf(principal, config.principalLabel);
  return seen?.label === label && seen !== undefined && seen.at >= now - USE_NOTED_EVERY_MS
    ? undefined
    : label;
}

const secondsLeft = ({ expiresAt = Number.POSITIVE_INFINITY }: Authenticated, now: number): number =>
  expiresAt - Math.floor(now / 1000);

/** A ticket of such a credential could expire before its use. `now` in ms. */
export const isSpent = (who: Authenticated, now: number): boolean =>
  secondsLeft(who, now) < CREDENTIAL_MIN_LEFT_SECONDS;

type Allowed = Extract<Decision, { allowed: true }>;

function payloadOf(
  { who, request, context, jti }: VerifiedOrder,
  decision: Allowed,
  basis: { readonly rev: number; readonly grant: string | undefined },
  ports: MintPorts,
) {
  const { agent, instance = DEFAULT_INSTANCE, transport } = request;
  const nowSeconds = Math.floor(context.now / 1000);
  return ticketPayload({
    issuer: ports.config.issuer,
    audience: workerOf(agent, ports).audience,
    jti,
    who,
    decision,
    ...basis,
    agent,
    instance,
    transport,
    nowSeconds,
    expiresIn: Math.min(
      request.expires_in ?? TICKET_TTL_SECONDS.default,
      Math.floor(secondsLeft(who, context.now)),
      decision.sessionExpiry - nowSeconds,
    ),
  });
}

/**
 * The audit event of a decision. A refusal without a verified principal has none: it is a security event in the log, so
 * that a flood of anonymous requests writes no rows.
 */
function eventOf(
  { who, request, context, jti, kid }: VerifiedOrder,
  decision: Decision,
  eventId: string,
): AuditEvent | undefined {
  if (who.method === 'anonymous' && !decision.allowed) return undefined;
  const { agent, instance = DEFAULT_INSTANCE, transport } = request;
  const actor = { ...context, who };
  const onBehalf = {
    ...(who.act === undefined ? {} : { actor: who.act.sub }),
    ...(who.client === undefined ? {} : { client_id: who.client.id }),
  };
  if (!decision.allowed) {
    return {
      ...auditEventOf(actor, 'ticket.denied', eventId, { agent, instance }),
      policyVersion: POLICY_VERSION,
      outcome: 'denied',
      code: decision.reason,
      details: { method: who.method, ...onBehalf },
    };
  }
  return {
    ...auditEventOf(actor, 'ticket.issued', eventId, { agent, instance }),
    policyVersion: POLICY_VERSION,
    jti,
    kid,
    details: {
      method: who.method,
      role: decision.role,
      scope: formatScope(decision.scope),
      transport,
      ...(decision.wouldDeny === undefined ? {} : { would_deny: decision.wouldDeny }),
      ...onBehalf,
    },
  };
}

type RefusedMint = Extract<MintResult, { kind: 'refused' }>;

const refused = (
  reason: DenialReason,
  rate: RateState | null,
  facts: Omit<Denial, 'reason'> = {},
): RefusedMint => ({ kind: 'refused', denial: { reason, ...facts }, rate });

/** `nextInstanceAt`: where not the rate but the number of instance names is the reason. In ms, as `now`. */
function overLimit(rate: RateState | null, now: number, nextInstanceAt?: number): RefusedMint {
  const ofRate = rate === null ? 1 : retryAfterOf(rate, now);
  const retryAfter =
    nextInstanceAt === undefined ? ofRate : secondsUntil(nextInstanceAt, now, INSTANCE_WINDOW_MS);
  return refused('rate_limited', rate, { retryAfter });
}

/** The name of the instance is counted where nothing but the openness of the agent lets the caller choose it. */
function markOf({ who, request, context }: VerifiedOrder, decision: Decision, registry: AgentRegistry) {
  if (!decision.allowed) return undefined;
  if (decision.grant !== undefined && decision.wouldDeny === undefined) return undefined;
  const { agent, instance = DEFAULT_INSTANCE } = request;
  if (findAgent(registry, agent)?.instances !== undefined) return undefined;
  return instanceMarkOf(who, context.ipAddress, { agent, instance });
}

function refusalOf(decision: Decision, rate: RateState | null): MintResult {
  if (decision.allowed) throw new TypeError('an allowed request is no refusal');
  return decision.reason === 'instance_missing'
    ? refused(decision.reason, rate, { field: 'instance' })
    : refused(decision.reason, rate);
}
