import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { logAuthFailure, logAuthResult } from '../credentials/auth-result.ts';
import { authenticateJwt } from '../credentials/bearer.ts';
import { capped, delegate } from '../credentials/delegation.ts';
import type { Authenticated } from '../credentials/principal.ts';
import { authenticateServiceToken } from '../credentials/service-token.ts';
import { readForm } from '../http/form.ts';
import { exchange } from '../mint/mint.ts';
import { oauthRefusal, type Stage } from '../oauth/refusal.ts';
import {
  type ClientSecret,
  type PresentedToken,
  presentedClient,
  readExchangedTokens,
  readGrantType,
  readTicketRequest,
  TICKET_TOKEN_TYPE,
} from '../oauth/request.ts';
import type { Call, Handler, HandlerResult } from '../runtime/call.ts';

/**
 * `POST /token`: a ticket by OAuth. A service token is a client and gets one by `client_credentials` (RFC 6749 §4.4);
 * a JWT of another issuer is exchanged for one (RFC 8693), where client authentication is optional. Then the same
 * exchange as everywhere: audit, limits, locks and policy are the same.
 */
export const grantToken: Handler = async (call) => {
  const form = await readForm(call.request, 'resource');
  if (!form.ok) return form;
  const grantType = readGrantType(form.value);
  if (!grantType.ok) return grantType;
  const client = await authenticateClient(presentedClient(call.request.headers, form.value), call);
  if (client?.ok === false) return refusedAt('client', client);

  if (grantType.value === 'client_credentials') {
    if (client === undefined) return refusedAt('client', err('credential_missing'));
    return issue(client.value.holder, form.value, 'client', call);
  }
  const tokens = readExchangedTokens(form.value);
  if (!tokens.ok) return tokens;
  const subject = await authenticateToken(tokens.value.subject, call);
  if (!subject.ok) return refusedAt('token', subject);
  const actor = tokens.value.actor && (await authenticateToken(tokens.value.actor, call));
  if (actor?.ok === false) return refusedAt('token', actor);
  if (actor !== undefined && (await hasSignedOut(actor.value, call)))
    return refusedAt('token', err('credential_revoked', { detail: 'actor' }));
  const who = actor === undefined ? subject : delegate(subject.value, actor.value);
  if (!who.ok) return refusedAt('token', who);
  const beside = client === undefined ? who.value : besideClient(who.value, client.value);
  return issue(beside, form.value, 'request', call);
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
): Promise<Outcome<Client> | undefined> {
  const { ports, now } = call;
  if (!presented.ok) return logAuthFailure(presented, call, ROUTE, ports);
  if (presented.value === undefined) return undefined;
  const { clientId: id } = presented.value;
  const holder = await authenticateServiceToken(presented.value, ports.credentials.serviceTokens, now);
  const logged = await logAuthResult(holder, call, ROUTE, ports, id);
  return logged.ok ? ok({ id, holder: logged.value }) : logged;
}

async function authenticateToken(
  { token, sources }: PresentedToken,
  call: Call,
): Promise<Outcome<Authenticated>> {
  const { ports, now } = call;
  return logAuthResult(await authenticateJwt(token, sources, ports.credentials, now), call, ROUTE, ports);
}

/** Whether an actor signed out after its token was issued. The decision looks at the subject's sign-outs alone. */
async function hasSignedOut({ principal, issuedAt }: Authenticated, { ports }: Call): Promise<boolean> {
  const tokensBefore = (await ports.control.principals.find(principal.id))?.tokensBefore;
  return issuedAt !== undefined && tokensBefore != null && issuedAt <= tokensBefore;
}

async function issue(
  who: Authenticated,
  form: ReadonlyMap<string, string>,
  stage: Stage,
  call: Call,
): Promise<HandlerResult> {
  const request = readTicketRequest(form, call.ports);
  if (!request.ok) return { outcome: request, who };
  const { outcome, rate } = await exchange(who, request.value, call, call.ports);
  if (!outcome.ok) return { ...refusedAt(stage, outcome), rate, who };
  const { ticket, expires_in, scope } = outcome.value;
  const body = {
    access_token: ticket,
    issued_token_type: TICKET_TOKEN_TYPE,
    // The gate takes a ticket as a bearer token. Stock clients refuse the `N_A` of RFC 8693 §2.2.1.
    token_type: 'Bearer',
    expires_in,
    scope,
  };
  return { outcome: ok({ status: 200, body, headers: { pragma: 'no-cache' } }), rate, who };
}
