import { AgentSlug, InstanceName, PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { LockTarget, ServiceTokenId, type Target, targetName } from '@agent-ticket/shared/target.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { OTHER_AGENT } from '../credentials/principal.ts';
import { IpAddress } from '../http/client-address.ts';
import { changePolicy, newRevocation, statusOf } from '../revocation/changes.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { everyCredentialOf } from '../sign-in/sign-out.ts';
import { checkAgents } from './agents.ts';
import { isWithinAgents } from './locks.ts';
import { idsOfLabel, Label } from './principals.ts';
import { Reason, reasonOf } from './reason.ts';

/** Body of `POST /admin/agents/sessions/terminate`: one selector, `instance` beside `agent`. */
export const TerminateRequest = z.strictObject({
  principal: PrincipalId.optional(),
  label: Label.optional(),
  service_token: ServiceTokenId.optional(),
  agent: AgentSlug.optional(),
  instance: InstanceName.optional(),
  ip_address: IpAddress.optional(),
  /** Beside `principal` or `label`: also refuses every sign-in, token and assertion of that principal from before. */
  sign_out: z.boolean().optional(),
  reason: Reason.optional(),
});

/**
 * `POST /admin/agents/sessions/terminate`: ends the sessions that the selector names, and every ticket of it from before.
 * No ban: everybody who may have a ticket gets a new one, which includes the holder of a stolen credential. With `sign_out`
 * the principal needs a new credential first. An address ends sessions only, since tickets name none. A repeated call
 * reaches objects that did not answer, and ends sessions that were opened since.
 */
export const terminateSessions: Handler = async (call) => {
  const body = await readBody(call.request, TerminateRequest);
  if (!body.ok) return body;
  const selected = await targetOf(body.value, call);
  if (!selected.ok) return selected;
  const target = selected.value;
  const isSignOut = body.value.sign_out === true;
  if (isSignOut && target.kind !== 'principal')
    return err('field_invalid', { field: 'sign_out', hint: NO_SIGN_IN });
  const { who, now, ports } = call;
  const signOut =
    isSignOut && target.kind === 'principal'
      ? [ports.control.principals.signOut(everyCredentialOf(target.id, now))]
      : [];
  const reason = body.value.reason ?? 'sessions were terminated';
  const revocation = newRevocation({
    ...{ target, kind: 'before', code: 'session_terminated', reason, by: who.principal.id, now },
  });
  const event = auditEventOf(call, 'session.terminated', ports.randomId(), {
    ...('agent' in target ? { agent: target.agent } : {}),
    ...('instance' in target ? { instance: target.instance } : {}),
    details: { target: targetName(target), ...(isSignOut && { sign_out: true }), ...reasonOf(body.value) },
  });
  const receipt = await changePolicy({ before: signOut, event, revocations: [revocation] }, ports);
  return ok({ status: statusOf(receipt), body: { target, receipt } });
};

const NO_SIGN_IN =
  'only people and workloads sign in: name a principal or a label, and delete or rotate a service token';

const NO_LABEL = 'nobody has this label: take the id of the principal from the list of sessions';

async function targetOf(
  {
    principal,
    label,
    service_token: token,
    agent,
    instance,
    ip_address: address,
  }: z.output<typeof TerminateRequest>,
  call: Call,
): Promise<Outcome<Target>> {
  const wrong = (field: string, hint: string) => err('field_invalid', { field, hint });
  const selectors = { principal, label, service_token: token, agent, ip_address: address };
  const given = Object.entries(selectors).filter(([, value]) => value !== undefined);
  if (given.length !== 1)
    return wrong(given[1]?.[0] ?? 'body', `name one of ${Object.keys(selectors).join(', ')}`);
  if (instance !== undefined && agent === undefined)
    return wrong('instance', 'an instance has a name only within its agent');

  if (agent !== undefined) {
    const target: Target =
      instance === undefined ? { kind: 'agent', agent } : { kind: 'instance', agent, instance };
    if (!isWithinAgents(call, target)) return err('permission_missing', { hint: OTHER_AGENT });
    const known = checkAgents([agent], 'agent', call);
    return known.ok ? ok(target) : known;
  }
  if (call.who.agents !== undefined) return err('permission_missing', { hint: OTHER_AGENT });
  if (address !== undefined) return ok({ kind: 'address', address });
  if (token !== undefined) return ok({ kind: 'service-token', id: token });
  if (principal !== undefined) return ok(LockTarget.parse({ kind: 'principal', id: principal }));
  const found = await idsOfLabel(label ?? '', call);
  if (!found.ok) return found;
  const [id, ...others] = found.value;
  if (id === undefined) return err('principal_unknown', { hint: NO_LABEL });
  return others.length === 0
    ? ok(LockTarget.parse({ kind: 'principal', id }))
    : err('label_ambiguous', { hint: `name one principal of ${found.value.join(', ')}` });
}
