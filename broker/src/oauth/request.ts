import { Transport } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { type AgentRegistry, findAgent } from '@agent-ticket/shared/registry.ts';
import { ScopeList } from '@agent-ticket/shared/scope.ts';
import { containsCredential } from '../credentials/secret-in-text.ts';
import type { TicketRequest } from '../mint/ticket-request.ts';
import { readTarget } from './target.ts';

export const GRANT_TYPES = ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'] as const;
type GrantType = (typeof GRANT_TYPES)[number];

/** The type of a ticket (RFC 8693 §3). It is no access token: nothing but one agent instance takes it. */
export const TICKET_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

export interface Deployment {
  readonly agentWorkerUrl: string;
  readonly ticketAudience: string;
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
 * What a token is asked for, as a ticket request. `resource` names the instance; `audience` may name the agent
 * worker beside it and nothing else. `transport` is ours: left out, it is the one that the agent is made for.
 */
export function readTicketRequest(form: Form, deployment: Deployment): Outcome<TicketRequest> {
  const [resource, audience, scope] = ['resource', 'audience', 'scope'].map((name) => form.get(name));
  if (resource === undefined) return err('target_invalid', { hint: 'resource is missing' });
  if (audience !== undefined && audience !== deployment.ticketAudience)
    return err('target_invalid', { hint: 'audience is not served here' });
  const target = readTarget(resource, deployment.agentWorkerUrl);
  if (!target.ok) return target;
  const scopes = scope === undefined ? undefined : ScopeList.safeParse(scope);
  if (scopes?.success === false || (scope !== undefined && containsCredential(scope)))
    return err('scope_unknown');

  const usual =
    findAgent(deployment.registry, target.value.agent)?.transport === 'sse' ? 'http' : 'websocket';
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
