import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import * as z from 'zod';
import {
  logAuthFailure,
  logAuthResult,
  principalFields,
  type RouteName,
} from '../credentials/auth-result.ts';
import { readCredential } from '../credentials/authenticate.ts';
import type { Authenticated } from '../credentials/principal.ts';
import { type Credential, isUnverified, lookUpSecret } from '../credentials/service-token.ts';
import { errorOf } from '../http/answer.ts';
import type { RequestContext } from '../http/context.ts';
import { checkQuery, NO_PARAMETERS } from '../http/query.ts';
import { type Exchanged, exchange, exchangeBatch, type TicketAnswer } from '../mint/mint.ts';
import { TicketRequest } from '../mint/ticket-request.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler, HandlerResult } from '../runtime/call.ts';
import { refuseBeforeMint } from '../runtime/limit.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

const ROUTE = { method: 'POST', path: '/tickets' } as const;
const BATCH_ROUTE = { method: 'POST', path: '/tickets/batch' } as const;

/** `POST /tickets`. */
export const mintTicket: Handler = async (call): Promise<HandlerResult> => {
  const presented = await readPresented(call, ROUTE);
  if (!presented.ok) return { outcome: presented, who: undefined };
  const body = await readRequest(call, TicketRequest);
  const requested = await requestTicket(presented.value, body, call, ROUTE);
  if ('answer' in requested) return requested.answer;
  if ('refused' in requested) return { outcome: requested.refused, who: undefined };
  const { outcome, rate, who } = requested;
  return {
    outcome: outcome.ok ? ok({ status: 201, body: outcome.value }) : outcome,
    rate,
    who,
    agent: body.ok ? findAgent(call.ports.registry, body.value.agent)?.slug : undefined,
  };
};

/** The most requests of a batch: their facts are read at once, and each ticket is signed while the others wait. */
const MAX_BATCH = 20;

/** Body of `POST /tickets/batch`. */
export const BatchRequest = z.strictObject({ requests: z.array(TicketRequest).min(1).max(MAX_BATCH) });

/**
 * `POST /tickets/batch`: several tickets for one caller with a credential. Each request is decided, audited and answered
 * as it would be alone, in the order of the body; all of them count before anything is read, so that a batch beyond the
 * limit is refused as a whole. One of them at most makes the caller the owner of an instance.
 */
export const mintTickets: Handler = async (call): Promise<HandlerResult> => {
  const presented = await readPresented(call, BATCH_ROUTE);
  if (!presented.ok) return { outcome: presented, who: undefined };
  const credential = presented.value;
  if (!isUnverified(credential) && credential.method === 'anonymous')
    return { outcome: err('credential_missing'), who: credential };
  const body = await readRequest(call, BatchRequest);
  const requests = body.ok ? ok(body.value.requests) : body;
  const requested = await requestBy(exchangeBatch, credential, requests, call, BATCH_ROUTE);
  if ('answer' in requested) return requested.answer;
  if ('refused' in requested) return { outcome: requested.refused, who: undefined };
  const { outcome, rate, who } = requested;
  if (!outcome.ok) return { outcome, rate, who };
  const answers = outcome.value.map((each, index) => answerOf(each, index, call, who));
  return { outcome: ok({ status: 200, body: { answers } }), rate, who };
};

/** One answer of a batch: the body that `POST /tickets` would answer. */
function answerOf(
  outcome: Outcome<TicketAnswer>,
  index: number,
  { ports, requestId }: Call,
  who: Authenticated | undefined,
): object {
  if (outcome.ok) return outcome.value;
  const { reason, detail, field } = outcome.denial;
  const line = { ...BATCH_ROUTE, index, ...(who && principalFields(who)) };
  ports.log({ event: 'refused', ...line, reason, detail, field });
  return { error: errorOf(outcome.denial, requestId) };
}

/** The credential of a request for tickets. A verified one is logged; a secret is logged when it is looked up. */
async function readPresented(call: Call, route: RouteName): Promise<Outcome<Credential>> {
  const { request, ports, now } = call;
  const presented = await readCredential(request, ports.credentials, now);
  if (!presented.ok) return logAuthFailure(presented, call, route, ports);
  const credential = presented.value;
  if (!isUnverified(credential)) await logAuthResult(ok(credential), call, route, ports);
  return presented;
}

async function readRequest<T>({ request }: Call, schema: z.ZodType<T>): Promise<Outcome<T>> {
  const query = checkQuery(request.url, NO_PARAMETERS);
  return query.ok ? readBody(request, schema) : query;
}

type Requested<Value> =
  /** The secret is refused. */
  | { readonly refused: Outcome<never> }
  /** The request is refused, and no ticket was asked for. */
  | { readonly answer: HandlerResult }
  | (Pick<Exchanged<Value>, 'outcome' | 'rate'> & { readonly who: Authenticated | undefined });

/** {@link requestBy} for one ticket. */
export const requestTicket = (
  credential: Credential,
  request: Outcome<TicketRequest>,
  call: Call,
  route: RouteName,
  bodyClientId?: string,
): Promise<Requested<TicketAnswer>> => requestBy(exchange, credential, request, call, route, bodyClientId);

/**
 * An exchange of one credential, with what the log says of a secret that the mint shard looks up. A secret that is wrong
 * is answered before a request that is.
 *
 * @param bodyClientId client id that came in the body.
 */
async function requestBy<Request, Value>(
  exchangeBy: (
    credential: Credential,
    request: Request,
    context: RequestContext,
    ports: BrokerPorts,
  ) => Promise<Exchanged<Value>>,
  credential: Credential,
  request: Outcome<Request>,
  call: Call,
  route: RouteName,
  bodyClientId?: string,
): Promise<Requested<Value>> {
  const { ports, now } = call;
  if (!isUnverified(credential)) {
    if (!request.ok) return { answer: await refuseBeforeMint(request, { ...call, who: credential }, ports) };
    return { ...(await exchangeBy(credential, request.value, call, ports)), who: credential };
  }
  if (!request.ok) {
    const found = await lookUpSecret(credential, ports.credentials.serviceTokens, now);
    const holder = await logAuthResult(found, call, route, ports, bodyClientId);
    if (!holder.ok) return { refused: holder };
    return { answer: await refuseBeforeMint(request, { ...call, who: holder.value }, ports) };
  }
  const { outcome, rate, lookedUp } = await exchangeBy(credential, request.value, call, ports);
  const holder = lookedUp && (await logAuthResult(lookedUp, call, route, ports, bodyClientId));
  return holder?.ok === false ? { refused: holder } : { outcome, rate, who: holder?.value };
}
