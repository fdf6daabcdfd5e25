import { type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import { logAuthFailure, logAuthResult, type RouteName } from '../credentials/auth-result.ts';
import { readCredential } from '../credentials/authenticate.ts';
import type { Authenticated } from '../credentials/principal.ts';
import { type Credential, isUnverified, lookUpSecret } from '../credentials/service-token.ts';
import { checkQuery, NO_PARAMETERS } from '../http/query.ts';
import { exchange } from '../mint/mint.ts';
import { TicketRequest } from '../mint/ticket-request.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler, HandlerResult } from '../runtime/call.ts';
import { refuseBeforeMint } from '../runtime/limit.ts';

const ROUTE = { method: 'POST', path: '/tickets' } as const;

/** `POST /tickets`. */
export const mintTicket: Handler = async (call): Promise<HandlerResult> => {
  const { request, ports, now } = call;
  const presented = await readCredential(request, ports.credentials, now);
  if (!presented.ok) return { outcome: await logAuthFailure(presented, call, ROUTE, ports), who: undefined };
  const credential = presented.value;
  if (!isUnverified(credential)) await logAuthResult(ok(credential), call, ROUTE, ports);
  const query = checkQuery(request.url, NO_PARAMETERS);
  const body = query.ok ? await readBody(request, TicketRequest) : query;
  const requested = await requestTicket(credential, body, call, ROUTE);
  if ('answer' in requested) return requested.answer;
  if ('refused' in requested) return { outcome: requested.refused, who: undefined };
  const { outcome, rate, who } = requested;
  return {
    outcome: outcome.ok ? ok({ status: 201, body: outcome.value }) : outcome,
    rate,
    who,
    agent: body.ok ? findAgent(ports.registry, body.value.agent)?.slug : undefined,
  };
};

type Exchanged = Awaited<ReturnType<typeof exchange>>;

type Requested =
  /** The secret is refused. */
  | { readonly refused: Outcome<never> }
  /** The request is refused, and no ticket was asked for. */
  | { readonly answer: HandlerResult }
  | (Pick<Exchanged, 'outcome' | 'rate'> & { readonly who: Authenticated | undefined });

/**
 * The exchange of one credential, with what the log says of a secret that the mint shard looks up. A secret that is wrong
 * is answered before a request that is.
 *
 * @param bodyClientId client id that came in the body.
 */
export async function requestTicket(
  credential: Credential,
  request: Outcome<TicketRequest>,
  call: Call,
  route: RouteName,
  bodyClientId?: string,
): Promise<Requested> {
  const { ports, now } = call;
  if (!isUnverified(credential)) {
    if (!request.ok) return { answer: await refuseBeforeMint(request, { ...call, who: credential }, ports) };
    return { ...(await exchange(credential, request.value, call, ports)), who: credential };
  }
  if (!request.ok) {
    const found = await lookUpSecret(credential, ports.credentials.serviceTokens, now);
    const holder = await logAuthResult(found, call, route, ports, bodyClientId);
    if (!holder.ok) return { refused: holder };
    return { answer: await refuseBeforeMint(request, { ...call, who: holder.value }, ports) };
  }
  const { outcome, rate, lookedUp } = await exchange(credential, request.value, call, ports);
  const holder = lookedUp && (await logAuthResult(lookedUp, call, route, ports, bodyClientId));
  return holder?.ok === false ? { refused: holder } : { outcome, rate, who: holder?.value };
}
