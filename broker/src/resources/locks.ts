import type { LockRow } from '@agent-ticket/drizzle/control/policy.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { readTargetName, Target } from '@agent-ticket/shared/target.ts';
import { isClientParty } from '@agent-ticket/shared/ticket.ts';
import * as z from 'zod';
import { recordAct } from '../audit/act.ts';
import { allowsAgent } from '../credentials/principal.ts';
import { readBody } from '../http/body.ts';
import type { Call, Handler } from '../http/call.ts';
import { iso } from '../http/iso.ts';
import { pageOf, readPage } from '../http/page.ts';
import { carryOut, isDone, newCommand, order, outboxRow } from '../revocation/termination.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { newLock } from './new-lock.ts';

/** Body of `POST /admin/locks`. */
export const CreateLock = z.strictObject({
  target: Target,
  reason: z.string().trim().min(1).max(500),
  /** Seconds; left out: until it is lifted. */
  expires_in: z
    .int()
    .min(1)
    .max(10 * 366 * 24 * 3600)
    .optional(),
});

const Place = z.strictObject({ createdAt: z.int(), id: z.uuid() });

const view = (row: LockRow) => ({
  id: row.id,
  target: readTargetName(row.target),
  reason: row.reason,
  created_by: row.createdBy,
  created_at: iso(row.createdAt),
  expires_at: iso(row.expiresAt),
});

/** `GET /admin/locks`: those that stand, newest first. */
export const listLocks =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const page = readPage(new URL(call.request.url), Place);
    if (!page.ok) return { outcome: page };
    const { limit, after } = page.value;
    const rows = await ports.locks.list(call.now, after, limit + 1);
    return {
      outcome: ok({
        status: 200,
        body: pageOf(rows, limit, view, ({ createdAt, id }) => ({ createdAt, id })),
      }),
    };
  };

/** `POST /admin/locks`. From its answer on nothing is minted for the target; live sockets are closed, with a receipt. */
export const createLock =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const body = await readBody(call.request, CreateLock);
    if (!body.ok) return { outcome: body };
    const { target, reason, expires_in: expiresIn } = body.value;
    if (target.kind === 'principal' && isClientParty(target.id))
      return { outcome: err('field_invalid', { field: 'target.id', hint: 'lock the service token' }) };
    const until = expiresIn === undefined ? null : call.now + expiresIn * 1000;
    if (!reachesTarget(call, target)) return { outcome: err('permission_missing') };
    const lock = newLock(ports.randomId(), target, call, { reason, expiresAt: until });
    await record(ports, call, 'lock.created', lock);
    const pending = newCommand({ op: 'lock', target, until }, call.now, ports);
    await ports.locks.insert(lock, outboxRow(pending));
    const receipt = await carryOut(pending, ports.termination);
    const done = isDone(receipt);
    return {
      outcome: ok({ status: done ? 201 : 202, body: { ...view(lock), receipt } }),
    };
  };

/** `DELETE /admin/locks/:id`. Another lock on the same target goes on. */
export const liftLock =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const id = z.uuid().safeParse(call.params.id);
    if (!id.success) return { outcome: err('field_invalid', { field: 'id' }) };
    const lock = await ports.locks.find(id.data);
    if (lock === undefined) return { outcome: err('lock_unknown') };
    const target = readTargetName(lock.target);
    if (!reachesTarget(call, target)) return { outcome: err('lock_unknown') };
    await record(ports, call, 'lock.lifted', lock);
    if (!(await ports.locks.lift(lock.id, call.now))) return { outcome: err('lock_unknown') };
    await order({ op: 'unlock', target }, ports.termination);
    return { outcome: ok({ status: 200, body: view(lock) }) };
  };

/** Whether a target lies within the agents that the caller's credential is limited to; people and keys never do. */
const reachesTarget = ({ who }: Call, target: Target): boolean =>
  allowsAgent(who, target.kind === 'agent' || target.kind === 'instance' ? target.agent : undefined);

const record = (
  ports: BrokerPorts,
  call: Call,
  type: 'lock.created' | 'lock.lifted',
  { id, target, reason }: LockRow,
) => recordAct(ports, call, type, { details: { lock: id, target, reason } });
