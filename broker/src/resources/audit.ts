import type { Seal } from '@agent-ticket/drizzle/control/audit-seal.ts';
import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import { VALUES } from '@agent-ticket/shared/describe-values.ts';
import { AgentSlug, InstanceName, PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { exportAudit, exportBeside, type RunningExport } from '../audit/export.ts';
import { compareSeal, NO_SEAL } from '../audit/seal.ts';
import { auditEventView, checkpointView } from '../audit/view.ts';
import { allowsAgent, OTHER_AGENT } from '../credentials/principal.ts';
import { refuseCredentials } from '../credentials/secret-in-text.ts';
import { PAGE, pageOf, readPage } from '../http/page.ts';
import { decimal, readQuery, Time } from '../http/query.ts';
import { changePolicy } from '../revocation/changes.ts';
import { restoreCopies } from '../revocation/outbox.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { checkFilter } from './agents.ts';
import { Reason } from './reason.ts';

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

/**
 * `GET /admin/agents/audit`: newest first, from the record database alone: events up to `archived_through` are in the
 * archive, which the export reads. A credential that is limited to some agents names one of them.
 */
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
  const { auditLog, segments } = call.ports.record;
  const [found, archived] = await Promise.all([
    auditLog.list({ ...same, sessionId, requestId }, after, limit + 1),
    segments.newest(),
  ]);
  const known = checkFilter(same.agent, found, call);
  if (!known.ok) return known;
  const body = {
    ...pageOf(found, page.value, auditEventView, ({ at, seq }) => ({ at, seq })),
    archived_through: archived?.through ?? null,
  };
  return ok({ status: 200, body });
};

/** `GET /admin/agents/audit/export`: NDJSON of everything after event `after`, 0 if left out. Two at once, for each caller. */
export const exportAuditLog: Handler = async (call) => {
  const query = readQuery(call.request.url, ExportQuery);
  if (!query.ok) return query;
  const { after } = query.value;
  const { exports, clock } = call.ports;
  const { id } = call.who.principal;
  const running = exports.get(id) ?? new Set<RunningExport>();
  const stream = exportBeside(running, () => exportAudit(call.ports, after), clock);
  if (stream === undefined)
    return err('rate_limited', { hint: 'two exports of this caller run already', retryAfter: RETRY_SECONDS });
  exports.set(id, running);
  try {
    await recordRead(call, 'audit/export', { after });
  } catch (error) {
    await stream.cancel();
    throw error;
  }
  const headers = { 'content-type': 'application/x-ndjson' };
  return ok({ status: 200, stream, headers });
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

/** When a caller with too many exports should ask again. */
const RETRY_SECONDS = 30;

const sealView = ({ n, through, hash }: Seal) => ({ n, through, hash });

/**
 * `GET /admin/agents/audit/seal`: the end of the log as the control database has noted it, and as the record database has
 * it. They may differ after a restore.
 */
export const showSeal: Handler = async ({ ports, now }) => {
  const { noted, newest, fault } = await compareSeal(ports, now);
  const body = {
    state: fault ?? 'agrees',
    noted: noted === undefined ? null : sealView(noted),
    found: sealView(newest ?? NO_SEAL),
  };
  return ok({ status: 200, body });
};

const GivenSeal = z.strictObject({
  n: z.int().nonnegative(),
  hash: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/)
    .meta({ [VALUES]: 'a hash, 43 letters, digits, _ and -' }),
});

/** Body of `POST /admin/agents/audit/seal/accept`: both seals as the operator has seen them. */
export const AcceptSeal = z.strictObject({ noted: GivenSeal, found: GivenSeal, reason: Reason });

/**
 * `POST /admin/agents/audit/seal/accept`: the log goes on from where the record database ends it. For an operator who has
 * restored a backup. What differs stays in the log for good, by the event of this call. Refused unless both seals are
 * those of the body, so that no operator accepts a difference unseen.
 */
export const acceptSeal: Handler = async (call) => {
  const body = await readBody(call.request, AcceptSeal);
  if (!body.ok) return body;
  const { ports, now } = call;
  const { noted, newest, fault } = await compareSeal(ports, now);
  if (noted === undefined || fault === undefined) return err('audit_seal_agrees');
  const found = newest ?? NO_SEAL;
  const isShown = ({ n, hash }: Seal, shown: z.output<typeof GivenSeal>) =>
    n === shown.n && hash === shown.hash;
  if (!isShown(noted, body.value.noted) || !isShown(found, body.value.found))
    return err('audit_seal_changed', { hint: 'read both seals again, and accept their present values' });
  // Before the acceptance: after it, no difference shows any more that copies may be missing.
  if (fault === 'ends_earlier') await restoreCopies(ports);
  const details = {
    ...{ fault, noted: noted.n, noted_hash: noted.hash, found: found.n, found_hash: found.hash },
    reason: body.value.reason,
  };
  const event = auditEventOf(call, 'audit.accepted', ports.randomId(), { details });
  const receipt = await changePolicy(
    { statement: ports.control.auditSeal.replace(noted, found), event },
    ports,
  );
  if (receipt === undefined) return err('audit_seal_changed');
  return ok({ status: 200, body: { accepted: sealView(found), fault } });
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
