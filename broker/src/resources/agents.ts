import { ROLES, type Role } from '@agent-ticket/shared/names.ts';
import { ok } from '@agent-ticket/shared/outcome.ts';
import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { decide } from '../mint/policy.ts';
import { readPolicyInputs } from '../mint/policy-input.ts';
import type { Handler } from '../runtime/call.ts';

/** `GET /api/agents`: those for which the caller would get a ticket, with the best role that it has on any instance. */
export const listAgents: Handler = async ({ who, now, ports }) => {
  const signer = await ports.keyring.signer(now);
  const inputs = await readPolicyInputs(who, now, ports, signer.ok ? signer.value.row.kid : undefined);
  const items = ports.registry.flatMap((entry) => {
    const transport = entry.transport === 'sse' ? 'http' : 'websocket';
    const allowed = inputs
      .filter(({ at }) => at.agent === entry.slug)
      .map(({ at, input }) => decide(who, { ...at, transport }, input))
      .filter((decision) => decision.allowed);
    const held = allowed.filter(({ claim }) => claim === undefined).map(({ role }) => role);
    // The owner that the caller could become by asking counts where it has no role yet.
    const role = ROLES.findLast((each) => held.includes(each)) ?? allowed[0]?.role;
    return role === undefined ? [] : [view(entry, role)];
  });
  return ok({ status: 200, body: { items, next_cursor: null } });
};

const view = (entry: AgentEntry, role: Role) => ({
  agent: entry.slug,
  display_name: entry.displayName,
  description: entry.description,
  access: entry.access,
  transport: entry.transport,
  instances: entry.instances ?? null,
  role,
});
