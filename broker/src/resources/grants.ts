import type { GrantRow } from '@agent-ticket/drizzle/control/policy.ts';
import { isAnonymous } from '@agent-ticket/shared/anonymous.ts';
import { VALUES } from '@agent-ticket/shared/describe-values.ts';
import { AgentSlug, InstanceName, PrincipalId, Role, roleAtLeast } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { foldAddress } from '../credentials/email-address.ts';
import { isPermittedOn, permissionMissing } from '../credentials/permissions.ts';
import { isPrincipalName } from '../credentials/principal.ts';
import { iso } from '../http/iso.ts';
import { PAGE, pageOf, readPage } from '../http/page.ts';
import { readParams, readQuery } from '../http/query.ts';
import type { AgentInstance } from '../mint/policy-input.ts';
import { roleHeld } from '../mint/role-held.ts';
import { changePolicy, endResource, newRevocation } from '../revocation/changes.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { checkFilter } from './agents.ts';
import { Reason, readReason } from './reason.ts';

/** E-mail subjects are kept in the spelling in which addresses are compared. */
const EmailSubject = z
  .string()
  .regex(/^email:(\*|[^\s@*]{1,64})@[A-Za-z0-9.-]{1,253}$/)
  .transform(foldAddress);
const GroupSubject = z.string().regex(/^group:\S{1,256}:\S.{0,127}$/);
const Subject = z
  .union([EmailSubject, GroupSubject, PrincipalId.refine((id) => isPrincipalName(id) && !isAnonymous(id))])
  .meta({
    [VALUES]: 'the id of a principal, email:<address>, email:*@<domain> or group:<issuer>:<name>',
  });

const AnyInstance = z.union([z.literal('*'), InstanceName]);

/** Body of `POST /admin/grants`. */
export const CreateGrant = z.strictObject({
  subject: Subject,
  agent: AgentSlug,
  instance: AnyInstance,
  role: Role,
  /** Seconds; left out: until it is deleted. */
  expires_in: z
    .int()
    .min(60)
    .max(10 * 366 * 24 * 3600)
    .optional(),
  reason: Reason,
});

export const GrantParams = z.object({ id: z.uuid() });

const ABOVE_ROLE = 'the role is above that of the caller there';

const Place = z.strictObject({ createdAt: z.int(), id: z.string() });

const view = (row: Omit<GrantRow, 'claimed' | 'openedAt' | 'deletedAt'>) => ({
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

const Filter = z.object({
  agent: AgentSlug.optional(),
  instance: AnyInstance.optional(),
  subject: Subject.optional(),
});
export const GrantQuery = PAGE.extend(Filter.shape);

/** `GET /admin/grants`: by `agent`, `instance`, `subject`. An owner sees the grants of an own instance only. */
export const listGrants: Handler = async (call) => {
  const { url } = call.request;
  const query = readQuery(url, Filter);
  if (!query.ok) return query;
  const { agent, instance, subject } = query.value;
  const right = await readRight(call, { agent, instance });
  if (!right.ok) return right;
  const page = await readPage(url, Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  const filter = { agent, instance, subject, now: call.now };
  const found = await call.ports.control.grants.list(filter, after, limit + 1);
  const known = checkFilter(agent, found, call);
  if (!known.ok) return known;
  const body = pageOf(found, page.value, view, ({ createdAt, id }) => ({ createdAt, id }));
  return ok({ status: 200, body });
};

/** An owner may bring an instance to so many grants, all counted. Each is a row that others' mints and lists pass by. */
const MAX_GRANTS_BY_OWNER = 100;

/** `POST /admin/grants`. Refused where the subject has that role there, even for another time: delete that one first. */
export const createGrant: Handler = async (call) => {
  const body = await readBody(call.request, CreateGrant);
  if (!body.ok) return body;
  const { subject, agent, instance, role, reason, expires_in: expiresIn } = body.value;
  const right = await writeRight(call, { agent, instance });
  if (!right.ok) return right;
  if (!coversRole(right.value, role)) return err('above_own_rights', { detail: role, hint: ABOVE_ROLE });
  if (right.value.by === 'ownership' && !isPrincipalName(subject))
    return err('above_own_rights', {
      detail: 'owners name principals',
      hint: 'an owner grants to principals by id, not to groups or addresses',
    });

  const { who, now, ports } = call;
  const grant = {
    id: ports.randomId(),
    subject,
    agentSlug: agent,
    instanceId: instance,
    role,
    reason,
    createdBy: who.principal.id,
    createdAt: now,
    expiresAt: endOf(right.value, expiresIn, now),
  };
  const { grants } = ports.control;
  const created = await changePolicy(
    {
      before: [grants.replaceEnded(grant)],
      statement: grants.insert(grant, right.value.by === 'ownership' ? MAX_GRANTS_BY_OWNER : undefined),
      event: grantEvent(call, 'grant.created', grant),
    },
    ports,
  );
  if (created !== undefined) return ok({ status: 201, body: view(grant) });
  const same = await grants.findSame(grant);
  return same === undefined
    ? err('grant_limit_reached', {
        hint: `an owner makes no more than ${MAX_GRANTS_BY_OWNER} of one instance`,
      })
    : err('grant_exists', { hint: `grant ${same.id}` });
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
 * `DELETE /admin/grants/:id`. Tickets that it decided open nothing any more, and the sessions that rest on it end: their
 * clients come back with a ticket that rests on another grant, or with none.
 */
export const deleteGrant: Handler = async (call) => {
  const { who, now, ports } = call;
  const { grants } = ports.control;
  const params = readParams(call, GrantParams);
  const grant = params.ok ? await grants.find(params.value.id) : undefined;
  const where = grant === undefined ? {} : { agent: grant.agentSlug, instance: grant.instanceId };
  const right = await writeRight(call, where);
  if (!right.ok) return right;
  if (!params.ok) return params;
  if (grant === undefined) return err('grant_unknown');
  if (!coversRole(right.value, Role.parse(grant.role)))
    return err('above_own_rights', { detail: grant.role, hint: ABOVE_ROLE });
  const why = readReason(call.request);
  if (!why.ok) return why;

  const revocation = newRevocation({
    target: { kind: 'grant', id: grant.id },
    kind: 'any',
    code: 'rights_changed',
    reason: why.value.reason ?? 'the grant was deleted',
    by: who.principal.id,
    now,
  });
  return endResource(
    {
      statement: grants.delete(grant.id, now),
      event: grantEvent(call, 'grant.deleted', grant, why.value.reason),
      revocations: [revocation],
    },
    view(grant),
    'grant_unknown',
    ports,
  );
};

const grantEvent = (
  call: Call,
  type: 'grant.created' | 'grant.deleted',
  grant: Pick<GrantRow, 'id' | 'subject' | 'agentSlug' | 'instanceId' | 'role' | 'reason'>,
  deletedFor?: string,
) =>
  auditEventOf(call, type, call.ports.randomId(), {
    agent: grant.agentSlug,
    instance: grant.instanceId,
    details: {
      ...{ grant: grant.id, subject: grant.subject, role: grant.role, reason: grant.reason },
      ...(deletedFor === undefined ? {} : { deleted_for: deletedFor }),
    },
  });

/** Where grants are to be read or written; an `instance` may be `*`. What is left out is not known to the caller. */
type Where = { readonly [Name in keyof AgentInstance]?: string | undefined };

/** What a caller may do with the grants of an instance. */
type GrantRight =
  /** By permission, to anybody; no role above `upTo`. */
  | { readonly by: 'permission'; readonly upTo: Role | undefined }
  /** As owner of the instance, to named principals only, and no longer than `until`, in ms; null: for ever. */
  | { readonly by: 'ownership'; readonly upTo: 'owner'; readonly until: number | null };

/** Whether the caller may read grants there: an operator, or the owner of that one instance. */
const readRight = async (call: Call, where: Where): Promise<Outcome<unknown>> =>
  isPermittedOn(where.agent, 'grants:read', call.who) ? ok(undefined) : ownership(call, 'grants:read', where);

/**
 * Whether the caller may make and end grants there, and up to which role. An operator of the tier `admin` may give
 * every role; any other holder of the permission none above its own there, and none on an agent of a higher tier.
 * Answers the same whether the agent exists or not.
 */
async function writeRight(call: Call, where: Where): Promise<Outcome<GrantRight>> {
  const { who } = call;
  if (!isPermittedOn(where.agent, 'grants:write', who)) {
    const owner = await ownership(call, 'grants:write', where);
    if (!owner.ok) return owner;
    const { isLocked, until } = owner.value;
    return isLocked
      ? err('locked', { hint: 'a lock names the instance or its owner' })
      : ok({ by: 'ownership', upTo: 'owner', until });
  }
  if (who.principal.tier === 'admin') return ok({ by: 'permission', upTo: 'owner' });
  if (!isInstance(where)) return ok({ by: 'permission', upTo: undefined });
  const held = await roleHeld(where, call);
  return held.ok ? ok({ by: 'permission', upTo: held.value.role }) : held;
}

/** Whether a right covers giving or taking a role. */
const coversRole = ({ upTo }: GrantRight, role: Role): boolean =>
  upTo !== undefined && roleAtLeast(upTo, role);

const isInstance = (where: Where): where is AgentInstance =>
  where.agent !== undefined && where.instance !== undefined;

async function ownership(
  call: Call,
  permission: 'grants:read' | 'grants:write',
  where: Where,
): Promise<Outcome<{ readonly until: number | null; readonly isLocked: boolean }>> {
  const refused = permissionMissing(permission, ' or the ownership of the one instance that is named');
  if (!isInstance(where) || where.instance === '*') return refused;
  const held = await roleHeld(where, call);
  if (!held.ok) return held;
  return held.value.role === 'owner' ? ok(held.value) : refused;
}
