import { ENDED, type ServiceTokenRow } from '@agent-ticket/drizzle/control/service-tokens.ts';
import type { AuditType } from '@agent-ticket/shared/audit-event.ts';
import { AgentSlug, Tier, tierAtLeast } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { ServiceTokenId } from '@agent-ticket/shared/target.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { knownPermissions } from '../credentials/permissions.ts';
import type { Authenticated } from '../credentials/principal.ts';
import { digestSecret, makeSecret, makeTokenId } from '../credentials/secret.ts';
import { principalOfToken } from '../credentials/service-token.ts';
import { iso } from '../http/iso.ts';
import { pageOf, readPage } from '../http/page.ts';
import { readParams } from '../http/query.ts';
import { changePolicy, endResource, newRevocation, statusOf } from '../revocation/changes.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { checkAgents } from './agents.ts';
import { readReason, reasonOf } from './reason.ts';

const YEAR_SECONDS = 366 * 24 * 3600;

/** Body of `POST /admin/service-tokens`. */
export const CreateServiceToken = z.strictObject({
  name: z.string().trim().min(1).max(128),
  /** Slugs it may ask for; left out: all. */
  agents: z.array(AgentSlug).min(1).max(64).optional(),
  permissions: z.array(z.string().min(1).max(128)).max(64).default([]),
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
  /** Seconds for which the present secret stays good; 0 also ends what it opened. */
  grace_in: z
    .int()
    .min(0)
    .max(30 * 24 * 3600)
    .default(3600),
});

const ABOVE_TOKEN = 'the token has a tier, permission, agent or grant that the caller does not have';

const Place = z.strictObject({ createdAt: z.int(), id: ServiceTokenId });

const view = (row: ServiceTokenRow) => ({
  id: row.id,
  client_id: row.id,
  name: row.name,
  agents: row.agents,
  permissions: row.permissions,
  tier: row.tier,
  created_at: iso(row.createdAt),
  expires_at: iso(row.expiresAt),
  last_used_at: iso(row.lastUsedAt),
});

/** `GET /admin/service-tokens`. */
export const listServiceTokens: Handler = async ({ request, ports }) => {
  const page = await readPage(request.url, Place);
  if (!page.ok) return page;
  const { limit, after } = page.value;
  const rows = await ports.control.serviceTokens.list(after, limit + 1);
  const body = pageOf({ rows }, page.value, view, ({ createdAt, id }) => ({ createdAt, id }));
  return ok({ status: 200, body });
};

/** `GET /admin/service-tokens/:id`. */
export const showServiceToken: Handler = async (call) => {
  const found = await findLive(call);
  return found.ok ? ok({ status: 200, body: view(found.value) }) : found;
};

/** `POST /admin/service-tokens`. The only answer that ever shows the secret, beside a rotation's. */
export const createServiceToken: Handler = async (call) => {
  const body = await readBody(call.request, CreateServiceToken);
  if (!body.ok) return body;
  const wanted = body.value;
  const { who, now, ports } = call;
  const known = knownPermissions(ports.registry);
  if (!wanted.permissions.every((name) => known.includes(name)))
    return err('field_invalid', { field: 'permissions', hint: `permissions are: ${known.join(', ')}` });
  if (isAbove(wanted, who)) return err('above_own_rights', { hint: ABOVE_TOKEN });
  const isKnown = checkAgents(wanted.agents ?? [], 'agents', call);
  if (!isKnown.ok) return isKnown;

  const row: ServiceTokenRow = {
    id: makeTokenId(ports.randomBytes),
    name: wanted.name,
    agents: wanted.agents ?? null,
    permissions: [...new Set(wanted.permissions)],
    tier: wanted.tier,
    createdBy: who.principal.id,
    createdAt: now,
    expiresAt: endOf(wanted, call),
    revokedAt: null,
    lastUsedAt: null,
  };
  const secret = await newSecret(call, row.id);
  const created = ports.control.serviceTokens.create(row, secret.row);
  await changePolicy({ ...created, event: tokenEvent(call, 'service_token.created', row) }, ports);
  return ok({ status: 201, body: { ...view(row), client_secret: secret.text } });
};

/**
 * `POST /admin/service-tokens/:id/rotate`. The secret before it stays good for the grace time, older ones end. Without a
 * grace time the secret may be in wrong hands: tickets and sessions from before the rotation end as well.
 */
export const rotateServiceToken: Handler = async (call) => {
  const body = await readBody(call.request, RotateServiceToken);
  if (!body.ok) return body;
  const found = await findLive(call);
  if (!found.ok) return found;
  const token = found.value;
  const { now, ports } = call;
  // A secret has the rights of its token.
  if (await holdsMore(call, token)) return err('above_own_rights', { hint: ABOVE_TOKEN });
  const own = ownSecret(call, token);
  // Or a thief who has it outlives the rotation: a secret that is ending must not make one that lasts.
  if (own?.isEnding === true) return err('above_own_rights', { hint: IS_ENDING });

  const graceMs = body.value.grace_in * 1000;
  const secret = await newSecret(call, token.id);
  const previousEnd = Math.min(now + graceMs, token.expiresAt ?? Number.POSITIVE_INFINITY);
  const ended = endOfSecret(call, token, 'the secret was replaced without a grace time');
  const rotated = await changePolicy(
    {
      ...ports.control.serviceTokens.addSecret(secret.row, graceMs === 0 ? ENDED : previousEnd, own?.digest),
      event: tokenEvent(call, 'service_token.rotated', token),
      revocations: graceMs === 0 ? [ended] : [],
    },
    ports,
  );
  // Its own secret was replaced since the request was authenticated.
  if (rotated === undefined && own !== undefined) return err('credential_expired');
  if (rotated === undefined) return err('service_token_unknown');
  const previous_expires_at = iso(previousEnd);
  const shown = { ...view(token), client_secret: secret.text, previous_expires_at };
  // With a grace time no session ends.
  if (graceMs > 0) return ok({ status: 200, body: shown });
  return ok({ status: statusOf(rotated), body: { ...shown, receipt: rotated } });
};

/**
 * `DELETE /admin/service-tokens/:id/replaced-secret`. Ends the grace time of a rotation: the secret from before it is good
 * for nothing any more. It may be in wrong hands, so tickets and sessions from before this end as well, whichever secret
 * they are by. A repeated call reaches objects that did not answer.
 */
export const endReplacedSecret: Handler = async (call) => {
  const found = await findLive(call);
  if (!found.ok) return found;
  const token = found.value;
  if (await holdsMore(call, token)) return err('above_own_rights', { hint: ABOVE_TOKEN });
  // Its holder may be the thief, who must not end the sessions of the successor.
  if (ownSecret(call, token)?.isEnding === true) return err('above_own_rights', { hint: IS_ENDING });
  const why = readReason(call.request);
  if (!why.ok) return why;
  const { ports } = call;
  const receipt = await changePolicy(
    {
      before: [ports.control.serviceTokens.endReplaced(token.id)],
      event: tokenEvent(call, 'service_token.secret_ended', token, reasonOf(why.value)),
      revocations: [endOfSecret(call, token, why.value.reason ?? 'the replaced secret was ended')],
    },
    ports,
  );
  return ok({ status: statusOf(receipt), body: { ...view(token), receipt } });
};

/** The secret of the call, where it is one of this token. */
const ownSecret = ({ who }: Call, token: ServiceTokenRow) =>
  who.principal.id === principalOfToken(token.id) ? who.secret : undefined;

const IS_ENDING = 'this secret was replaced and is ending: use its successor';

/** The end of tickets and sessions of a token from before now. */
const endOfSecret = ({ who, now }: Call, token: ServiceTokenRow, reason: string) =>
  newRevocation({
    target: { kind: 'service-token', id: token.id },
    kind: 'before',
    code: 'rights_changed',
    reason,
    by: who.principal.id,
    now,
  });

/**
 * `DELETE /admin/service-tokens/:id`. Both secrets die at once, the sockets that it carried are closed, and its last
 * tickets open nothing.
 */
export const revokeServiceToken: Handler = async (call) => {
  const found = await findLive(call);
  if (!found.ok) return found;
  const token = found.value;
  if (await holdsMore(call, token)) return err('above_own_rights', { hint: ABOVE_TOKEN });
  const why = readReason(call.request);
  if (!why.ok) return why;
  const { who, now, ports } = call;
  const ended = newRevocation({
    target: { kind: 'service-token', id: token.id },
    kind: 'any',
    code: 'session_terminated',
    reason: why.value.reason ?? 'the service token was deleted',
    by: who.principal.id,
    now,
  });
  return endResource(
    {
      statement: ports.control.serviceTokens.revoke(token.id, now),
      event: tokenEvent(call, 'service_token.revoked', token, reasonOf(why.value)),
      revocations: [ended],
    },
    view(token),
    'service_token_unknown',
    ports,
  );
};

export const ServiceTokenParams = z.object({ id: ServiceTokenId });

async function findLive(call: Call): Promise<Outcome<ServiceTokenRow>> {
  const params = readParams(call, ServiceTokenParams);
  if (!params.ok) return params;
  const row = await call.ports.control.serviceTokens.find(params.value.id);
  return row === undefined || row.revokedAt !== null ? err('service_token_unknown') : ok(row);
}

async function newSecret({ now, ports }: Call, tokenId: string) {
  const text = makeSecret(tokenId, ports.randomBytes);
  return {
    text,
    row: { digest: await digestSecret(text, ports.config.tokenPepper), tokenId, createdAt: now },
  };
}

const tokenEvent = (
  call: Call,
  type: AuditType,
  row: ServiceTokenRow,
  more: { readonly reason?: string } = {},
) =>
  auditEventOf(call, type, call.ports.randomId(), {
    details: {
      service_token: row.id,
      name: row.name,
      tier: row.tier,
      permissions: row.permissions.join(' '),
      ...more,
    },
  });

/** The rights of a service token. */
interface TokenRights {
  readonly permissions: readonly string[];
  readonly tier: string;
  /** Slugs; null or left out: every agent. */
  readonly agents?: readonly string[] | null | undefined;
}

/** Whether a token would have more than its maker: a higher tier, a permission, or an agent that the maker lacks. */
function isAbove(wanted: TokenRights, { principal, agents }: Authenticated): boolean {
  const isWithin =
    agents === undefined || (wanted.agents ?? undefined)?.every((slug) => agents.includes(slug)) === true;
  return (
    !tierAtLeast(principal.tier, Tier.parse(wanted.tier)) ||
    !wanted.permissions.every((permission) => principal.permissions.includes(permission)) ||
    !isWithin
  );
}

/**
 * Whether a token has more rights than the caller. Its grants count as well: a caller that may manage grants could give
 * itself the same, and no other may come by a role through a secret.
 */
async function holdsMore({ who, now, ports }: Call, token: ServiceTokenRow): Promise<boolean> {
  if (isAbove(token, who)) return true;
  const { id, permissions } = who.principal;
  if (permissions.includes('grants:write') || token.createdBy === id) return false;
  return ports.control.grants.anyOf([principalOfToken(token.id)], now);
}

/** When a new token ends: as asked, and no later than the service token that makes it. In ms. */
function endOf(
  { expires_in: wanted }: { readonly expires_in?: number | undefined },
  { who, now }: Call,
): number | null {
  const ends = [
    ...(wanted === undefined ? [] : [now + wanted * 1000]),
    ...(who.method === 'service-token' && who.expiresAt !== undefined ? [who.expiresAt * 1000] : []),
  ];
  return ends.length === 0 ? null : Math.min(...ends);
}
