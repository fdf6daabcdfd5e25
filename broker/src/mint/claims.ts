import type { NewGrant } from '@agent-ticket/drizzle/control/grants.ts';
import type { GrantRow } from '@agent-ticket/drizzle/control/policy.ts';
import { AgentSlug, InstanceName } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { auditEventOf } from '../audit/event.ts';
import { workerOf } from '../config/workers.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { RequestContext } from '../http/context.ts';
import { changePolicy, newRevocation } from '../revocation/changes.ts';
import type { ChangePorts } from '../revocation/outbox.ts';
import { sendCommand } from '../revocation/send-command.ts';
import { CLAIM_LAPSES_MS, DEFAULT_INSTANCE } from './policy.ts';
import type { MintOrder } from './shard.ts';

/** The grant by which a first user owns an instance. */
export const claimRow = (
  { who, request, context }: Pick<MintOrder, 'request' | 'context'> & { readonly who: Authenticated },
  id: string,
): NewGrant => ({
  id,
  subject: who.principal.id,
  agentSlug: request.agent,
  instanceId: request.instance ?? DEFAULT_INSTANCE,
  role: 'owner',
  reason: 'first user',
  createdBy: who.principal.id,
  createdAt: context.now,
  expiresAt: null,
});

/**
 * Decides whether a claim that was never recorded as opened lapses. Only the instance's object knows whether a session
 * or plain request ever used the claim. If one did, the control database records that and keeps the claim. If none did,
 * the object has revoked the claim, and the control database drops it. Without an answer the claim is kept. The caller
 * then decides the request anew.
 */
export async function resolveLapse(
  claim: GrantRow,
  by: RequestContext & { readonly who: Authenticated },
  ports: ChangePorts,
): Promise<Outcome<undefined>> {
  const { id, agentSlug, instanceId } = claim;
  const place = { agent: AgentSlug.parse(agentSlug), instance: InstanceName.parse(instanceId) };
  const revocation = newRevocation({
    target: { kind: 'grant', id },
    kind: 'any',
    code: 'rights_changed',
    reason: 'the claim lapsed',
    by: by.who.principal.id,
    now: by.now,
  });
  // The object keeps this version until the change below sends a newer one. The number is not reserved: versions are
  // compared within this id alone.
  const rev = (await ports.control.revocations.newestRev()) + 1;
  const { reason: _, createdBy: _by, createdAt: _at, ...version } = revocation;
  const receipt = await sendCommand(
    { op: 'lapse', ...place, revocation: { ...version, rev } },
    workerOf(agentSlug, ports),
    ports,
  );
  if (receipt?.opened === undefined) return err('agent_worker_unavailable', { retryAfter: 5 });
  if (receipt.opened) {
    await ports.control.grants.noteOpened(id, by.now);
    return ok(undefined);
  }
  await changePolicy(
    {
      statement: ports.control.grants.dropLapsed(id, by.now - CLAIM_LAPSES_MS),
      event: auditEventOf(by, 'grant.deleted', ports.randomId(), {
        ...place,
        details: { grant: id, subject: claim.subject, role: claim.role, reason: revocation.reason },
      }),
      revocations: [revocation],
    },
    ports,
  );
  return ok(undefined);
}
