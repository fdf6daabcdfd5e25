import type { SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import { KeyId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import type { Answer } from '../http/context.ts';
import { iso } from '../http/iso.ts';
import { PAGE, pageOf, readPage } from '../http/page.ts';
import { readParams, readQuery } from '../http/query.ts';
import { reseal, revoke, rotate, rotationDetails, sealedKeys } from '../keys/changes.ts';
import type { Keyring } from '../keys/keyring.ts';
import { isPublished, maxAgeOf, stateOf } from '../keys/schedule.ts';
import { changePolicy, newRevocation, statusOf } from '../revocation/changes.ts';
import { readBody } from '../runtime/body.ts';
import type { Call, Handler } from '../runtime/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { sealedSecrets } from '../webhooks/secret.ts';
import { Reason, readReason, reasonOf } from './reason.ts';

/** A JWK Set (RFC 7517 §5), public members only, with at most the lifetime that the publish lead is computed from. */
async function keySet(keyring: Keyring, { now, request }: Call): Promise<Outcome<Answer>> {
  const published = await keyring.published(now);
  const keys = published.map(({ material }) => material.publicJwk);
  // An empty set would be believed for as long as a cache keeps it.
  if (keys.length === 0) return err('signing_key_missing', { retryAfter: 5 });
  // Thumbprints name the keys completely, so they name the set.
  const etag = `"${keys.map((key) => key.kid).join('.')}"`;
  // An audit key stays in its set, in every state.
  const leaving = keyring.purpose === 'ticket' ? published.map(({ row }) => row) : [];
  const headers = { 'cache-control': `public, max-age=${maxAgeOf(leaving, now)}`, etag };
  const tags = (request.headers.get('if-none-match') ?? '')
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''));
  const isKnown = tags.includes(etag) || tags.includes('*');
  return ok(isKnown ? { status: 304, headers } : { status: 200, body: { keys }, headers });
}

/** `GET /.well-known/jwks.json`: pending, active and retiring ticket keys. */
export const showTicketKeySet: Handler = (call) => keySet(call.ports.keyring, call);

/** `GET /.well-known/audit-jwks.json`: every audit key that was not revoked, since what it signed is read for years. */
export const showAuditKeySet: Handler = (call) => keySet(call.ports.auditKeyring, call);

/** What a key signs: tickets, or checkpoints of the audit log. */
const Purpose = z.enum(['ticket', 'audit']).default('ticket');

const Filter = z.object({ purpose: Purpose });
export const KeyQuery = PAGE.extend(Filter.shape);
export const KeyParams = z.object({ kid: KeyId });
const Place = z.strictObject({ generation: z.int().positive() });

/** Body of `POST /admin/keys/rotate`; may be `{}`. */
export const RotateRequest = z.strictObject({
  purpose: Purpose,
  activate: z.enum(['scheduled', 'now']).default('scheduled'),
  /** Left out: that of the active key. */
  alg: TicketAlgorithm.optional(),
  reason: Reason.optional(),
});

const keyView = (row: SigningKeyRow, now: number, isRevoked = false) => ({
  kid: row.kid,
  alg: row.alg,
  state: isRevoked ? 'revoked' : stateOf(row, now),
  created_at: iso(row.createdAt),
  activates_at: iso(row.activatesAt),
  retires_at: iso(row.retiresAt),
  removed_at: iso(row.removedAt),
  revoked_at: iso(row.revokedAt),
});

const keyringOf = ({ keyring, auditKeyring }: BrokerPorts, purpose: z.output<typeof Purpose>): Keyring =>
  purpose === 'ticket' ? keyring : auditKeyring;

/**
 * `GET /admin/keys`: of the `purpose` in the query, newest first; left out: `ticket`. Retired and revoked ones too, as
 * long as their rows are kept. A row that should be published and does not open is none of the broker's, and is not shown.
 * A key that only the record database knows to be revoked is listed as revoked without a time: revoke it again.
 */
export const listKeys: Handler = async ({ now, request, ports }) => {
  const query = readQuery(request.url, Filter);
  if (!query.ok) return query;
  const page = await readPage(request.url, Place);
  if (!page.ok) return page;
  const { purpose } = query.value;
  const { limit, after } = page.value;
  // Makes the first key where there is none.
  const keyring = keyringOf(ports, purpose);
  const held = (await keyring.current(now)).map(({ row }) => row.kid);
  const revoked = await keyring.revokedInRecord(now);
  const rows = await ports.control.keys.page(purpose, after?.generation, limit + 1);
  const isShown = ({ kid, ...row }: SigningKeyRow) =>
    held.includes(kid) || revoked.includes(kid) || !isPublished({ kid, ...row }, now);
  const { items, next_cursor } = pageOf(
    { rows },
    page.value,
    (row) => (isShown(row) ? [keyView(row, now, revoked.includes(row.kid))] : []),
    ({ generation }) => ({ generation }),
  );
  return ok({ status: 200, body: { items: items.flat(), next_cursor } });
};

/** `POST /admin/keys/rotate`: makes the next key. */
export const rotateKeys: Handler = async (call) => {
  const body = await readBody(call.request, RotateRequest);
  if (!body.ok) return body;
  const { now, ports } = call;
  const { purpose, activate, alg: wanted } = body.value;
  const order = { now, activate, alg: wanted };
  const rotated = await rotate(keyringOf(ports, purpose), order, (rotation, change) => {
    const facts = {
      kid: rotation.row.kid,
      details: { ...rotationDetails(rotation), ...reasonOf(body.value) },
    };
    return changePolicy(
      { ...change, event: auditEventOf(call, 'key.rotated', ports.randomId(), facts) },
      ports,
    );
  });
  if (!rotated.ok) return rotated;
  const { row, previous } = rotated.value;
  const { kid, alg, state, activates_at } = keyView(row, now);
  const { retires_at, removed_at } = keyView(previous, now);
  return ok({
    status: 201,
    body: { kid, alg, state, activates_at, previous: { kid: previous.kid, retires_at, removed_at } },
  });
};

/**
 * `POST /admin/keys/:kid/revoke`: for a key that leaked. Out of its set at once, the next key signs at once. Sockets
 * that came by a ticket key are closed; checkpoints by an audit key prove nothing any more. Takes no body, but a `reason`
 * in the query.
 */
export const revokeKey: Handler = async (call) => {
  const { now, ports } = call;
  const params = readParams(call, KeyParams);
  if (!params.ok) return params;
  const { kid } = params.value;
  const why = readReason(call.request);
  if (!why.ok) return why;
  // Read without the keyring, which would make the first audit key.
  const auditKeys = await ports.control.keys.list('audit');
  const isAuditKey = auditKeys.some((row) => row.kid === kid);
  const keyring = isAuditKey ? ports.auditKeyring : ports.keyring;
  const lock = lockOf(call, kid, why.value.reason);
  const revoked = await revoke(keyring, { kid, now }, ({ row, successor }, change) => {
    const details = {
      purpose: row.purpose,
      state: stateOf(row, now),
      successor: successor.kind,
      lock: lock.id,
      ...reasonOf(why.value),
    };
    const event = auditEventOf(call, 'key.revoked', ports.randomId(), { kid, details });
    return changePolicy({ ...change, event, revocations: [lock] }, signingAnew(ports));
  });
  if (!revoked.ok) return revoked;
  const { row, made: receipt } = revoked.value;
  const signer = await keyring.signer(now);
  const body = { ...keyView(row, now), signing: signer.ok ? signer.value.row.kid : null };
  return isAuditKey
    ? ok({ status: 200, body })
    : ok({ status: statusOf(receipt), body: { ...body, receipt } });
};

/**
 * Listed among the locks: an operator sees there why tickets of the key are refused. An audit key has one for its copy
 * in the record database, which outlives a restore of this one. Its id marks it as no lock of an operator, so it is
 * never lifted.
 */
const lockOf = ({ who, now }: Call, kid: KeyId, reason = 'the key was revoked') =>
  newRevocation({
    target: { kind: 'key', kid },
    kind: 'any',
    code: 'locked',
    reason,
    by: who.principal.id,
    now,
    until: null,
  });

/** The command that ends a key's sessions must not be signed by that key, which a signer may still hold. */
const signingAnew = (ports: BrokerPorts) => ({
  ...ports,
  keyring: { signer: (now: number) => ports.keyring.newestSigner(now) },
});

/**
 * `POST /admin/keys/reseal`: seals every key and secret with `KEK`, after which `KEK_PREVIOUS` is not needed any more.
 */
export const resealKeys: Handler = async (call) => {
  const { now, ports } = call;
  const { control, keyring, auditKeyring } = ports;
  const texts = [
    ...(await sealedKeys(keyring, now)),
    ...(await sealedKeys(auditKeyring, now)),
    ...(await sealedSecrets(control)),
  ];
  const { statements, ...body } = await reseal(texts, await keyring.sealingKeys(), ports.randomBytes);
  const details = { ...body, unreadable: body.unreadable.length };
  const event = auditEventOf(call, 'key.resealed', ports.randomId(), { details });
  await changePolicy({ before: statements, event }, ports);
  keyring.forget();
  auditKeyring.forget();
  return ok({ status: 200, body });
};
