import { AgentSlug, InstanceName } from '@agent-ticket/shared/names.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { workerOf } from '../config/workers.ts';
import { isPermittedOn, permissionMissing } from '../credentials/permissions.ts';
import { containsCredential } from '../credentials/secret-in-text.ts';
import { readParams } from '../http/query.ts';
import { roleHeld } from '../mint/role-held.ts';
import { changePolicy, newRevocation, statusOf } from '../revocation/changes.ts';
import type { Handler } from '../runtime/call.ts';
import { readReason, reasonOf } from './reason.ts';

export const InstanceParams = z.object({
  agent: AgentSlug,
  instance: InstanceName.refine((name) => !containsCredential(name)),
});

const NOT_OURS = 'its server takes no commands: delete the instance there, and its grants one by one';

/**
 * `DELETE /api/agents/:agent/:instance`, for its owner and for operators: closes its sockets, destroys it, drops its
 * grants. A lock keeps it closed until the object is gone, so that nobody gets what is in it by being the next first user.
 */
export const deleteInstance: Handler = async (call) => {
  const { who, now, ports } = call;
  const params = readParams(call, InstanceParams);
  if (!params.ok) return params;
  const place = params.value;
  const { agent } = place;
  const isOperator = isPermittedOn(agent, 'instances:delete', who);
  if (isOperator && findAgent(ports.registry, agent) === undefined) return err('agent_unknown');
  const held = await roleHeld(place, call);
  if (!held.ok) return held;
  // As at a mint: a caller who may not see the agent learns nothing of it, and nobody whether the instance exists.
  if (held.value.isHidden && !isOperator) return err('agent_invisible');
  if (held.value.role !== 'owner' && !isOperator)
    return permissionMissing('instances:delete', ' or the ownership of the instance');
  // A locked instance may be evidence.
  if (held.value.isLocked)
    return err('locked', {
      hint: 'a lock names the instance, its agent or its owner, and must be lifted first',
    });
  // Its answer would say that what the instance holds is gone, and the next who gets a grant would find it.
  if (workerOf(agent, ports).control === false)
    return err('field_invalid', { field: 'agent', hint: NOT_OURS });

  const why = readReason(call.request);
  if (!why.ok) return why;

  const target = { kind: 'instance', ...place } as const;
  const facts = {
    target,
    reason: why.value.reason ?? 'the instance is being deleted',
    by: who.principal.id,
    now,
  };
  // No `locked`, which operators may lift. Both rows have no end before the deletion is done, however long that takes.
  const shared = { ...facts, code: 'rights_changed', until: null } as const;
  const lock = newRevocation({ ...shared, id: ports.randomId(), kind: 'any' });
  const ended = newRevocation({ ...shared, kind: 'before' });
  const receipt = await changePolicy(
    {
      event: auditEventOf(call, 'agent.deleted', ports.randomId(), {
        ...place,
        ...(why.value.reason === undefined ? {} : { details: reasonOf(why.value) }),
      }),
      revocations: [lock, ended],
      command: { op: 'destroy', ...place, id: ended.id, lock: lock.id, before: now },
    },
    ports,
  );
  return ok({ status: statusOf(receipt), body: { ...place, receipt } });
};
