import { ticketIdAt } from '@agent-ticket/shared/issued-at.ts';
import { CREDENTIAL_MIN_LEFT_SECONDS, TICKET_TTL_SECONDS } from '@agent-ticket/shared/limits.ts';
import type { TicketId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { RequestContext } from '../http/call.ts';
import { claimFirst, type FirstUserPorts, wouldClaim } from './first-user.ts';
import { fitsTicket, issueTicket, ticketPayload } from './issue.ts';
import { type Ledger, type LedgerAnswer, type RateState, rateOf } from './ledger.ts';
import { DEFAULT_INSTANCE, type Decision, decide } from './policy.ts';
import { type FactsPorts, readFacts } from './policy-input.ts';
import { answerOf, type TicketAnswer } from './ticket-answer.ts';
import { ticketEvent } from './ticket-event.ts';
import type { NamedRequest, TicketRequest } from './ticket-request.ts';

export interface ExchangePorts extends FirstUserPorts, FactsPorts {
  readonly ledger: Ledger;
  readonly issuer: string;
  readonly ticketAudience: string;
  readonly agentWorkerUrl: string;
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
  call: RequestContext,
  ports: ExchangePorts,
): Promise<Exchanged> {
  const nowSeconds = Math.floor(call.now / 1000);
  const left = (who.expiresAt ?? Number.POSITIVE_INFINITY) - nowSeconds;
  if (left < CREDENTIAL_MIN_LEFT_SECONDS) return { outcome: err('credential_expired'), rate: null };

  const request = { ...body, instance: body.instance ?? DEFAULT_INSTANCE };
  const { signing, at } = await readFacts(who, request, call.now, ports);
  const facts = at(request);
  const first = decide(who, body, facts);
  const jti = ticketIdAt(call.now, ports.randomId());
  const payloadFor = (decision: Decision) =>
    decision.allowed ? payloadOf(who, request, decision, { jti, nowSeconds, left }, ports) : undefined;
  const fits = (decision: Decision): boolean => {
    const payload = payloadFor(decision);
    return payload === undefined || fitsTicket(payload);
  };
  const refused = { who, request, facts, decision: first, fits };
  // Nobody becomes an owner by a request that ends without a ticket.
  if (!signing.ok && (first.allowed || (await wouldClaim(refused, call.now, ports))))
    return { outcome: signing, rate: null };
  const { account, rate } = rateOf(who, call.ipAddress);
  const counted = rate === undefined ? {} : { rate };
  const { decision, admission: claimed } = signing.ok
    ? await claimFirst(refused, { ...call, who }, ports, (wanted) =>
        ports.ledger.settle(account, { wanted, ...counted }),
      )
    : { decision: first };
  if (claimed?.admitted === false) return overLimit(claimed, nowSeconds);
  const signer = decision.allowed && signing.ok ? signing : undefined;

  const payload = payloadFor(decision);
  if (!fits(decision)) {
    return {
      outcome: err('field_invalid', { field: 'scope', hint: 'too much for one ticket' }),
      rate: null,
    };
  }
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
    // Once for each request.
    ...(claimed === undefined ? counted : {}),
  });
  if (!admission.admitted) return overLimit(admission, nowSeconds);
  const state = (claimed ?? admission).rate;
  if (payload === undefined || signer === undefined) return { outcome: refusalOf(decision), rate: state };

  const issued = await issueTicket(payload, signer.value.material);
  return { outcome: ok(answerOf(issued, nowSeconds, ports.agentWorkerUrl)), rate: state };
}

const overLimit = ({ rate }: Extract<LedgerAnswer, { admitted: false }>, nowSeconds: number): Exchanged => ({
  outcome: err('rate_limited', { retryAfter: Math.max(1, rate.resetAt - nowSeconds) }),
  rate,
});

const payloadOf = (
  who: Authenticated,
  { agent, instance, transport, expires_in: wanted }: NamedRequest & Pick<TicketRequest, 'expires_in'>,
  decision: Extract<Decision, { allowed: true }>,
  { jti, nowSeconds, left }: { readonly jti: TicketId; readonly nowSeconds: number; readonly left: number },
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
    nowSeconds,
    expiresIn: Math.min(
      wanted ?? TICKET_TTL_SECONDS.default,
      Math.floor(left),
      decision.sessionExpiry - nowSeconds,
    ),
  });

function refusalOf(decision: Decision) {
  if (decision.allowed) return err('signing_key_missing');
  return decision.reason === 'instance_missing'
    ? err(decision.reason, { field: 'instance' })
    : err(decision.reason);
}
