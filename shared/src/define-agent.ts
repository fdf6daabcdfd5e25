import { DELIVERIES } from './handshake.ts';
import { type AgentEntry, bindingKeyOf } from './registry.ts';

/**
 * An entry of the registry of which only the name is given, or the name and what differs: in by a stored grant alone;
 * viewers read state, admins write state and send messages, owners call methods as well; any delivery; limits that suit
 * people at a page. The broker's registry and the gate's must have the same entry.
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
