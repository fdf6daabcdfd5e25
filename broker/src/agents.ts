import { targetNamesOf } from '@agent-ticket/shared/control.ts';
import { AgentSlug, InstanceName, ROLES, type Role, tierAtLeast } from '@agent-ticket/shared/names.ts';
import { allow, deny } from '@agent-ticket/shared/outcome.ts';
import { type AgentEntry, findAgent } from '@agent-ticket/shared/registry.ts';
import { adminEvent } from './admin/event.ts';
import type { Handler } from './http/call.ts';
import type { BrokerPorts } from './ports.ts';
import { type Authenticated, subjectsOf } from './principal.ts';
import { carryOut, isDone, outboxRow } from './termination.ts';

/** `GET /api/agents`: those that the caller may use, with the best role that it has on any instance. */
export const listAgents =
  (ports: BrokerPorts): Handler =>
  async ({ who, now }) => {
    const granted =
      who.method === 'anonymous'
        ? []
        : await ports.grants.ofSubjects(subjectsOf(who.principal, ports.trustEmail), now);
    const items = ports.registry
      .filter((entry) => entry.enabled)
      .map((entry) => {
        const roles = granted.filter((grant) => grant.agentSlug === entry.slug).map((grant) => grant.role);
        return {
          entry,
          role: usableAs(
            who,
            entry,
            ROLES.filter((role) => roles.includes(role)),
          ),
        };
      })
      .filter(({ role }) => role !== undefined)
      .map(({ entry, role }) => ({
        agent: entry.slug,
        display_name: entry.displayName,
        description: entry.description,
        access: entry.access,
        transport: entry.transport,
        instances: entry.instances ?? null,
        role,
      }));
    return { outcome: allow({ status: 200, body: { items, next_cursor: null } }) };
  };

/** The role to show: what was granted, or what the access mode gives; a first user may become the owner. */
function usableAs(who: Authenticated, entry: AgentEntry, granted: readonly Role[]): Role | undefined {
  const stranger = who.method === 'anonymous';
  if (stranger && entry.access !== 'public') return undefined;
  if (who.agents !== undefined && !who.agents.includes(entry.slug)) return undefined;
  if (!tierAtLeast(who.principal.tier, entry.requiredTier)) return undefined;
  const service = who.principal.kind === 'service';
  if (service && !entry.requiredScopes.every((name) => who.principal.permissions.includes(name)))
    return undefined;
  const best = ROLES.findLast((role) => granted.includes(role));
  switch (entry.access) {
    case 'public':
    case 'viewer':
      return best ?? 'viewer';
    case 'first-user':
      return best ?? (service ? undefined : 'owner');
    case 'grant':
      return best;
  }
}

/**
 * `DELETE /api/agents/:agent/:instance`, for its owner: closes its sockets, destroys it, drops its grants. The next
 * first user may claim it anew.
 */
export const deleteInstance =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const agent = AgentSlug.safeParse(call.params.agent);
    const instance = InstanceName.safeParse(call.params.instance);
    if (!agent.success) return { outcome: deny('agent_unknown') };
    if (!instance.success) return { outcome: deny('instance_invalid', { field: 'instance' }) };
    const { principal, agents } = call.who;
    const { grants, locks } = await ports.policy.read({
      subjects: subjectsOf(principal, ports.trustEmail),
      agent: agent.data,
      instance: instance.data,
      lockTargets: targetNamesOf({ principal: principal.id, agent: agent.data, instance: instance.data }),
      now: call.now,
    });
    const within = agents === undefined || agents.includes(agent.data);
    const owner = within && grants.some((grant) => grant.role === 'owner');
    // Whoever is not the owner learns nothing: not of the agent, not of the instance.
    if (!owner || findAgent(ports.registry, agent.data) === undefined)
      return { outcome: deny('agent_invisible') };

    // What is locked may be evidence.
    if (locks.length > 0) return { outcome: deny('locked') };

    const target = { kind: 'instance', agent: agent.data, instance: instance.data } as const;
    const pending = { id: ports.randomId(), command: { op: 'destroy', target } as const, before: call.now };
    await ports.ledger.settle(call.who.principal.id, {
      event: adminEvent(call, 'agent.deleted', ports.randomId(), {
        agent: agent.data,
        instance: instance.data,
      }),
    });
    await ports.termination.outbox.insert(outboxRow(pending));
    await ports.grants.deleteInstance(agent.data, instance.data);
    const receipt = await carryOut(pending, ports.termination);
    return {
      outcome: allow({
        status: isDone(receipt) ? 200 : 202,
        body: { agent: agent.data, instance: instance.data, receipt },
      }),
    };
  };
