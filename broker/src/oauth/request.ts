import { AgentSlug, InstanceName, Transport } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { type AgentRegistry, findAgent } from '@agent-ticket/shared/registry.ts';
import { ScopeList } from '@agent-ticket/shared/scope.ts';
import type { JwtSource } from '../credentials/bearer.ts';
import { fromAuthorization } from '../credentials/presented.ts';
import { containsCredential } from '../credentials/secret-in-text.ts';
import type { TicketRequest } from '../mint/ticket-request.ts';

export const GRANT_TYPES = ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'] as const;
type GrantType = (typeof GRANT_TYPES)[number];

/** The type of a ticket (RFC 8693 §3). It is an access token for one agent instance and nothing else. */
export const TICKET_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

interface Deployment {
  readonly config: { readonly agentWorkerUrl: string; readonly ticketAudience: string };
  readonly registry: AgentRegistry;
}

type Form = ReadonlyMap<string, string>;

export const readGrantType = (form: Form): Outcome<GrantType> => {
  const given = form.get('grant_type');
  if (given === undefined) return err('field_invalid', { field: 'grant_type' });
  const known = GRANT_TYPES.find((type) => type === given);
  return known === undefined ? err('grant_type_unsupported') : ok(known);
};

/**
 * The request for a token as a ticket request. `resource` names the instance; `audience` may name the agent
 * worker beside it and nothing else. `transport` is ours: left out, it is the one that the agent is made for.
 */
export function readTicketRequest(form: Form, { config, registry }: Deployment): Outcome<TicketRequest> {
  const [resource, audience, scope] = ['resource', 'audience', 'scope'].map((name) => form.get(name));
  if (resource === undefined) return err('target_invalid', { hint: 'resource is missing' });
  if (audience !== undefined && audience !== config.ticketAudience)
    return err('target_invalid', { hint: 'audience is not served here' });
  const target = readTarget(resource, config.agentWorkerUrl);
  if (!target.ok) return target;
  const scopes = scope === undefined ? undefined : ScopeList.safeParse(scope);
  if (scopes?.success === false || (scope !== undefined && containsCredential(scope)))
    return err('scope_unknown');

  const usual = findAgent(registry, target.value.agent)?.transport === 'sse' ? 'http' : 'websocket';
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

/** The address of an agent instance, the way in which clients name it as an OAuth resource (RFC 8707 §2). */
const resourceOf = (agentWorkerUrl: string, { agent, instance }: Target): string =>
  new URL(`/agents/${agent}/${instance}`, agentWorkerUrl).href;

/**
 * Reads `resource`: the URL of one agent instance of this deployment, as `https` or as `wss`. Compared as text, so
 * that no second spelling (a port, a user, dots, an escape, a query) names the same instance.
 */
function readTarget(resource: string, agentWorkerUrl: string): Outcome<Target> {
  const [, agent, instance] = /\/agents\/([^/]+)\/([^/]+)$/.exec(resource) ?? [];
  const slug = AgentSlug.safeParse(agent);
  const name = InstanceName.safeParse(instance);
  if (slug.success && name.success && !containsCredential(name.data)) {
    const target = { agent: slug.data, instance: name.data };
    if (resource.replace(/^ws/, 'http') === resourceOf(agentWorkerUrl, target)) return ok(target);
  }
  return err('target_invalid', { hint: 'resource is the URL of an agent instance' });
}

export interface ClientSecret {
  readonly clientId: string;
  readonly secret: string;
}

const ELSEWHERE = err('credential_malformed', { hint: 'authenticate by Basic or in the body' });

/**
 * The client's own credential: HTTP Basic or `client_id` and `client_secret` in the body, one of them at most (RFC
 * 6749 §2.3). A `client_id` alone names a public client and proves nothing, so it counts as none. The header pair of
 * Access is no method of OAuth: beside another it is a second one, and alone it is refused rather than overlooked.
 * What the browser or the edge adds by itself (cookies, the Access assertion) is no client authentication.
 */
export function presentedClient(
  headers: Headers,
  form: ReadonlyMap<string, string>,
): Outcome<ClientSecret | undefined> {
  const id = form.get('client_id');
  const secret = form.get('client_secret');
  const authorization = headers.get('authorization');
  const pair = headers.has('cf-access-client-id') || headers.has('cf-access-client-secret');
  if ([authorization !== null, pair, secret !== undefined].filter(Boolean).length > 1)
    return err('credential_ambiguous', { hint: 'authenticate once' });
  if (pair) return ELSEWHERE;
  if (authorization !== null) {
    const basic = fromBasic(authorization);
    if (!basic.ok || id === undefined || id === basic.value.clientId) return basic;
    return err('field_invalid', { field: 'client_id' });
  }
  if (secret === undefined) return ok(undefined);
  return id === undefined ? err('field_invalid', { field: 'client_id' }) : ok({ clientId: id, secret });
}

function fromBasic(authorization: string): Outcome<ClientSecret> {
  const presented = fromAuthorization(authorization);
  if (!presented.ok) return presented;
  return presented.value.kind === 'client-secret' ? ok(presented.value) : ELSEWHERE;
}

/** Token types (RFC 8693 §3) and whose tokens are of that type. The type that is declared must be the true one. */
const TOKEN_TYPES = new Map<string, readonly JwtSource[]>([
  ['urn:ietf:params:oauth:token-type:access_token', ['auth0']],
  ['urn:ietf:params:oauth:token-type:jwt', ['auth0', 'access', 'oidc']],
  ['urn:ietf:params:oauth:token-type:id_token', ['oidc']],
]);

export interface PresentedToken {
  readonly token: string;
  readonly sources: readonly JwtSource[];
}

interface ExchangedTokens {
  readonly subject: PresentedToken;
  readonly actor: PresentedToken | undefined;
}

/** `subject_token` and `actor_token` with their types, as RFC 8693 §2.1 wants them: a type with each token, and only then. */
export function readExchangedTokens(form: ReadonlyMap<string, string>): Outcome<ExchangedTokens> {
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
