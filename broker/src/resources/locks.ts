import type { RevocationRow } from '@agent-ticket/drizzle/control/change.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { LockTarget, readTargetName, type Target, targetName } from '@agent-ticket/shared/target.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { allowsAgent, OTHER_AGENT } from '../credentials/principal.ts';
import { iso } from '../http/iso.ts';
import { pageOf, readPage } from '../http/page.ts';
import { readParams } from '../http/query.ts';
import { callerTargets } from '../mint/policy-input.ts';
import { changePolicy, endResource, newRevocation } from '../revocation/changes.ts';
import { isDone } from '../revocation/outbox.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { checkAgents } from './agents.ts';
import { Reason, readReason } from './reason.ts';

/** Body of `POST /admin/locks`. */
export const CreateLock = z.strictObject({
  target: LockTarget,
  reason: Reason,
  /** Seconds; left out: until it is lifted. */
  expires_in: z
    .int()
    .min(1)
    .max(10 * 366 * 24 * 3600)
    .optional(),
});

export const LockParams = z.object({ id: z.uuid() });
/** The id of the revocation of a key, which shows among the locks. */
const KeyRevocationId = z.string().regex(/^any key:[A-Za-z0-9_-]{43}$/);
const Place = z.strictObject({ createdAt: z.int(), id: z.union([LockParams.shape.id, KeyRevocationId]) });

/** A lock is a revocation of the code `locked`. */
type Lock = Omit<RevocationRow, 'rev'>;

const view = (row: Lock) => ({
  id: row.id,
  target: readTargetName(row.target),
  reason: row.reason,
  created_by: row.createdBy,
  created_at: iso(row.createdAt),
  expires_at: iso(row.until),
});

/** `GET /admin/locks`: locks in force, newest first. */
export const listLocks: Handler = async ({ request, now, ports }) => {
  const page = await readPage(request.url, Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  const found = await ports.control.revocations.listLocks(now, after, limit + 1);
  const body = pageOf(found, page.value, view, ({ createdAt, id }) => ({ createdAt, id }));
  return ok({ status: 200, body });
};

/** `POST /admin/locks`. From its answer on nothing is minted for the target; live sockets are closed, with a receipt. */
export const createLock: Handler = async (call) => {
  const body = await readBody(call.request, CreateLock);
  if (!body.ok) return body;
  const { target, reason, expires_in: expiresIn } = body.value;
  if (!isWithinAgents(call, target)) return err('permission_missing', { hint: OTHER_AGENT });
  const { who, now, ports } = call;
  const known = checkAgents('agent' in target ? [target.agent] : [], 'target.agent', call);
  if (!known.ok) return known;
  // A locked caller lifts no lock. So the operator who made the last lock can always lift one.
  if (callerTargets(who).includes(targetName(target)))
    return err('field_invalid', { field: 'target', hint: 'another operator must lock you' });
  const lock = newRevocation({
    id: ports.randomId(),
    target,
    kind: 'any',
    code: 'locked',
    reason,
    by: who.principal.id,
    now,
    ...(expiresIn === undefined ? lastsFor(target) : { until: now + expiresIn * 1000 }),
  });
  const receipt = await changePolicy(
    { event: lockEvent(call, 'lock.created', lock), revocations: [lock] },
    ports,
  );
  return ok({ status: isDone(receipt) ? 201 : 202, body: { ...view(lock), receipt } });
};

/** A lock without an end, but of a ticket, which is over by itself. */
const lastsFor = ({ kind }: Target) => (kind === 'ticket' ? {} : { until: null });

/** `DELETE /admin/locks/:id`. Another lock on the same target goes on. */
export const liftLock: Handler = async (call) => {
  const { now, ports } = call;
  const { revocations } = ports.control;
  const revoked = KeyRevocationId.safeParse(call.params.id);
  if (revoked.success && (await revocations.find(revoked.data)) !== undefined)
    return err('key_already_revoked', { hint: 'the key was revoked for good, and so its lock stays' });
  const params = readParams(call, LockParams);
  if (!params.ok) return params;
  const lock = await revocations.find(params.value.id);
  if (lock?.code !== 'locked') return err('lock_unknown');
  const target = readTargetName(lock.target);
  if (!isWithinAgents(call, target)) return err('lock_unknown');
  const why = readReason(call.request);
  if (!why.ok) return why;
  return endResource(
    {
      // Applies to a lock in force: a lock that was lifted or has ended is unknown.
      statement: revocations.lift(lock.id, now),
      event: lockEvent(call, 'lock.lifted', lock, why.value.reason),
      command: { op: 'revoke', ids: [lock.id] },
    },
    view(lock),
    'lock_unknown',
    ports,
  );
};

/** Whether a target lies within the agents that the caller's credential is limited to; people and keys never do. */
export const isWithinAgents = ({ who }: Call, target: Target): boolean =>
  allowsAgent(who, target.kind === 'agent' || target.kind === 'instance' ? target.agent : undefined);

const lockEvent = (
  call: Call,
  type: 'lock.created' | 'lock.lifted',
  { id, target, reason }: Lock,
  liftedFor?: string,
) =>
  auditEventOf(call, type, call.ports.randomId(), {
    details: { lock: id, target, reason, ...(liftedFor === undefined ? {} : { lifted_for: liftedFor }) },
  });
