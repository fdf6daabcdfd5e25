import type { policyQueries } from '@agent-ticket/drizzle/control/policy.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { targetNamesOf, targetNamesOfPrincipal } from '@agent-ticket/shared/control.ts';
import { present } from '@agent-ticket/shared/handshake.ts';
import { CREDENTIAL_MIN_LEFT_SECONDS, TICKET_TTL_SECONDS } from '@agent-ticket/shared/limits.ts';
import { TicketId } from '@agent-ticket/shared/names.ts';
import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { partiesOf } from './delegation.ts';
import { claimFirst, type FirstUserPorts } from './first-user.ts';
import type { CallFacts } from './http/call.ts';
import { fitsTicket, type IssuedTicket, issueTicket, ticketPayload } from './issue.ts';
import type { Keyring } from './keys/keyring.ts';
import { type Ledger, type RateState, rateOf } from './ledger.ts';
import { type Decision, type DecisionRequest, decide, POLICY_VERSION } from './policy.ts';
import { type Authenticated, subjectsOf } from './principal.ts';
import { DEFAULT_INSTANCE, type TicketRequest } from './ticket-request.ts';

export interface ExchangePorts extends FirstUserPorts {
  readonly issuer: string;
  readonly ticketAudience: string;
  readonly agentWorkerUrl: string;
  readonly policy: ReturnType<typeof policyQueries>;
  readonly ledger: Ledger;
  readonly keyring: Keyring;
  /** Issuers whose verified addresses e-mail grants may match. */
  readonly trustEmail: readonly string[];
}

/** What `POST /tickets` answers. */
export interface TicketAnswer {
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

/** An outcome with what is left of the limit, which a refusal tells as well. */
export interface Exchanged {
  readonly outcome: Outcome<TicketAnswer>;
  readonly rate: RateState | null;
}

/**
 * One credential, already verified, for one ticket: decide → admit → sign → verify own output → answer. The audit
 * event is durable before the ticket exists, so no ticket leaves without its event; one whose answer is lost was
 * issued and never used.
 */
export async function exchange(
  who: Authenticated,
  body: TicketRequest,
  call: CallFacts,
  ports: ExchangePorts,
): Promise<Exchanged> {
  const now = Math.floor(call.now / 1000);
  const left = (who.expiresAt ?? Number.POSITIVE_INFINITY) - now;
  if (left < CREDENTIAL_MIN_LEFT_SECONDS) return { outcome: deny('credential_expired'), rate: null };

  if (body.instance === undefined && needsInstance(who, body, ports)) {
    return { outcome: deny('field_invalid', { field: 'instance' }), rate: null };
  }
  const request = { ...body, instance: body.instance ?? DEFAULT_INSTANCE };
  const signing = await ports.keyring.signer(call.now);
  const kid = signing.ok ? { kid: signing.value.material.kid } : {};
  const held = await ports.policy.read({
    subjects: subjectsOf(who.principal, ports.trustEmail),
    agent: request.agent,
    instance: request.instance,
    lockTargets: [
      ...targetNamesOf({ principal: who.principal.id, ...request, ...kid }),
      ...partiesOf(who).flatMap(targetNamesOfPrincipal),
    ],
    now: call.now,
  });
  const facts = { registry: ports.registry, ...held, now };
  const first = decide(who, request, facts);
  const claim =
    !first.allowed && first.reason === 'grant_missing'
      ? await claimFirst.take(who, request, ports, call.now)
      : undefined;
  const decision =
    claim === undefined ? first : decide(who, request, { ...facts, grants: [...held.grants, claim] });
  const signer = decision.allowed ? signing : undefined;
  if (signer?.ok === false) return { outcome: signer, rate: null };

  const jti = TicketId.parse(ports.randomId());
  const payload = decision.allowed ? payloadOf(who, request, decision, { jti, now, left }, ports) : undefined;
  if (payload !== undefined && !fitsTicket(payload)) {
    return {
      outcome: deny('field_invalid', { field: 'scope', hint: 'too much for one ticket' }),
      rate: null,
    };
  }
  const { account, rate } = rateOf(who, call.ipAddress);
  // Without a verified principal a refusal is a security event for the log, no row for a flood to buy.
  const event =
    who.method === 'anonymous' && !decision.allowed
      ? undefined
      : ticketEvent(who, request, call, decision, {
          eventId: ports.randomId(),
          jti,
          kid: signer?.value.material.kid,
        });
  const admission = await ports.ledger.settle(account, {
    ...(event === undefined ? {} : { event }),
    ...(rate === undefined ? {} : { rate }),
  });
  if (!admission.admitted) {
    const retryAfter = Math.max(1, admission.rate.resetAt - now);
    return { outcome: deny('rate_limited', { retryAfter }), rate: admission.rate };
  }
  if (payload === undefined || signer === undefined)
    return { outcome: deny(refusalOf(decision)), rate: admission.rate };

  const issued = await issueTicket(payload, signer.value.material);
  return { outcome: allow(answerOf(issued, now, ports.agentWorkerUrl)), rate: admission.rate };
}

const payloadOf = (
  who: Authenticated,
  { agent, instance, transport, expires_in: wanted }: DecisionRequest & Pick<TicketRequest, 'expires_in'>,
  decision: Extract<Decision, { allowed: true }>,
  { jti, now, left }: { readonly jti: TicketId; readonly now: number; readonly left: number },
  ports: ExchangePorts,
) =>
  ticketPayload({
    issuer: ports.issuer,
    audience: ports.ticketAudience,
    jti,
    who,
    decision,
    agent,
    instance,
    transport,
    now,
    expiresIn: Math.min(wanted ?? TICKET_TTL_SECONDS.default, Math.floor(left), decision.sessionExpiry - now),
  });

function answerOf({ ticket, claims }: IssuedTicket, now: number, agentWorkerUrl: string): TicketAnswer {
  const socketUrl = new URL(`/agents/${claims.agent}/${claims.instance}`, agentWorkerUrl);
  socketUrl.protocol = socketUrl.protocol === 'https:' ? 'wss:' : 'ws:';
  return {
    ticket,
    expires_in: claims.exp - now,
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

/** Whose instance? An agent that belongs to its first user has one for each, so the name must be said. */
const needsInstance = (who: Authenticated, { agent }: TicketRequest, { registry }: ExchangePorts): boolean =>
  who.method !== 'anonymous' && findAgent(registry, agent)?.access === 'first-user';

const refusalOf = (decision: Decision) => (decision.allowed ? 'signing_key_missing' : decision.reason);

function ticketEvent(
  who: Authenticated,
  request: DecisionRequest,
  call: CallFacts,
  decision: Decision,
  ids: { readonly eventId: string; readonly jti: TicketId; readonly kid: string | undefined },
): AuditEvent {
  const common = {
    eventId: ids.eventId,
    at: call.now,
    principal: who.principal.id,
    agent: request.agent,
    instance: request.instance,
    ipAddress: call.ipAddress ?? undefined,
    userAgent: call.userAgent ?? undefined,
    requestId: call.requestId,
    policyVersion: POLICY_VERSION,
  };
  const onBehalf = {
    ...(who.act === undefined ? {} : { actor: who.act.sub }),
    ...(who.client === undefined ? {} : { client_id: who.client.id }),
  };
  return decision.allowed
    ? {
        ...common,
        type: 'ticket.issued',
        outcome: 'success',
        jti: ids.jti,
        kid: ids.kid,
        details: {
          method: who.method,
          role: decision.role,
          scope: formatScope(decision.scope),
          transport: request.transport,
          ...onBehalf,
        },
      }
    : {
        ...common,
        type: 'ticket.denied',
        outcome: 'denied',
        code: decision.reason,
        details: { method: who.method, ...onBehalf },
      };
}
