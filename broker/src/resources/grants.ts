import type { GrantRow } from '@agent-ticket/drizzle/control/policy.ts';
import { isAnonymous } from '@agent-ticket/shared/anonymous.ts';
import { AgentSlug, InstanceName, PrincipalId, Role } from '@agent-ticket/shared/names.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { recordAct } from '../audit/act.ts';
import { foldAddress } from '../credentials/email-address.ts';
import { isPrincipalName } from '../credentials/principal.ts';
import { readBody } from '../http/body.ts';
import type { Call, Handler } from '../http/call.ts';
import { iso } from '../http/iso.ts';
import { pageOf, readPage } from '../http/page.ts';
import { carryOut, newCommand, outboxRow, statusOf } from '../revocation/termination.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { coversRole, type GrantRight, mayReadGrants, mayWriteGrants } from './grant-rights.ts';

/** E-mail subjects are kept in the spelling in which addresses are compared. */
const EmailSubject = z
  .string()
  .regex(/^email:(\*|[^\s@*]{1,64})@[A-Za-z0-9.-]{1,253}$/)
  .transform(foldAddress);
const GroupSubject = z.string().regex(/^group:\S{1,256}:\S.{0,127}$/);
const Subject = z.union([
  EmailSubject,
  GroupSubject,
  PrincipalId.refine((id) => isPrincipalName(id) && !isAnonymous(id)),
]);

/** Body of `POST /admin/grants`. */
export const CreateGrant = z.strictObject({
  subject: Subject,
  agent: AgentSlug,
  instance: z.union([z.literal('*'), InstanceName]),
  role: Role,
  /** Seconds; left out: until it is deleted. */
  expires_in: z
    .int()
    .min(60)
    .max(10 * 366 * 24 * 3600)
    .optional(),
  reason: z.string().trim().min(1).max(500),
});

const Place = z.strictObject({ createdAt: z.int(), id: z.string() });

const view = (row: GrantRow) => ({
  id: row.id,
  subject: row.subject,
  agent: row.agentSlug,
  instance: row.instanceId,
  role: row.role,
  reason: row.reason,
  created_by: row.createdBy,
  created_at: iso(row.createdAt),
  expires_at: iso(row.expiresAt),
});

/** `GET /admin/grants`: by `agent`, `instance`, `subject`. An owner sees the grants of an own instance only. */
export const listGrants =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const { searchParams } = new URL(call.request.url);
    const [agent, instance, subject] = ['agent', 'instance', 'subject'].map(
      (name) => searchParams.get(name) ?? undefined,
    );
    const may = await mayReadGrants(ports, call, { agent, instance });
    if (!may.ok) return { outcome: may };
    const page = readPage(new URL(call.request.url), Place);
    if (!page.ok) return { outcome: page };
    const { limit, after } = page.value;
    const rows = await ports.grants.list(
      // As it is stored.
      {
        agent,
        instance,
        subject: subject?.startsWith('email:') ? foldAddress(subject) : subject,
        now: call.now,
      },
      after,
      limit + 1,
    );
    return {
      outcome: ok({
        status: 200,
        body: pageOf(rows, limit, view, ({ createdAt, id }) => ({ createdAt, id })),
      }),
    };
  };

/** `POST /admin/grants`. */
export const createGrant =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const body = await readBody(call.request, CreateGrant);
    if (!body.ok) return { outcome: body };
    const { subject, agent, instance, role, reason, expires_in: expiresIn } = body.value;
    const may = await mayWriteGrants(ports, call, { agent, instance });
    if (!may.ok) return { outcome: may };
    if (!coversRole(may.value, role)) return { outcome: err('above_own_rights', { detail: role }) };
    if (may.value.by === 'ownership' && !isPrincipalName(subject))
      return { outcome: err('above_own_rights', { detail: 'owners name principals' }) };

    const grant = {
      id: ports.randomId(),
      subject,
      agentSlug: agent,
      instanceId: instance,
      role,
      reason,
      createdBy: call.who.principal.id,
      createdAt: call.now,
      expiresAt: endOf(may.value, expiresIn, call.now),
    };
    await record(ports, call, 'grant.created', grant);
    await ports.grants.insert(grant);
    return {
      outcome: ok({
        status: 201,
        body: view({ ...grant, claimed: false, openedAt: null, deletedAt: null }),
      }),
    };
  };

/** When a grant ends: as asked, and no later than the ownership that it was made by. In ms. */
function endOf(right: GrantRight, expiresIn: number | undefined, now: number): number | null {
  const ends = [
    ...(expiresIn === undefined ? [] : [now + expiresIn * 1000]),
    ...(right.by === 'ownership' && right.until !== null ? [right.until] : []),
  ];
  return ends.length === 0 ? null : Math.min(...ends);
}

/**
 * `DELETE /admin/grants/:id`. Tickets that the grant may have carried open nothing any more, and sockets come back for a
 * new one, or do not.
 */
export const deleteGrant =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const grant = await ports.grants.find(call.params.id ?? '');
    const where = grant === undefined ? {} : { agent: grant.agentSlug, instance: grant.instanceId };
    const may = await mayWriteGrants(ports, call, where);
    if (!may.ok) return { outcome: may };
    if (grant === undefined) return { outcome: err('grant_unknown') };
    if (!coversRole(may.value, Role.parse(grant.role)))
      return { outcome: err('above_own_rights', { detail: grant.role }) };

    await record(ports, call, 'grant.deleted', grant);
    const principal = PrincipalId.refine(isPrincipalName).safeParse(grant.subject);
    const command = {
      op: 'refresh',
      agent: AgentSlug.parse(grant.agentSlug),
      ...(grant.instanceId === '*' ? {} : { instance: InstanceName.parse(grant.instanceId) }),
      ...(principal.success ? { principal: principal.data } : {}),
    } as const;
    const pending = newCommand(command, call.now, ports);
    await ports.termination.outbox.insert(outboxRow(pending));
    const deleted = await ports.grants.delete(grant.id, call.now);
    // What was minted or opened by it until this moment was carried by it too.
    const before = ports.termination.clock();
    await ports.termination.outbox.reach(pending.id, before);
    const receipt = await carryOut({ ...pending, before }, ports.termination);
    return {
      outcome:
        deleted === undefined
          ? err('grant_unknown')
          : ok({ status: statusOf(receipt), body: { ...view(deleted), receipt } }),
    };
  };

const record = (
  ports: BrokerPorts,
  call: Call,
  type: 'grant.created' | 'grant.deleted',
  grant: Pick<GrantRow, 'id' | 'subject' | 'agentSlug' | 'instanceId' | 'role' | 'reason'>,
) =>
  recordAct(ports, call, type, {
    agent: grant.agentSlug,
    instance: grant.instanceId,
    details: { grant: grant.id, subject: grant.subject, role: grant.role, reason: grant.reason },
  });
