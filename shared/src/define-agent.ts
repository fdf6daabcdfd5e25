import { DELIVERIES } from './handshake.ts';
import { type AgentEntry, bindingKeyOf } from './registry.ts';

/**
 * An entry of the registry, from its name and the members that differ from the defaults. The defaults: access by a
 * stored grant only; viewers read state, admins also write state and send messages, owners also call methods; any
 * delivery; limits for users of a web page. The registries of broker and gate must have the same entry.
 *
 * @param slug kebab-case; the Durable Object binding is the same in UPPER_SNAKE_CASE.
 */
export const defineAgent = (
  slug: string,
  differing: Partial<Omit<AgentEntry, 'slug' | 'bindingKey'>> = {},
): AgentEntry => ({
  bindingKey: bindingKeyOf(slug),
  slug,
  displayName: slug,
  description: slug,
  requiredTier: 'free',
  requiredScopes: [],
  enabled: true,
  transport: 'websocket',
  access: 'grant',
  scopes: {
    viewer: ['agent:connect', 'agent:state:read'],
    admin: ['agent:connect', 'agent:state:read', 'agent:state:write', 'agent:message'],
    owner: ['agent:connect', 'agent:state:read', 'agent:state:write', 'agent:message', 'agent:rpc:*'],
  },
  deliveries: DELIVERIES,
  limits: { socketsPerPrincipal: 16, messagesPerSecond: 20, frameBytes: 64 * 1024 },
  ...differing,
});
