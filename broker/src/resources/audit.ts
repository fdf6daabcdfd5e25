import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { recordAct } from '../audit/act.ts';
import { exportAudit } from '../audit/export.ts';
import { auditEventView, checkpointView } from '../audit/view.ts';
import { allowsAgent } from '../credentials/principal.ts';
import { refuseCredentials } from '../credentials/secret-in-text.ts';
import type { Call, Handler } from '../http/call.ts';
import { pageOf, readPage } from '../http/page.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

const Time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const Name = z.string().min(1).max(512);

/** Filters of `GET /admin/agents/audit`. `from` is in, `to` is out; both by the clock of the event's source. */
const Filter = z.object({
  principal: Name.optional(),
  agent: Name.optional(),
  instance: Name.optional(),
  type: z.enum(AUDIT_TYPES).optional(),
  outcome: z.enum(['success', 'denied']).optional(),
  from: Time.optional(),
  to: Time.optional(),
});
type Filter = z.output<typeof Filter>;

const Place = z.strictObject({ at: z.int(), seq: z.int().positive() });
const CheckpointPlace = z.strictObject({ n: z.int().positive() });
const After = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);

function readFilter(url: URL): Outcome<Filter> {
  const given = Object.fromEntries(
    Object.keys(Filter.shape).map((name) => [name, url.searchParams.get(name) ?? undefined]),
  );
  const filter = Filter.safeParse(given);
  if (!filter.success) return err('field_invalid', { field: String(filter.error.issues[0]?.path[0]) });
  const { instance, agent } = filter.data;
  // An instance has a name only within its agent.
  if (instance !== undefined && agent === undefined) return err('field_invalid', { field: 'agent' });
  // Who reads the log is in it, with what was asked for.
  return refuseCredentials(filter.data);
}

/** `GET /admin/agents/audit`: newest first. A credential that is limited to some agents names one of them. */
export const listAudit =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const url = new URL(call.request.url);
    const filter = readFilter(url);
    if (!filter.ok) return { outcome: filter };
    if (!allowsAgent(call.who, filter.value.agent)) return { outcome: err('permission_missing') };
    const page = readPage(url, Place);
    if (!page.ok) return { outcome: page };
    const { limit, after } = page.value;
    await noteRead(ports, call, 'audit', filter.value);
    const rows = await ports.auditLog.list(filter.value, after, limit + 1);
    const body = pageOf(rows, limit, auditEventView, ({ at, seq }) => ({ at, seq }));
    return { outcome: ok({ status: 200, body }) };
  };

/** `GET /admin/agents/audit/export`: NDJSON of everything after event `after`, 0 if left out. */
export const exportAuditLog =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const after = After.safeParse(new URL(call.request.url).searchParams.get('after') ?? '0');
    if (!after.success) return { outcome: err('field_invalid', { field: 'after' }) };
    await noteRead(ports, call, 'audit/export', { after: after.data });
    const headers = { 'content-type': 'application/x-ndjson' };
    return { outcome: ok({ status: 200, stream: exportAudit(ports, after.data), headers }) };
  };

/** `GET /admin/agents/audit/checkpoints`: newest first. */
export const listCheckpoints =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const page = readPage(new URL(call.request.url), CheckpointPlace);
    if (!page.ok) return { outcome: page };
    const { limit, after } = page.value;
    await noteRead(ports, call, 'audit/checkpoints', {});
    const rows = await ports.checkpoints.list(after?.n, limit + 1);
    return {
      outcome: ok({ status: 200, body: pageOf(rows, limit, checkpointView, ({ n }) => ({ n })) }),
    };
  };

/** Whoever reads the log is in it: once per call, before anything is answered. */
const noteRead = (
  ports: BrokerPorts,
  call: Call,
  what: string,
  filter: Readonly<Record<string, string | number | undefined>>,
) => {
  const given = Object.entries(filter).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return recordAct(ports, call, 'admin.read', { details: { what, ...Object.fromEntries(given) } });
};
