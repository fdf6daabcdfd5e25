import type { WebhookRow } from '@agent-ticket/drizzle/control/webhooks.ts';
import { AUDIT_TYPES, type AuditType } from '@agent-ticket/shared/audit-event.ts';
import { VALUES } from '@agent-ticket/shared/describe-values.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { logBegin } from '../audit/read-log.ts';
import { permissionMissing } from '../credentials/permissions.ts';
import { iso } from '../http/iso.ts';
import { pageOf, readPage } from '../http/page.ts';
import { readParams, Time } from '../http/query.ts';
import { changePolicy } from '../revocation/changes.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler } from '../runtime/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { isTaken, MAX_WEBHOOKS, openSender } from '../webhooks/deliver.ts';
import { makeWebhookSecret } from '../webhooks/message.ts';
import { isLocal, receiverUrlFault } from '../webhooks/receiver-url.ts';
import { sealSecret } from '../webhooks/secret.ts';
import { isOwnAudience } from '../webhooks/set.ts';
import { Reason, readReason, reasonOf } from './reason.ts';

/** Body of `POST /admin/webhooks`. */
export const CreateWebhook = z.strictObject({
  name: z.string().trim().min(1).max(128),
  url: z.string().min(1).max(1024),
  /** Left out: all. */
  types: z.array(z.enum(AUDIT_TYPES)).min(1).max(AUDIT_TYPES.length).optional(),
  /** `aud` of the security event tokens that the receiver gets in place of webhooks. */
  audience: z.string().min(1).max(512).optional(),
  /** The value of `Authorization` for a receiver of tokens. */
  authorization: z
    .string()
    .regex(/^[\x21-\x7e]+( [\x21-\x7e]+)*$/)
    .max(4096)
    .meta({
      [VALUES]: 'words of visible ASCII characters with single spaces between, at most 4096 characters',
    })
    .optional(),
});

/** Body of `POST /admin/webhooks/:id/redeliver`: one of the two. */
export const RedeliverRequest = z.strictObject({
  /** Number of an event: deliveries continue with the next one. 0 is the beginning of the log. */
  after: z.int().nonnegative().optional(),
  /** Deliveries continue with the events that were sealed from then on. */
  from: Time.optional(),
  reason: Reason.optional(),
});

const Place = z.strictObject({ createdAt: z.int(), id: z.uuid() });

/** Path and query of a receiver's address may be a secret, so that readers and the audit log get its origin alone. */
const addressFor = ({ who }: Call, { url }: WebhookRow): string =>
  who.principal.permissions.includes('webhooks:write') ? url : new URL(url).origin;

const view = (call: Call, row: WebhookRow, through: number) => ({
  id: row.id,
  name: row.name,
  url: addressFor(call, row),
  types: row.types,
  audience: row.audience,
  created_by: row.createdBy,
  created_at: iso(row.createdAt),
  delivered_through: row.seq,
  events_waiting: Math.max(0, through - row.seq),
  events_skipped: row.skipped,
  last_tried_at: iso(row.triedAt),
  last_status: row.status,
  last_fault: row.fault,
  failing_since: iso(row.failingSince),
  next_try_at: row.failingSince === null ? null : iso(row.dueAt),
});

const sealedThrough = async ({ record }: BrokerPorts): Promise<number> =>
  (await record.checkpoints.newest())?.through ?? 0;

/**
 * `GET /admin/webhooks`: newest first, each with the state of its deliveries; without `webhooks:write` only with the origins of
 * their addresses.
 */
export const listWebhooks: Handler = async (call) => {
  const { request, ports } = call;
  const page = await readPage(request.url, Place);
  if (!page.ok) return page;
  const { after } = page.value;
  const [all, through] = await Promise.all([ports.control.webhooks.list(), sealedThrough(ports)]);
  const isLater = ({ createdAt, id }: WebhookRow): boolean =>
    after === undefined || createdAt < after.createdAt || (createdAt === after.createdAt && id < after.id);
  const rows = all.filter(isLater);
  const body = pageOf(
    { rows },
    page.value,
    (row) => view(call, row, through),
    ({ createdAt, id }) => ({ createdAt, id }),
  );
  return ok({ status: 200, body });
};

/**
 * `POST /admin/webhooks`. The receiver gets the events that are sealed from now on. No other answer has the secret. The
 * caller must be allowed to read the events.
 */
export const createWebhook: Handler = async (call) => {
  const { who, now, ports } = call;
  if (!who.principal.permissions.includes('audit:read')) return permissionMissing('audit:read');
  const body = await readBody(call.request, CreateWebhook);
  if (!body.ok) return body;
  const fault = faultOf(body.value, ports);
  if (fault !== undefined) return err('field_invalid', fault);
  const { name, url, types, audience, authorization = '' } = body.value;
  const [id, seq] = [ports.randomId(), await sealedThrough(ports)];
  const secret = audience === undefined ? makeWebhookSecret(ports.randomBytes) : null;
  const keks = await ports.keyring.sealingKeys();
  const row: WebhookRow = {
    ...{ id, name, url, types: types === undefined ? null : [...new Set(types)], audience: audience ?? null },
    sealed: await sealSecret(keks, id, secret ?? authorization, ports.randomBytes),
    ...{ createdBy: who.principal.id, createdAt: now, seq, dueAt: now, attempts: 0, skipped: 0 },
    ...{ triedAt: null, status: null, fault: null, failingSince: null },
  };
  const created = await changePolicy(
    {
      statement: ports.control.webhooks.insert(row, MAX_WEBHOOKS),
      event: webhookEvent(
        call,
        'webhook.created',
        row,
        audience === undefined ? { types: row.types?.join(' ') ?? 'all' } : { audience },
      ),
    },
    ports,
  );
  if (created === undefined)
    return err('webhook_limit_reached', { hint: `there are ${MAX_WEBHOOKS}: delete one first` });
  return ok({ status: 201, body: { ...view(call, row, seq), secret } });
};

/** The first member that contradicts another one, or that the configuration does not allow. */
function faultOf(
  { url, types, audience, authorization }: z.output<typeof CreateWebhook>,
  { config }: BrokerPorts,
): { readonly field: string; readonly hint: string } | undefined {
  const hint = receiverUrlFault(url, isLocal(config));
  if (hint !== undefined) return { field: 'url', hint };
  if (audience === undefined)
    return authorization === undefined
      ? undefined
      : { field: 'authorization', hint: 'webhooks have a signature: it goes with an audience' };
  if (types !== undefined)
    return { field: 'types', hint: 'a receiver with an audience gets session-revoked alone' };
  // A token for the audience of a ticket would differ from a ticket by its type alone.
  return isOwnAudience(audience, config)
    ? { field: 'audience', hint: 'it must be that of the receiver, and not one of ours' }
    : undefined;
}

/** `POST /admin/webhooks/:id/test`: sends a message that is marked as a test, and answers the result. */
export const testWebhook: Handler = async (call) => {
  const found = await findWebhook(call);
  if (!found.ok) return found;
  const { now, ports } = call;
  const sender = await openSender(found.value, ports);
  if (!sender.ok) return sender;
  const result = await ports.post(found.value.url, await sender.value.test(now));
  return ok({
    status: 200,
    body: {
      delivered: isTaken(result),
      status: 'status' in result ? result.status : null,
      fault: 'fault' in result ? result.fault : null,
    },
  });
};

/**
 * `POST /admin/webhooks/:id/redeliver`: sends events again from a place of the log on, with the next run. A later place
 * than the present one leaves events out.
 */
export const redeliverWebhook: Handler = async (call) => {
  const body = await readBody(call.request, RedeliverRequest);
  if (!body.ok) return body;
  const { after, from } = body.value;
  if ((after === undefined) === (from === undefined))
    return err('field_invalid', { field: 'after', hint: 'give one of after and from' });
  const found = await findWebhook(call);
  if (!found.ok) return found;
  const { now, ports } = call;
  const through = await sealedThrough(ports);
  const { purged } = await logBegin(ports.record);
  const wanted = after ?? (await ports.record.checkpoints.writtenBy(from ?? 0))?.through ?? 0;
  // Events that retention deleted are not counted as missing, since the receiver does not expect them.
  const seq = Math.min(through, Math.max(wanted, purged));
  const row = found.value;
  const moved = await changePolicy(
    {
      statement: ports.control.webhooks.moveTo(row.id, seq, now),
      event: webhookEvent(call, 'webhook.redelivered', row, {
        ...{ after: seq, before: row.seq },
        ...reasonOf(body.value),
      }),
    },
    ports,
  );
  return moved === undefined
    ? err('webhook_unknown')
    : ok({ status: 200, body: view(call, { ...row, seq, attempts: 0, dueAt: now }, through) });
};

/**
 * `DELETE /admin/webhooks/:id`. A run of deliveries that is under way notices it when it stores its cursor, so the receiver
 * may get some more events.
 */
export const deleteWebhook: Handler = async (call) => {
  const found = await findWebhook(call);
  if (!found.ok) return found;
  const why = readReason(call.request);
  if (!why.ok) return why;
  const row = found.value;
  const deleted = await changePolicy(
    {
      statement: call.ports.control.webhooks.delete(row.id),
      event: webhookEvent(call, 'webhook.deleted', row, reasonOf(why.value)),
    },
    call.ports,
  );
  return deleted === undefined
    ? err('webhook_unknown')
    : ok({ status: 200, body: view(call, row, await sealedThrough(call.ports)) });
};

export const WebhookParams = z.object({ id: z.uuid() });

async function findWebhook(call: Call): Promise<Outcome<WebhookRow>> {
  const params = readParams(call, WebhookParams);
  if (!params.ok) return params;
  const row = await call.ports.control.webhooks.find(params.value.id);
  return row === undefined ? err('webhook_unknown') : ok(row);
}

const webhookEvent = (
  call: Call,
  type: AuditType,
  { id, name, url }: WebhookRow,
  more: Readonly<Record<string, string | number>>,
) =>
  auditEventOf(call, type, call.ports.randomId(), {
    details: { webhook: id, name, host: new URL(url).host, ...more },
  });
