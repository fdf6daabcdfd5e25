import type { FoundPage } from '@agent-ticket/drizzle/database.ts';
import type { InvocationRow } from '@agent-ticket/drizzle/record/invocations.ts';
import type { AgentSessionRow, SessionCursor, SessionFilter } from '@agent-ticket/drizzle/record/sessions.ts';
import { AgentSlug, InstanceName, PrincipalId, SessionId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { ServiceTokenId } from '@agent-ticket/shared/target.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { allowsAgent, OTHER_AGENT } from '../credentials/principal.ts';
import { principalOfToken } from '../credentials/service-token.ts';
import { IpAddress } from '../http/client-address.ts';
import type { Answer } from '../http/context.ts';
import { iso } from '../http/iso.ts';
import { PAGE, pageOf, readPage } from '../http/page.ts';
import { readParams, readQuery, Time } from '../http/query.ts';
import { changePolicy, newRevocation, statusOf } from '../revocation/changes.ts';
import { isDone } from '../revocation/outbox.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { checkFilter } from './agents.ts';
import { idsOfLabel, Label } from './principals.ts';
import { type ReasonQuery, readReason, reasonOf } from './reason.ts';

const Place = z.strictObject({ startedAt: z.int(), id: z.uuid() });

/** A session as every list shows it. */
const sessionView = (row: AgentSessionRow) => ({
  id: row.id,
  principal: row.userId,
  agent: row.agentSlug,
  instance: row.instanceId,
  role: row.role,
  scope: row.scope,
  started_at: iso(row.startedAt),
  ended_at: iso(row.endedAt),
  end_reason: row.endReason,
  ip_address: row.ipAddress,
  user_agent: row.userAgent,
  jti: row.jti,
  kid: row.kid,
});

const invocationView = (row: InvocationRow) => ({
  id: row.id,
  method: row.method,
  started_at: iso(row.startedAt),
  duration_ms: row.durationMs,
  outcome: row.outcome,
  code: row.code,
});

const placeOf = ({ startedAt, id }: AgentSessionRow) => ({ startedAt, id });

/** `GET /sessions`: the caller's own live sessions. */
export const listOwnSessions: Handler = async ({ request, who, ports }) => {
  const page = await readPage(request.url, Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  const own = { principal: who.principal.id, active: true };
  const found = await ports.record.sessions.list(own, after, limit + 1);
  return ok({ status: 200, body: pageOf(found, page.value, sessionView, placeOf) });
};

const Active = z.enum(['true', 'false']).transform((text) => text === 'true');

/** Filters of `GET /admin/agents/sessions`. `from` and `to` name sessions that were live at some moment between. */
const Filter = z.object({
  agent: AgentSlug.optional(),
  instance: InstanceName.optional(),
  principal: PrincipalId.optional(),
  label: Label.optional(),
  service_token: ServiceTokenId.optional(),
  active: Active.optional(),
  ip_address: IpAddress.optional(),
  at: Time.optional(),
  from: Time.optional(),
  to: Time.optional(),
});
export const SessionQuery = PAGE.extend(Filter.shape);

const WITHIN_AGENT = 'it is missing: an instance has a name only within its agent';
const wrong = (field: string, hint: string) => err('field_invalid', { field, hint });

/** `GET /admin/agents/sessions`: newest first. A credential that is limited to some agents names one of them. */
export const listSessions: Handler = async (call) => {
  const query = readQuery(call.request.url, Filter);
  if (!query.ok) return query;
  const { agent, instance, active, ip_address: ipAddress, at } = query.value;
  if (instance !== undefined && agent === undefined) return wrong('agent', WITHIN_AGENT);
  if (!allowsAgent(call.who, agent)) return err('permission_missing', { hint: OTHER_AGENT });
  const { from = at, to = at === undefined ? undefined : at + 1 } = query.value;
  if (at !== undefined && (query.value.from ?? query.value.to) !== undefined)
    return wrong('at', 'it is a moment: leave out from and to');
  if (from !== undefined && to !== undefined && from >= to) return wrong('to', 'it is not after from');
  const whose = await whoseOf(query.value, call);
  if (!whose.ok) return whose;
  const page = await readPage(call.request.url, Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  const filter = { agent, instance, active, ipAddress, from, to };
  const found = await listAll(whose.value, filter, after, limit + 1, call);
  const known = checkFilter(agent, found, call);
  if (!known.ok) return known;
  const shown = await withLabels(found.rows, call);
  return ok({ status: 200, body: pageOf({ ...found, rows: shown }, page.value, labelledView, placeOf) });
};

/** A principal, or a party beside it, whose sessions are listed; neither: all. */
type Whose = Pick<SessionFilter, 'principal' | 'party'>;

/**
 * The principal or party that a query names in one of three ways. Sessions of a service token are its own, and those
 * that it opened as the client or the actor of another principal.
 */
async function whoseOf(
  { principal, label, service_token: token }: z.output<typeof Filter>,
  call: Call,
): Promise<Outcome<readonly Whose[]>> {
  if ([principal, label, token].filter((named) => named !== undefined).length > 1)
    return wrong('principal', 'name one of principal, label and service_token');
  if (token !== undefined)
    return ok([{ principal: principalOfToken(token) }, { party: principalOfToken(token) }]);
  if (label === undefined) return ok([{ principal }]);
  const ids = await idsOfLabel(label, call);
  return ids.ok ? ok(ids.value.map((id) => ({ principal: id }))) : ids;
}

/** A page of the sessions of several principals or parties: a page of each, merged. */
async function listAll(
  whose: readonly Whose[],
  filter: SessionFilter,
  after: SessionCursor | undefined,
  limit: number,
  { ports }: Call,
): Promise<FoundPage<AgentSessionRow, SessionCursor>> {
  const pages = await Promise.all(
    whose.map((each) => ports.record.sessions.list({ ...filter, ...each }, after, limit)),
  );
  const [stoppedAt] = pages.flatMap((page) => page.stoppedAt ?? []).sort(newestFirst);
  const rows = pages
    .flatMap((page) => page.rows)
    .filter((row) => stoppedAt === undefined || newestFirst(row, stoppedAt) <= 0)
    .sort(newestFirst)
    .slice(0, limit);
  return { rows, stoppedAt };
}

const newestFirst = (one: SessionCursor, other: SessionCursor): number =>
  other.startedAt - one.startedAt || (one.id < other.id ? 1 : one.id > other.id ? -1 : 0);

type LabelledRow = AgentSessionRow & { readonly label: string | null };

const labelledView = ({ label, ...row }: LabelledRow) => ({ ...sessionView(row), principal_label: label });

async function withLabels(rows: readonly AgentSessionRow[], { ports }: Call): Promise<LabelledRow[]> {
  const labels = await ports.control.principals.labelsOf([...new Set(rows.map(({ userId }) => userId))]);
  return rows.map((row) => ({ ...row, label: labels.get(row.userId) ?? null }));
}

/** `GET /admin/agents/sessions/:id`, with a page of its invocations. */
export const showSession: Handler = async (call) => {
  const found = await findAllowed(call);
  if (!found.ok) return found;
  const page = await readPage(call.request.url, Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  const rows = await call.ports.record.invocations.ofSession(found.value.id, after, limit + 1);
  const invocations = pageOf({ rows }, page.value, invocationView, ({ startedAt, id }) => ({
    startedAt,
    id,
  }));
  const [session] = (await withLabels([found.value], call)).map(labelledView);
  return ok({ status: 200, body: { ...session, invocations } });
};

/** `DELETE /admin/agents/sessions/:id`, with a `reason` in the query. */
export const terminateSession: Handler = async (call) => {
  const found = await findAllowed(call);
  if (!found.ok) return found;
  const why = readReason(call.request);
  return why.ok ? terminate(call, found.value, why.value) : why;
};

/** `DELETE /sessions/:id`: one of the caller's own; another's does not exist for it. */
export const endOwnSession: Handler = async (call) => {
  const found = await find(call);
  if (found.ok && found.value.userId !== call.who.principal.id) return err('session_unknown');
  return found.ok ? terminate(call, found.value) : found;
};

export const SessionParams = z.object({ id: z.uuid() });

async function find(call: Call): Promise<Outcome<AgentSessionRow>> {
  const params = readParams(call, SessionParams);
  if (!params.ok) return params;
  const row = await call.ports.record.sessions.find(params.value.id);
  return row === undefined ? err('session_unknown') : ok(row);
}

/** A session of an agent that the caller's credential is good for; others do not exist for it. */
async function findAllowed(call: Call): Promise<Outcome<AgentSessionRow>> {
  const found = await find(call);
  return found.ok && !allowsAgent(call.who, found.value.agentSlug) ? err('session_unknown') : found;
}

/** Ends a live session. The event names who ended it; the object writes that and when it ended. */
async function terminate(
  call: Call,
  row: AgentSessionRow,
  why: z.output<typeof ReasonQuery> = {},
): Promise<Outcome<Answer>> {
  if (row.endedAt !== null)
    return err('session_already_ended', { hint: `the session ended at ${iso(row.endedAt)}` });
  const { who, now, ports } = call;
  const { agentSlug: agent, instanceId: instance, id: sessionId, audience } = row;
  const revocation = newRevocation({
    target: { kind: 'session', id: SessionId.parse(sessionId) },
    kind: 'any',
    code: 'session_terminated',
    reason: why.reason ?? 'the session was terminated',
    by: who.principal.id,
    now,
  });
  const event = auditEventOf(call, 'session.terminated', ports.randomId(), {
    ...{ agent, instance, sessionId },
    ...(why.reason === undefined ? {} : { details: reasonOf(why) }),
  });
  const command = { op: 'revoke', ids: [revocation.id], audience } as const;
  const receipt = await changePolicy({ event, revocations: [revocation], command }, ports);
  // The object has ended it; its own row of that may still be on the way to the record.
  const ended = isDone(receipt) ? { ended_at: iso(now), end_reason: revocation.code } : {};
  return ok({ status: statusOf(receipt), body: { ...sessionView(row), ...ended, receipt } });
}
