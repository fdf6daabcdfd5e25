import { AgentSlug, InstanceName, Transport } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { type AgentRegistry, findAgent, usualTransport } from '@agent-ticket/shared/registry.ts';
import { ScopeList } from '@agent-ticket/shared/scope.ts';
import type { AgentWorker, WorkersConfig } from '../config/workers.ts';
import { logAuthFailure, logAuthResult } from '../credentials/auth-result.ts';
import { authenticateJwt, type JwtSource } from '../credentials/bearer.ts';
import { capped, delegate } from '../credentials/delegation.ts';
import { type Authenticated, isBeforeSignOut } from '../credentials/principal.ts';
import { containsCredential } from '../credentials/secret-in-text.ts';
import { readSecret } from '../credentials/service-token.ts';
import { readForm } from '../http/form.ts';
import type { TicketRequest } from '../mint/ticket-request.ts';
import { authenticateClient, type ClientSecret, ELSEWHERE, presentedClient } from '../oauth/client.ts';
import { refusedAt } from '../oauth/refusal.ts';
import type { Call, Handler, HandlerResult } from '../runtime/call.ts';
import { requestTicket } from './tickets.ts';

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
  const presented = presentedSecret(call.request.headers, form.value);
  if (grantType.value === 'client_credentials') return issueToClient(presented, form.value, call);
  const client = await authenticateExchanger(presented, call);
  if (client?.ok === false) return refusedAt('client', client);
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
  const request = readTicketRequest(form.value, call.ports);
  return answerOf(await requestTicket(beside, request, call, ROUTE), 'request');
};

/** `client_credentials`. The mint shard looks the secret up. */
async function issueToClient(
  presented: Outcome<ClientSecret | undefined>,
  form: ReadonlyMap<string, string>,
  call: Call,
): Promise<HandlerResult> {
  const { ports } = call;
  if (!presented.ok) return refusedAt('client', await logAuthFailure(presented, call, ROUTE, ports));
  if (presented.value === undefined) return refusedAt('client', err('credential_missing'));
  const { clientId } = presented.value;
  const secret = await readSecret(presented.value, ports.credentials.serviceTokens);
  if (!secret.ok) return refusedAt('client', await logAuthFailure(secret, call, ROUTE, ports, clientId));
  const request = readTicketRequest(form, ports);
  return answerOf(await requestTicket(secret.value, request, call, ROUTE, clientId), 'client');
}

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

/** The client of a grant has a secret; a bearer token is no client authentication. */
function presentedSecret(headers: Headers, form: Form): Outcome<ClientSecret | undefined> {
  const presented = presentedClient(headers, form);
  if (!presented.ok) return presented;
  const { value } = presented;
  return value === undefined || value.kind === 'client-secret' ? ok(value) : ELSEWHERE;
}

async function authenticateExchanger(
  presented: Outcome<ClientSecret | undefined>,
  call: Call,
): Promise<Outcome<Client> | undefined> {
  if (!presented.ok) return logAuthFailure(presented, call, ROUTE, call.ports);
  if (presented.value === undefined) return undefined;
  const holder = await authenticateClient(presented.value, call, ROUTE);
  return holder.ok ? ok({ id: presented.value.clientId, holder: holder.value }) : holder;
}

async function authenticateToken(
  { token, sources }: PresentedToken,
  call: Call,
): Promise<Outcome<Authenticated>> {
  const { ports, now } = call;
  return logAuthResult(await authenticateJwt(token, sources, ports.credentials, now), call, ROUTE, ports);
}

/** Whether an actor signed out after its token was issued. The decision looks at the subject's sign-outs alone. */
async function hasSignedOut(actor: Authenticated, { ports }: Call): Promise<boolean> {
  return isBeforeSignOut(actor, await ports.control.principals.find(actor.principal.id));
}

function answerOf(
  requested: Awaited<ReturnType<typeof requestTicket>>,
  stage: 'client' | 'request',
): HandlerResult {
  if ('answer' in requested) return requested.answer;
  if ('refused' in requested) return refusedAt('client', requested.refused);
  const { outcome, ...facts } = requested;
  if (!outcome.ok) return { ...refusedAt(stage, outcome), ...facts };
  const { ticket, expires_in, scope } = outcome.value;
  const body = {
    access_token: ticket,
    issued_token_type: TICKET_TOKEN_TYPE,
    // The gate takes a ticket as a bearer token. Stock clients refuse the `N_A` of RFC 8693 §2.2.1.
    token_type: 'Bearer',
    expires_in,
    scope,
  };
  return { outcome: ok({ status: 200, body, headers: { pragma: 'no-cache' } }), ...facts };
}

const GRANT_TYPES = ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'] as const;
type GrantType = (typeof GRANT_TYPES)[number];

/** The type of a ticket (RFC 8693 §3). It is an access token for one agent instance and nothing else. */
const TICKET_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

interface Deployment {
  readonly config: WorkersConfig;
  readonly registry: AgentRegistry;
}

type Form = ReadonlyMap<string, string>;

const readGrantType = (form: Form): Outcome<GrantType> => {
  const given = form.get('grant_type');
  if (given === undefined) return err('field_invalid', { field: 'grant_type' });
  const known = GRANT_TYPES.find((type) => type === given);
  return known === undefined ? err('grant_type_unsupported') : ok(known);
};

/**
 * The request for a token as a ticket request. `resource` names the instance; `audience` may name its agent
 * worker beside it and nothing else. `transport` is ours: left out, it is the one that the agent is made for.
 */
function readTicketRequest(form: Form, { config, registry }: Deployment): Outcome<TicketRequest> {
  const [resource, audience, scope] = ['resource', 'audience', 'scope'].map((name) => form.get(name));
  if (resource === undefined) return err('target_invalid', { hint: 'resource is missing' });
  const url = resource.replace(/^ws/, 'http');
  // Known by its address and not by the agent: a caller is not told where there is an agent of that name.
  const worker = config.workers.find((each) => url.startsWith(`${new URL(each.url).origin}/`));
  if (audience !== undefined && audience !== worker?.audience)
    return err('target_invalid', { hint: 'audience is not that of the resource' });
  const target = worker === undefined ? NO_INSTANCE : readTarget(url, worker, registry);
  if (!target.ok) return target;
  const scopes = scope === undefined ? undefined : ScopeList.safeParse(scope);
  if (scopes?.success === false || (scope !== undefined && containsCredential(scope)))
    return err('scope_unknown');

  const usual = usualTransport(findAgent(registry, target.value.agent));
  const transport = Transport.safeParse(form.get('transport') ?? usual);
  if (!transport.success) return err('field_invalid', { field: 'transport' });
  const requested = form.get('requested_token_type');
  if (requested !== undefined && requested !== TICKET_TOKEN_TYPE)
    return err('field_invalid', { field: 'requested_token_type' });
  return ok({
    ...target.value,
    transport: transport.data,
    ...(scopes === undefined ? {} : { scope: scopes.data }),
  });
}

interface Target {
  readonly agent: AgentSlug;
  readonly instance: InstanceName;
}

const NO_INSTANCE = err('target_invalid', { hint: 'resource is the URL of an agent instance' });

/**
 * Reads `resource` (RFC 8707 §2): the URL of one agent instance, which was `https` or `wss`. Of an agent for machines also
 * the URL of its endpoint, which is what an MCP client knows and names as the resource. Compared as text, so that no
 * second spelling (a port, a user, dots, an escape, a query) names the same instance.
 */
function readTarget(resource: string, worker: AgentWorker, registry: AgentRegistry): Outcome<Target> {
  const [, agent, instance, endpoint = ''] = /\/agents\/([^/]+)\/([^/]+)(\/mcp|\/sse)?$/.exec(resource) ?? [];
  const slug = AgentSlug.safeParse(agent);
  const name = InstanceName.safeParse(instance);
  if (!slug.success || !name.success || containsCredential(name.data)) return NO_INSTANCE;
  const hasEndpoint = findAgent(registry, slug.data)?.transport === 'sse';
  const known = new URL(`/agents/${slug.data}/${name.data}`, worker.url).href + endpoint;
  if ((endpoint !== '' && !hasEndpoint) || resource !== known) return NO_INSTANCE;
  // At another worker an agent is answered as if there were none of its name.
  const isElsewhere = registry.some((entry) => entry.slug === slug.data && entry.worker !== worker.name);
  return isElsewhere ? err('agent_unknown') : ok({ agent: slug.data, instance: name.data });
}

/** Token types (RFC 8693 §3) and whose tokens are of that type. The type that is declared must be the true one. */
const TOKEN_TYPES = new Map<string, readonly JwtSource[]>([
  ['urn:ietf:params:oauth:token-type:access_token', ['auth0']],
  ['urn:ietf:params:oauth:token-type:jwt', ['auth0', 'access', 'oidc']],
  ['urn:ietf:params:oauth:token-type:id_token', ['oidc']],
]);

interface PresentedToken {
  readonly token: string;
  readonly sources: readonly JwtSource[];
}

interface ExchangedTokens {
  readonly subject: PresentedToken;
  readonly actor: PresentedToken | undefined;
}

/** `subject_token` and `actor_token` with their types, as RFC 8693 §2.1 wants them: a type with each token, and only then. */
function readExchangedTokens(form: ReadonlyMap<string, string>): Outcome<ExchangedTokens> {
  const subject = readToken(form, 'subject_token');
  if (!subject.ok) return subject;
  if (subject.value === undefined) return err('field_invalid', { field: 'subject_token' });
  const actor = readToken(form, 'actor_token');
  return actor.ok ? ok({ subject: subject.value, actor: actor.value }) : actor;
}

function readToken(
  form: ReadonlyMap<string, string>,
  name: 'subject_token' | 'actor_token',
): Outcome<PresentedToken | undefined> {
  const token = form.get(name);
  const type = form.get(`${name}_type`);
  if (token === undefined && type === undefined) return ok(undefined);
  if (token === undefined) return err('field_invalid', { field: name });
  const sources = TOKEN_TYPES.get(type ?? '');
  return sources === undefined ? err('field_invalid', { field: `${name}_type` }) : ok({ token, sources });
}

/** Ways in which a service token authenticates (RFC 6749 §2.3.1). */
const WITH_SECRET = ['client_secret_basic', 'client_secret_post'];

/**
 * `GET /.well-known/oauth-authorization-server` (RFC 8414 §2), from configuration and never from `Host`. The gate looks
 * for the keys at the same address below the issuer.
 *
 * There is no authorization endpoint, and nothing answers at its address. It is named because MCP clients accept no
 * metadata without the member; `none` is the registered response type of an endpoint that returns nothing.
 */
export const showServerMetadata: Handler = async ({ ports }) => {
  const { issuer } = ports.config;
  const base = issuer.replace(/\/$/, '');
  return ok({
    status: 200,
    headers: { 'cache-control': 'public, max-age=3600' },
    body: {
      issuer,
      token_endpoint: `${base}/token`,
      authorization_endpoint: `${base}/authorize`,
      jwks_uri: `${base}/.well-known/jwks.json`,
      revocation_endpoint: `${base}/revoke`,
      introspection_endpoint: `${base}/introspect`,
      response_types_supported: ['none'],
      grant_types_supported: GRANT_TYPES,
      token_endpoint_auth_methods_supported: [...WITH_SECRET, 'none'],
      revocation_endpoint_auth_methods_supported: WITH_SECRET,
      introspection_endpoint_auth_methods_supported: WITH_SECRET,
    },
  });
};
