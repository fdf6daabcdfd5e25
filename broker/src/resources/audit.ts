import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import { VALUES } from '@agent-ticket/shared/describe-values.ts';
import { AgentSlug, InstanceName, PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { exportAudit } from '../audit/export.ts';
import { auditEventView, checkpointView } from '../audit/view.ts';
import { allowsAgent, OTHER_AGENT } from '../credentials/principal.ts';
import { refuseCredentials } from '../credentials/secret-in-text.ts';
import { PAGE, pageOf, readPage } from '../http/page.ts';
import { decimal, readQuery, Time } from '../http/query.ts';
import { changePolicy } from '../revocation/changes.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { checkFilter } from './agents.ts';

/** Filters of `GET /admin/agents/audit`. `from` is in, `to` is out; both by the clock of the event's source. */
const Filter = z.object({
  principal: PrincipalId.optional(),
  agent: AgentSlug.optional(),
  instance: InstanceName.optional(),
  type: z.enum(AUDIT_TYPES).optional(),
  outcome: z.enum(['success', 'denied']).optional(),
  code: z
    .string()
    .regex(/^[a-z_]{1,64}$/)
    .meta({ [VALUES]: 'the code of a refusal, such as grant_missing' })
    .optional(),
  jti: z.uuid().toLowerCase().optional(),
  session_id: z.uuid().toLowerCase().optional(),
  request_id: z.uuid().toLowerCase().optional(),
  from: Time.optional(),
  to: Time.optional(),
});
type Filter = z.output<typeof Filter>;
export const AuditQuery = PAGE.extend(Filter.shape);

const Place = z.strictObject({ at: z.int(), seq: z.int().positive() });
const CheckpointPlace = z.strictObject({ n: z.int().positive() });
export const ExportQuery = z.object({
  after: decimal(z.int().min(0).default(0)),
});

function readFilter(url: string): Outcome<Filter> {
  const filter = readQuery(url, Filter);
  if (!filter.ok) return filter;
  const { instance, agent } = filter.value;
  if (instance !== undefined && agent === undefined)
    return err('field_invalid', {
      field: 'agent',
      hint: 'it is missing: an instance has a name only within its agent',
    });
  // The filter is kept in the log itself.
  return refuseCredentials(filter.value);
}

/** `GET /admin/agents/audit`: newest first. A credential that is limited to some agents names one of them. */
export const listAudit: Handler = async (call) => {
  const { url } = call.request;
  const filter = readFilter(url);
  if (!filter.ok) return filter;
  if (!allowsAgent(call.who, filter.value.agent)) return err('permission_missing', { hint: OTHER_AGENT });
  const page = await readPage(url, Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  await recordRead(call, 'audit', filter.value);
  const { session_id: sessionId, request_id: requestId, ...same } = filter.value;
  const found = await call.ports.record.auditLog.list({ ...same, sessionId, requestId }, after, limit + 1);
  const known = checkFilter(same.agent, found, call);
  if (!known.ok) return known;
  return ok({ status: 200, body: pageOf(found, page.value, auditEventView, ({ at, seq }) => ({ at, seq })) });
};

/** `GET /admin/agents/audit/export`: NDJSON of everything after event `after`, 0 if left out. */
export const exportAuditLog: Handler = async (call) => {
  const query = readQuery(call.request.url, ExportQuery);
  if (!query.ok) return query;
  const { after } = query.value;
  await recordRead(call, 'audit/export', { after });
  const headers = { 'content-type': 'application/x-ndjson' };
  return ok({ status: 200, stream: exportAudit(call.ports, after), headers });
};

/** `GET /admin/agents/audit/checkpoints`: newest first. */
export const listCheckpoints: Handler = async (call) => {
  const page = await readPage(call.request.url, CheckpointPlace);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  await recordRead(call, 'audit/checkpoints', {});
  const rows = await call.ports.record.checkpoints.list(after?.n, limit + 1);
  return ok({ status: 200, body: pageOf({ rows }, page.value, checkpointView, ({ n }) => ({ n })) });
};

/** Reading the log is an event of the log: durable before anything is answered, once per call. */
function recordRead(
  call: Call,
  what: string,
  filter: Readonly<Record<string, string | number | undefined>>,
): Promise<unknown> {
  const given = Object.entries(filter).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  const details = { what, ...Object.fromEntries(given) };
  const event = auditEventOf(call, 'admin.read', call.ports.randomId(), { details });
  return changePolicy({ event }, call.ports);
}
