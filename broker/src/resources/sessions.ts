import type { InvocationRow } from '@agent-ticket/drizzle/record/invocations.ts';
import type { AgentSessionRow, SessionFilter } from '@agent-ticket/drizzle/record/sessions.ts';
import { SessionId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { allowsAgent, OTHER_AGENT } from '../credentials/principal.ts';
import type { Answer } from '../http/context.ts';
import { iso } from '../http/iso.ts';
import { pageOf, readPage } from '../http/page.ts';
import { changePolicy, newRevocation, statusOf } from '../revocation/changes.ts';
import { isDone } from '../revocation/outbox.ts';
import type { Call, Handler } from '../runtime/call.ts';

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

async function listBy({ request, ports }: Call, filter: SessionFilter): Promise<Outcome<Answer>> {
  const page = readPage(new URL(request.url), Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  const found = await ports.record.sessions.list(filter, after, limit + 1);
  const body = pageOf(found, limit, sessionView, ({ startedAt, id }) => ({ startedAt, id }));
  return ok({ status: 200, body });
}

/** `GET /sessions`: the caller's own live sessions. */
export const listOwnSessions: Handler = (call) =>
  listBy(call, { principal: call.who.principal.id, active: true });

const Active = z.enum(['true', 'false']).transform((text) => text === 'true');

export const SESSION_FILTERS = ['agent', 'instance', 'principal', 'active'];

/** `GET /admin/agents/sessions`: by {@link SESSION_FILTERS}; `instance` with `agent`. */
export const listSessions: Handler = async (call) => {
  const { searchParams } = new URL(call.request.url);
  const [agent, instance, principal] = ['agent', 'instance', 'principal'].map(
    (name) => searchParams.get(name) ?? undefined,
  );
  if (instance !== undefined && agent === undefined) return err('field_invalid', { field: 'agent' });
  if (!allowsAgent(call.who, agent)) return err('permission_missing', { hint: OTHER_AGENT });
  const active = Active.optional().safeParse(searchParams.get('active') ?? undefined);
  if (!active.success) return err('field_invalid', { field: 'active' });
  return listBy(call, { agent, instance, principal, active: active.data });
};

/** `GET /admin/agents/sessions/:id`, with a page of its invocations. */
export const showSession: Handler = async (call) => {
  const found = await findAllowed(call);
  if (!found.ok) return found;
  const page = readPage(new URL(call.request.url), Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  const rows = await call.ports.record.invocations.ofSession(found.value.id, after, limit + 1);
  const invocations = pageOf({ rows }, limit, invocationView, ({ startedAt, id }) => ({ startedAt, id }));
  return ok({ status: 200, body: { ...sessionView(found.value), invocations } });
};

/** `DELETE /admin/agents/sessions/:id`. */
export const terminateSession: Handler = async (call) => {
  const found = await findAllowed(call);
  return found.ok ? terminate(call, found.value) : found;
};

/** `DELETE /sessions/:id`: one of the caller's own; another's does not exist for it. */
export const endOwnSession: Handler = async (call) => {
  const found = await find(call);
  if (found.ok && found.value.userId !== call.who.principal.id) return err('session_unknown');
  return found.ok ? terminate(call, found.value) : found;
};

async function find({ params, ports }: Call): Promise<Outcome<AgentSessionRow>> {
  const id = z.uuid().safeParse(params.id);
  if (!id.success) return err('field_invalid', { field: 'id' });
  const row = await ports.record.sessions.find(id.data);
  return row === undefined ? err('session_unknown') : ok(row);
}

/** A session of an agent that the caller's credential is good for; others do not exist for it. */
async function findAllowed(call: Call): Promise<Outcome<AgentSessionRow>> {
  const found = await find(call);
  return found.ok && !allowsAgent(call.who, found.value.agentSlug) ? err('session_unknown') : found;
}

/** Ends a live session. The event names who ended it; the object writes that and when it ended. */
async function terminate(call: Call, row: AgentSessionRow): Promise<Outcome<Answer>> {
  if (row.endedAt !== null)
    return err('session_already_ended', { hint: `the session ended at ${iso(row.endedAt)}` });
  const { who, now, ports } = call;
  const { agentSlug: agent, instanceId: instance, id: sessionId, audience } = row;
  const revocation = newRevocation({
    target: { kind: 'session', id: SessionId.parse(sessionId) },
    kind: 'any',
    code: 'session_terminated',
    reason: 'the session was terminated',
    by: who.principal.id,
    now,
  });
  const event = auditEventOf(call, 'session.terminated', ports.randomId(), { agent, instance, sessionId });
  const command = { op: 'revoke', ids: [revocation.id], audience } as const;
  const receipt = await changePolicy({ event, revocations: [revocation], command }, ports);
  // The object has ended it; its own row of that may still be on the way to the record.
  const ended = isDone(receipt) ? { ended_at: iso(now), end_reason: revocation.code } : {};
  return ok({ status: statusOf(receipt), body: { ...sessionView(row), ...ended, receipt } });
}
