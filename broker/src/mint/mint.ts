import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Denial, DenialReason } from '@agent-ticket/shared/denial.ts';
import { present } from '@agent-ticket/shared/handshake.ts';
import { CREDENTIAL_MIN_LEFT_SECONDS, TICKET_TTL_SECONDS } from '@agent-ticket/shared/limits.ts';
import { TicketId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { auditEventOf } from '../audit/event.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { RequestContext } from '../http/context.ts';
import { type RateState, retryAfterOf } from '../http/rate.ts';
import { type ChangePorts, flushOutbox } from '../revocation/changes.ts';
import { claimRow, resolveLapse } from './claims.ts';
import { fitsTicket, type IssuedTicket, issueTicket, ticketPayload } from './issue.ts';
import {
  CLAIM_LAPSES_MS,
  DEFAULT_INSTANCE,
  type Decision,
  decide,
  MAX_CLAIMS,
  POLICY_VERSION,
} from './policy.ts';
import { readPolicyInput } from './policy-input.ts';
import {
  accountOf,
  type MintAnswer,
  type MintOrder,
  type MintPorts,
  type MintShard,
  rateRuleOf,
} from './shard.ts';
import type { TicketRequest } from './ticket-request.ts';

export interface ExchangePorts extends ChangePorts {
  readonly shard: MintShard;
  readonly config: ChangePorts['config'] & { readonly agentWorkerUrl: string };
  /** Runs beside the answer; its failure is logged and changes no answer. */
  readonly later: (work: Promise<void>) => void;
}

/** An outcome and the rest of the limit, which a refusal carries as well. */
interface Exchanged {
  readonly outcome: Outcome<TicketAnswer>;
  readonly rate: RateState | null;
}

/**
 * One credential, already verified, for one ticket: one hop to the mint shard (see {@link decideTicket}) → sign →
 * verify own output → answer. The audit event is durable before the ticket exists, so no ticket leaves without its
 * event; a ticket whose answer is lost was issued and never used.
 */
export async function exchange(
  who: Authenticated,
  request: TicketRequest,
  context: RequestContext,
  ports: ExchangePorts,
): Promise<Exchanged> {
  if (secondsLeft(who, context.now) < CREDENTIAL_MIN_LEFT_SECONDS)
    return { outcome: err('credential_expired'), rate: null };
  const signer = await ports.keyring.signer(context.now);
  if (!signer.ok) return { outcome: signer, rate: null };
  const { material } = signer.value;

  const { requestId, now, ipAddress, userAgent } = context;
  const order: MintOrder = {
    who,
    request,
    // Plain data only: other members of a call cannot be sent to a Durable Object.
    context: { requestId, now, ipAddress, userAgent },
    jti: TicketId.parse(ports.randomId()),
    kid: material.kid,
    isCounted: false,
  };
  const account = accountOf(who, context.ipAddress);
  let answer = await ports.shard.mint(account, order);
  if (answer.kind === 'lapses') {
    const { claim, rate } = answer;
    const resolved = await resolveLapse(claim, { ...context, who }, ports);
    if (!resolved.ok) return { outcome: resolved, rate };
    const again = await ports.shard.mint(account, { ...order, isCounted: true });
    answer = again.kind === 'unavailable' ? again : { ...again, rate };
  }
  switch (answer.kind) {
    case 'refused':
      return { outcome: { ok: false, denial: answer.denial }, rate: answer.rate };
    case 'unavailable':
      return { outcome: err('database_unavailable', { retryAfter: 5 }), rate: null };
    // The lapse came up twice in one request: other callers claimed the instance and lost it in between.
    case 'lapses':
      return { outcome: err('claim_contended', { retryAfter: 1 }), rate: answer.rate };
    case 'admitted': {
      if (answer.isClaimed) ports.later(flushOutbox(ports));
      const issued = await issueTicket(answer.payload, material);
      return { outcome: ok(answerOf(issued, context.now, ports.config.agentWorkerUrl)), rate: answer.rate };
    }
  }
}

/**
 * The part of the exchange that a mint shard runs: policy input → decide → fits → count → claim if needed → record the
 * event. Calls of one account may run concurrently; each count and each record is one atomic step.
 */
export async function decideTicket(order: MintOrder, ports: MintPorts): Promise<MintAnswer> {
  const { who, context, isCounted } = order;
  const { record } = ports;
  const request = { ...order.request, instance: order.request.instance ?? DEFAULT_INSTANCE };
  let rate = isCounted ? undefined : rateRuleOf(who, context.ipAddress);
  let state: RateState | null = null;

  // Two rounds at most: where another caller won the claim, the request is decided once more, before any event.
  for (let lost = 0; lost < 2; lost += 1) {
    const { input, rev } = await readPolicyInput(who, request, context.now, ports, order.kid);
    // The request without defaults: an agent with `first-user` access has no default instance.
    const decision = decide(who, order.request, input);
    const claim = decision.allowed ? decision.claim : undefined;
    const grant = decision.allowed ? (claim === undefined ? decision.grant : ports.randomId()) : undefined;
    const payload = decision.allowed ? payloadOf(order, decision, { rev, grant }, ports) : undefined;
    if (payload !== undefined && !fitsTicket(payload)) {
      const counted = await record.write({ rate });
      if (!counted.admitted) return overLimit(counted.rate, context.now);
      return refused('field_invalid', counted.rate, { field: 'scope', hint: 'too much for one ticket' });
    }

    const event = eventOf(order, decision, ports.randomId());
    if (claim === undefined || grant === undefined) {
      const recorded = await record.write({ rate, event, wanted: event });
      state = recorded.rate ?? state;
      if (!recorded.admitted) return overLimit(recorded.rate, context.now);
      if (payload !== undefined) return { kind: 'admitted', payload, rate: state, isClaimed: false };
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
    if (!counted.admitted) return overLimit(counted.rate, context.now);
    if (claim.lapses !== undefined) return { kind: 'lapses', claim: claim.lapses, rate: state };
    const statement = ports.control.grants.claim(row, MAX_CLAIMS, context.now - CLAIM_LAPSES_MS);
    const won = await ports.control.change({ statement, event: claimed, dueAt: context.now });
    if (won === undefined) continue;
    await record.write({ event });
    if (payload !== undefined) return { kind: 'admitted', payload, rate: state, isClaimed: true };
  }
  return refused('claim_contended', state, { retryAfter: 1 });
}

const secondsLeft = ({ expiresAt = Number.POSITIVE_INFINITY }: Authenticated, now: number): number =>
  expiresAt - Math.floor(now / 1000);

type Allowed = Extract<Decision, { allowed: true }>;

function payloadOf(
  { who, request, context, jti }: MintOrder,
  decision: Allowed,
  basis: { readonly rev: number; readonly grant: string | undefined },
  { config }: MintPorts,
) {
  const { agent, instance = DEFAULT_INSTANCE, transport } = request;
  const nowSeconds = Math.floor(context.now / 1000);
  return ticketPayload({
    issuer: config.issuer,
    audience: config.ticketAudience,
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
  { who, request, context, jti, kid }: MintOrder,
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
      ...onBehalf,
    },
  };
}

const refused = (
  reason: DenialReason,
  rate: RateState | null,
  facts: Omit<Denial, 'reason'> = {},
): MintAnswer => ({ kind: 'refused', denial: { reason, ...facts }, rate });

const overLimit = (rate: RateState | null, now: number): MintAnswer =>
  refused('rate_limited', rate, { retryAfter: rate === null ? 1 : retryAfterOf(rate, now) });

function refusalOf(decision: Decision, rate: RateState | null): MintAnswer {
  if (decision.allowed) throw new TypeError('an allowed request is no refusal');
  return decision.reason === 'instance_missing'
    ? refused(decision.reason, rate, { field: 'instance' })
    : refused(decision.reason, rate);
}

/** What `POST /tickets` answers. */
interface TicketAnswer {
  readonly ticket: string;
  readonly expires_in: number;
  readonly expires_at: string;
  readonly jti: string;
  readonly agent: string;
  readonly instance: string;
  readonly scope: string;
  readonly role: string;
  readonly session_expires_at: string;
  readonly url: string;
  readonly protocols: readonly [string, string];
}

function answerOf({ ticket, claims }: IssuedTicket, now: number, agentWorkerUrl: string): TicketAnswer {
  const socketUrl = new URL(`/agents/${claims.agent}/${claims.instance}`, agentWorkerUrl);
  socketUrl.protocol = socketUrl.protocol === 'https:' ? 'wss:' : 'ws:';
  return {
    ticket,
    expires_in: claims.exp - Math.floor(now / 1000),
    expires_at: new Date(claims.exp * 1000).toISOString(),
    jti: claims.jti,
    agent: claims.agent,
    instance: claims.instance,
    scope: formatScope(claims.scope),
    role: claims.role,
    session_expires_at: new Date(claims.session_expiry * 1000).toISOString(),
    ...present(socketUrl.href, ticket),
  };
}
