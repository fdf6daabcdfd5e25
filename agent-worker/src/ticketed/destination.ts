import { bindingKeyOf } from '@agent-ticket/shared/registry.ts';
import type { TicketClaims } from '@agent-ticket/shared/ticket.ts';

/**
 * Whether a ticket names this very object: the id that its agent's binding gives its instance is ours. Holds even
 * if the gate in front looked up the wrong binding, or another worker's code called us with somebody's claims.
 */
export function isDestination(claims: TicketClaims, env: object, id: DurableObjectId): boolean {
  const bindings = new Map<string, unknown>(Object.entries(env));
  const binding = bindings.get(bindingKeyOf(claims.agent));
  return isNamespace(binding) && binding.idFromName(claims.instance).equals(id);
}

/** Whether a member of a Worker's env is a Durable Object binding. */
export const isNamespace = (value: unknown): value is DurableObjectNamespace =>
  typeof value === 'object' && value !== null && 'idFromName' in value;
