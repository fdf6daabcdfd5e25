import { AgentSlug, InstanceName } from '@agent-ticket/shared/names.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import { recordAct } from '../audit/act.ts';
import { containsCredential } from '../credentials/secret-in-text.ts';
import type { Handler } from '../http/call.ts';
import { readFacts } from '../mint/policy-input.ts';
import { carryOut, newCommand, outboxRow, statusOf } from '../revocation/termination.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { newLock } from './new-lock.ts';

/**
 * `DELETE /api/agents/:agent/:instance`, for its owner: closes its sockets, destroys it, drops its grants. A lock keeps
 * it closed until the object is gone, so that nobody gets what is in it by being the next first user.
 */
export const deleteInstance =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const { who, now } = call;
    const agent = AgentSlug.safeParse(call.params.agent);
    const instance = InstanceName.safeParse(call.params.instance);
    if (!agent.success) return { outcome: err('agent_unknown') };
    if (!instance.success || containsCredential(instance.data))
      return { outcome: err('instance_invalid', { field: 'instance' }) };
    const place = { agent: agent.data, instance: instance.data };
    const { grants, locks } = (await readFacts(who, place, now, ports)).at(place);
    const within = who.agents === undefined || who.agents.includes(place.agent);
    const owner = within && grants.some((grant) => grant.role === 'owner');
    // Whoever is not the owner learns nothing: not of the agent, not of the instance.
    if (!owner || findAgent(ports.registry, place.agent) === undefined)
      return { outcome: err('agent_invisible') };

    // What is locked may be evidence.
    if (locks.length > 0) return { outcome: err('locked') };

    const target = { kind: 'instance', ...place } as const;
    const pending = newCommand({ op: 'destroy', target }, now, ports);
    await recordAct(ports, call, 'agent.deleted', place);
    const reason = 'the instance is being deleted';
    const closed = newLock(pending.id, target, call, { reason, expiresAt: null });
    await ports.locks.insert(closed, outboxRow(pending));
    const receipt = await carryOut(pending, ports.termination);
    return { outcome: ok({ status: statusOf(receipt), body: { ...place, receipt } }) };
  };
