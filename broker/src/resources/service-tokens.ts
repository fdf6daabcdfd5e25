import type { ServiceTokenRow } from '@agent-ticket/drizzle/control/service-tokens.ts';
import type { AuditType } from '@agent-ticket/shared/audit-event.ts';
import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { AgentSlug, Tier } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { recordAct } from '../audit/act.ts';
import { KnownPermission } from '../credentials/permissions.ts';
import { digestSecret, makeSecret, randomBase62 } from '../credentials/secret.ts';
import { readBody } from '../http/body.ts';
import type { Call, Handler } from '../http/call.ts';
import { iso } from '../http/iso.ts';
import { pageOf, readPage } from '../http/page.ts';
import { carryOut, newCommand, outboxRow, statusOf } from '../revocation/termination.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { endOf, holdsMore, isAbove } from './service-token-rights.ts';

const YEAR_SECONDS = 366 * 24 * 3600;

/** Body of `POST /admin/service-tokens`. */
export const CreateServiceToken = z.strictObject({
  name: z.string().trim().min(1).max(128),
  /** Slugs it may ask for; left out: all. */
  agents: z.array(AgentSlug).min(1).max(64).optional(),
  permissions: z.array(KnownPermission).max(64).default([]),
  tier: Tier.default('free'),
  /** Seconds; left out: until it is revoked. */
  expires_in: z
    .int()
    .min(60)
    .max(10 * YEAR_SECONDS)
    .optional(),
});

/** Body of `POST /admin/service-tokens/:id/rotate`. */
export const RotateServiceToken = z.strictObject({
  /** Seconds for which the secret there is stays good. */
  grace_in: z
    .int()
    .min(0)
    .max(30 * 24 * 3600)
    .default(3600),
});

const Place = z.strictObject({ createdAt: z.int(), id: z.uuid() });

const view = (row: ServiceTokenRow) => ({
  id: row.id,
  client_id: row.clientId,
  name: row.name,
  agents: row.agents,
  permissions: row.permissions,
  tier: row.tier,
  created_at: iso(row.createdAt),
  expires_at: iso(row.expiresAt),
  last_used_at: iso(row.lastUsedAt),
});

/** `GET /admin/service-tokens`. */
export const listServiceTokens =
  (ports: BrokerPorts): Handler =>
  async ({ request }) => {
    const page = readPage(new URL(request.url), Place);
    if (!page.ok) return { outcome: page };
    const { limit, after } = page.value;
    const rows = await ports.credentials.serviceTokens.tokens.list(after, limit + 1);
    return {
      outcome: ok({
        status: 200,
        body: pageOf(rows, limit, view, ({ createdAt, id }) => ({ createdAt, id })),
      }),
    };
  };

/** `GET /admin/service-tokens/:id`. */
export const showServiceToken =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const found = await findLive(ports, call);
    return { outcome: found.ok ? ok({ status: 200, body: view(found.value) }) : found };
  };

/** `POST /admin/service-tokens`. The only answer that ever shows the secret, beside a rotation's. */
export const createServiceToken =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const body = await readBody(call.request, CreateServiceToken);
    if (!body.ok) return { outcome: body };
    const wanted = body.value;
    if (isAbove(wanted, call.who)) return { outcome: err('above_own_rights') };

    const row: ServiceTokenRow = {
      id: ports.randomId(),
      clientId: `svc_${randomBase62(22, ports.randomBytes)}`,
      name: wanted.name,
      agents: wanted.agents ?? null,
      permissions: [...new Set(wanted.permissions)],
      tier: wanted.tier,
      createdBy: call.who.principal.id,
      createdAt: call.now,
      expiresAt: endOf(wanted, call),
      revokedAt: null,
      lastUsedAt: null,
    };
    const secret = await newSecret(ports);
    await record(ports, call, 'service_token.created', row);
    await ports.credentials.serviceTokens.tokens.insert(row, {
      ...secret.row,
      tokenId: row.id,
      createdAt: call.now,
    });
    return { outcome: ok({ status: 201, body: { ...view(row), client_secret: secret.text } }) };
  };

/** `POST /admin/service-tokens/:id/rotate`. The secret before it stays good for the grace time, older ones end. */
export const rotateServiceToken =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const body = await readBody(call.request, RotateServiceToken);
    if (!body.ok) return { outcome: body };
    const found = await findLive(ports, call);
    if (!found.ok) return { outcome: found };
    // Whoever learns a token's secret holds its rights.
    if (await holdsMore(ports, call, found.value)) return { outcome: err('above_own_rights') };

    const secret = await newSecret(ports);
    const previousEnd = Math.min(
      call.now + body.value.grace_in * 1000,
      found.value.expiresAt ?? Number.POSITIVE_INFINITY,
    );
    await record(ports, call, 'service_token.rotated', found.value);
    const { tokens } = ports.credentials.serviceTokens;
    const made = await tokens.addSecret(
      { ...secret.row, tokenId: found.value.id, createdAt: call.now },
      previousEnd,
    );
    if (!made) return { outcome: err('service_token_unknown') };
    return {
      outcome: ok({
        status: 200,
        body: { ...view(found.value), client_secret: secret.text, previous_expires_at: iso(previousEnd) },
      }),
    };
  };

/**
 * `DELETE /admin/service-tokens/:id`. Both secrets die at once, the sockets that it carried are closed, and its last
 * tickets open nothing. No lock with an end: a worker that is away for longer would find nothing to do.
 */
export const revokeServiceToken =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const found = await findLive(ports, call);
    if (!found.ok) return { outcome: found };
    if (await holdsMore(ports, call, found.value)) return { outcome: err('above_own_rights') };
    await record(ports, call, 'service_token.revoked', found.value);
    const { termination } = ports;
    const target = { kind: 'service-token', id: found.value.id } as const;
    // Before the token ends: asked again it would not be found, and nobody would close its sockets.
    const pending = newCommand({ op: 'terminate', target }, endOfRights(termination), termination);
    await termination.outbox.insert(outboxRow(pending));
    const ended = await ports.credentials.serviceTokens.tokens.revoke(found.value.id, call.now);
    const before = endOfRights(termination);
    await termination.outbox.reach(pending.id, before);
    const receipt = await carryOut({ ...pending, before }, termination);
    return {
      outcome: ended
        ? ok({ status: statusOf(receipt), body: { ...view(found.value), receipt } })
        : err('service_token_unknown'),
    };
  };

/** A token never comes back, so what a clock ahead of this one issues to it now is of before its end as well. In ms. */
const endOfRights = ({ clock }: BrokerPorts['termination']): number => clock() + CLOCK_SKEW_SECONDS * 1000;

async function findLive(ports: BrokerPorts, call: Call): Promise<Outcome<ServiceTokenRow>> {
  const id = z.uuid().safeParse(call.params.id);
  if (!id.success) return err('field_invalid', { field: 'id' });
  const row = await ports.credentials.serviceTokens.tokens.find(id.data);
  return row === undefined || row.revokedAt !== null ? err('service_token_unknown') : ok(row);
}

async function newSecret(ports: BrokerPorts): Promise<{ text: string; row: { digest: string } }> {
  const text = makeSecret(ports.randomBytes);
  return { text, row: { digest: await digestSecret(text, ports.credentials.serviceTokens.pepper) } };
}

const record = (ports: BrokerPorts, call: Call, type: AuditType, row: ServiceTokenRow) =>
  recordAct(ports, call, type, {
    details: {
      service_token: row.id,
      name: row.name,
      tier: row.tier,
      permissions: row.permissions.join(' '),
    },
  });
