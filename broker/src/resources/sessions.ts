import type { InvocationRow } from '@agent-ticket/drizzle/record/invocations.ts';
import type { AgentSessionRow, SessionFilter } from '@agent-ticket/drizzle/record/sessions.ts';
import { SessionId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { recordAct } from '../audit/act.ts';
import { allowsAgent } from '../credentials/principal.ts';
import type { Answer, Call, Handler } from '../http/call.ts';
import { iso } from '../http/iso.ts';
import { pageOf, readPage } from '../http/page.ts';
import { order, statusOf } from '../revocation/termination.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

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

async function listBy(ports: BrokerPorts, call: Call, filter: SessionFilter): Promise<Outcome<Answer>> {
  const page = readPage(new URL(call.request.url), Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  const rows = await ports.sessions.list(filter, after, limit + 1);
  return ok({
    status: 200,
    body: pageOf(rows, limit, sessionView, ({ startedAt, id }) => ({ startedAt, id })),
  });
}

/** `GET /sessions`: the caller's own live sessions. */
export const listOwnSessions =
  (ports: BrokerPorts): Handler =>
  async (call) => ({
    outcome: await listBy(ports, call, { principal: call.who.principal.id, active: true }),
  });

const Active = z.enum(['true', 'false']).transform((text) => text === 'true');

/** `GET /admin/agents/sessions`: by `agent`, `instance` (with `agent`), `principal`, `active`. */
export const listSessions =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const { searchParams } = new URL(call.request.url);
    const [agent, instance, principal] = ['agent', 'instance', 'principal'].map(
      (name) => searchParams.get(name) ?? undefined,
    );
    if (instance !== undefined && agent === undefined)
      return { outcome: err('field_invalid', { field: 'agent' }) };
    if (!allowsAgent(call.who, agent)) return { outcome: err('permission_missing') };
    const active = Active.optional().safeParse(searchParams.get('active') ?? undefined);
    if (!active.success) return { outcome: err('field_invalid', { field: 'active' }) };
    return { outcome: await listBy(ports, call, { agent, instance, principal, active: active.data }) };
  };

/** `GET /admin/agents/sessions/:id`, with a page of its invocations. */
export const showSession =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const found = await findWithin(ports, call);
    if (!found.ok) return { outcome: found };
    const page = readPage(new URL(call.request.url), Place);
    if (!page.ok) return { outcome: page };
    const { limit, after } = page.value;
    const rows = await ports.invocations.ofSession(found.value.id, after, limit + 1);
    const invocations = pageOf(rows, limit, invocationView, ({ startedAt, id }) => ({ startedAt, id }));
    return { outcome: ok({ status: 200, body: { ...sessionView(found.value), invocations } }) };
  };

/** `DELETE /admin/agents/sessions/:id`. */
export const terminateSession =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const found = await findWithin(ports, call);
    return { outcome: found.ok ? await terminate(ports, call, found.value) : found };
  };

/** `DELETE /sessions/:id`: one of the caller's own; another's does not exist for it. */
export const endOwnSession =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const found = await find(ports, call);
    if (found.ok && found.value.userId !== call.who.principal.id) return { outcome: err('session_unknown') };
    return { outcome: found.ok ? await terminate(ports, call, found.value) : found };
  };

async function find(ports: BrokerPorts, call: Call): Promise<Outcome<AgentSessionRow>> {
  const id = z.uuid().safeParse(call.params.id);
  if (!id.success) return err('field_invalid', { field: 'id' });
  const row = await ports.sessions.find(id.data);
  return row === undefined ? err('session_unknown') : ok(row);
}

/** A session of an agent that the caller's credential is good for; others do not exist for it. */
async function findWithin(ports: BrokerPorts, call: Call): Promise<Outcome<AgentSessionRow>> {
  const found = await find(ports, call);
  return found.ok && !allowsAgent(call.who, found.value.agentSlug) ? err('session_unknown') : found;
}

/** Ends a live session. Who ended it is written here, that and when it ended by its object. */
async function terminate(ports: BrokerPorts, call: Call, row: AgentSessionRow): Promise<Outcome<Answer>> {
  if (row.endedAt !== null) return err('session_already_ended');
  await recordAct(ports, call, 'session.terminated', {
    agent: row.agentSlug,
    instance: row.instanceId,
    sessionId: row.id,
  });
  const target = { kind: 'session', id: SessionId.parse(row.id) } as const;
  const receipt = await order({ op: 'terminate', target }, ports.termination);
  return ok({ status: statusOf(receipt), body: { ...sessionView(row), receipt } });
}
