import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { authenticateJwt } from '../credentials/bearer.ts';
import { capped, delegate } from '../credentials/delegation.ts';
import type { Authenticated } from '../credentials/principal.ts';
import { authenticateServiceToken } from '../credentials/service-token.ts';
import { logAuthFailure, logAuthResult } from '../credentials/verdict.ts';
import type { Call, Handler, HandlerResult } from '../http/call.ts';
import { exchange } from '../mint/mint.ts';
import { type ClientSecret, presentedClient } from '../oauth/client.ts';
import { type PresentedToken, readExchangedTokens } from '../oauth/exchanged-tokens.ts';
import { readForm } from '../oauth/form.ts';
import { oauthRefusal, type Stage } from '../oauth/refusal.ts';
import { readGrantType, readTicketRequest, TICKET_TOKEN_TYPE } from '../oauth/request.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/**
 * `POST /token`: a ticket by OAuth. A service token is a client and gets one by `client_credentials` (RFC 6749 §4.4);
 * a JWT of somebody else's is exchanged for one (RFC 8693), where client authentication is optional. Then the same
 * exchange as everywhere: audit, limits, locks and policy do not know the difference.
 */
export const grantToken =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const form = await readForm(call.request, 'resource');
    if (!form.ok) return { outcome: form };
    const grantType = readGrantType(form.value);
    if (!grantType.ok) return { outcome: grantType };
    const secret = presentedClient(call.request.headers, form.value);
    const client = await authenticateClient(secret, call, ports);
    if (client?.ok === false) return refusedAt('client', client);

    if (grantType.value === 'client_credentials') {
      if (client === undefined) return refusedAt('client', err('credential_missing'));
      return issue(client.value.holder, form.value, 'client', call, ports);
    }
    const tokens = readExchangedTokens(form.value);
    if (!tokens.ok) return { outcome: tokens };
    const subject = await holderOf(tokens.value.subject, call, ports);
    if (!subject.ok) return refusedAt('token', subject);
    const actor = tokens.value.actor && (await holderOf(tokens.value.actor, call, ports));
    if (actor?.ok === false) return refusedAt('token', actor);
    const who = actor === undefined ? subject : delegate(subject.value, actor.value);
    if (!who.ok) return refusedAt('token', who);
    const beside = client === undefined ? who.value : besideClient(who.value, client.value);
    return issue(beside, form.value, 'request', call, ports);
  };

const ROUTE = { method: 'POST', path: '/token' } as const;

interface Client {
  /** As OAuth names it. */
  readonly id: string;
  readonly holder: Authenticated;
}

const besideClient = (who: Authenticated, { id, holder }: Client): Authenticated => ({
  ...capped(who, holder),
  client: { id, principal: holder.principal.id },
});

const refusedAt = (stage: Stage, outcome: Outcome<never>): HandlerResult => ({
  outcome,
  renderError: oauthRefusal(stage),
});

async function authenticateClient(
  presented: Outcome<ClientSecret | undefined>,
  call: Call,
  ports: BrokerPorts,
): Promise<Outcome<Client> | undefined> {
  if (!presented.ok) return logAuthFailure(presented, call, ROUTE, ports);
  if (presented.value === undefined) return undefined;
  const { clientId: id } = presented.value;
  const holder = await authenticateServiceToken(presented.value, ports.credentials.serviceTokens, call.now);
  const told = await logAuthResult(holder, call, ROUTE, ports, id);
  return told.ok ? ok({ id, holder: told.value }) : told;
}

async function holderOf(
  { token, sources }: PresentedToken,
  call: Call,
  ports: BrokerPorts,
): Promise<Outcome<Authenticated>> {
  return logAuthResult(
    await authenticateJwt(token, sources, ports.credentials, call.now),
    call,
    ROUTE,
    ports,
  );
}

async function issue(
  who: Authenticated,
  form: ReadonlyMap<string, string>,
  stage: Stage,
  call: Call,
  ports: BrokerPorts,
): Promise<HandlerResult> {
  const request = readTicketRequest(form, ports);
  if (!request.ok) return { outcome: request, who };
  const { outcome, rate } = await exchange(who, request.value, call, ports);
  if (!outcome.ok) return { ...refusedAt(stage, outcome), rate, who };
  const { ticket, expires_in, scope } = outcome.value;
  const body = {
    access_token: ticket,
    issued_token_type: TICKET_TOKEN_TYPE,
    token_type: 'N_A',
    expires_in,
    scope,
  };
  return { outcome: ok({ status: 200, body, headers: { pragma: 'no-cache' } }), rate, who };
}
