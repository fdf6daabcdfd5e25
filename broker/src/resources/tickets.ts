import { ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import { logAuthFailure, logAuthResult } from '../credentials/auth-result.ts';
import { readCredential } from '../credentials/authenticate.ts';
import { isUnverified, lookUpSecret } from '../credentials/service-token.ts';
import { exchange } from '../mint/mint.ts';
import { TicketRequest } from '../mint/ticket-request.ts';
import { readBody } from '../runtime/body.ts';
import type { Handler, HandlerResult } from '../runtime/call.ts';
import { refuseBeforeMint } from '../runtime/limit.ts';

const ROUTE = { method: 'POST', path: '/tickets' } as const;

/** `POST /tickets`. A secret that is wrong is answered before a body that is. */
export const mintTicket: Handler = async (call): Promise<HandlerResult> => {
  const { request, ports, now } = call;
  const presented = await readCredential(request, ports.credentials, now);
  if (!presented.ok) return { outcome: await logAuthFailure(presented, call, ROUTE, ports), who: undefined };
  const credential = presented.value;
  const known = isUnverified(credential) ? undefined : credential;
  if (known !== undefined) await logAuthResult(ok(known), call, ROUTE, ports);

  const body = await readBody(request, TicketRequest);
  if (!body.ok) {
    if (!isUnverified(credential)) return refuseBeforeMint(body, { ...call, who: credential }, ports);
    const found = await lookUpSecret(credential, ports.credentials.serviceTokens, now);
    const holder = await logAuthResult(found, call, ROUTE, ports);
    if (!holder.ok) return { outcome: holder, who: undefined };
    return refuseBeforeMint(body, { ...call, who: holder.value }, ports);
  }
  const { outcome, rate, lookedUp } = await exchange(credential, body.value, call, ports);
  const holder = lookedUp && (await logAuthResult(lookedUp, call, ROUTE, ports));
  if (holder?.ok === false) return { outcome: holder, who: undefined };
  return {
    outcome: outcome.ok ? ok({ status: 201, body: outcome.value }) : outcome,
    rate,
    who: holder?.value ?? known,
    agent: findAgent(ports.registry, body.value.agent)?.slug,
  };
};
