import type { SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { KeyId } from '@agent-ticket/shared/names.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import * as z from 'zod';
import { auditEventOf, recordAct } from '../audit/act.ts';
import { readBody } from '../http/body.ts';
import type { Call, Handler, HandlerResult } from '../http/call.ts';
import { iso } from '../http/iso.ts';
import type { Keyring } from '../keys/keyring.ts';
import { reseal } from '../keys/reseal.ts';
import { revoke } from '../keys/revocation.ts';
import { rotate } from '../keys/rotation.ts';
import { stateOf } from '../keys/schedule.ts';
import { carryOut, newCommand, outboxRow, statusOf } from '../revocation/termination.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { newLock } from './new-lock.ts';

/** Body of `POST /admin/keys/rotate`; may be `{}`. */
export const RotateRequest = z.strictObject({
  /** What the key signs: tickets, or checkpoints of the audit log. */
  purpose: z.enum(['ticket', 'audit']).default('ticket'),
  activate: z.enum(['scheduled', 'now']).default('scheduled'),
  /** Left out: that of the active key. */
  alg: TicketAlgorithm.optional(),
});

const keyView = (row: SigningKeyRow, now: number) => ({
  kid: row.kid,
  alg: row.alg,
  state: stateOf(row, now),
  created_at: iso(row.createdAt),
  activates_at: iso(row.activatesAt),
  retires_at: iso(row.retiresAt),
  removed_at: iso(row.removedAt),
});

const Purpose = z.enum(['ticket', 'audit']);
type Purpose = z.infer<typeof Purpose>;

const keyringOf = (ports: BrokerPorts, purpose: Purpose) =>
  purpose === 'ticket' ? ports.keyring : ports.auditKeyring;

/** `GET /admin/keys`: published keys, newest first, of the `purpose` in the query; left out: `ticket`. */
export const listKeys =
  (ports: BrokerPorts): Handler =>
  async ({ now, request }) => {
    const purpose = Purpose.safeParse(new URL(request.url).searchParams.get('purpose') ?? 'ticket');
    if (!purpose.success) return { outcome: err('field_invalid', { field: 'purpose' }) };
    const keys = await keyringOf(ports, purpose.data).current(now);
    const items = keys.map(({ row }) => keyView(row, now));
    return { outcome: ok({ status: 200, body: { items, next_cursor: null } }) };
  };

/** `POST /admin/keys/rotate`: makes the next key. */
export const rotateKeys =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const body = await readBody(call.request, RotateRequest);
    if (!body.ok) return { outcome: body };
    const { purpose, ...order } = body.value;
    const rotated = await rotate(keyringOf(ports, purpose), {
      now: call.now,
      ...order,
      eventOf: ({ row, previous }) =>
        auditEventOf(call, 'key.rotated', ports.randomId(), {
          kid: row.kid,
          details: { purpose, alg: row.alg, previous: previous.kid, activates_at: row.activatesAt },
        }),
    });
    if (!rotated.ok) return { outcome: rotated };
    await announce(ports);
    const { row, previous } = rotated.value;
    const { kid, alg, state, activates_at } = keyView(row, call.now);
    const { retires_at, removed_at } = keyView(previous, call.now);
    return {
      outcome: ok({
        status: 201,
        body: { kid, alg, state, activates_at, previous: { kid: previous.kid, retires_at, removed_at } },
      }),
    };
  };

/**
 * `POST /admin/keys/:kid/revoke`: for a key that leaked. Out of its set at once, the next key signs at once. Sockets
 * that came by a ticket key are closed; checkpoints by an audit key prove nothing any more. Takes no body.
 */
export const revokeKey =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const kid = KeyId.safeParse(call.params.kid);
    if (!kid.success) return { outcome: err('field_invalid', { field: 'kid' }) };
    // As they are: nothing is made, and nobody else is needed, while a key is being taken away.
    const auditKeys = await ports.auditKeyring.keys.list('audit');
    return auditKeys.some((row) => row.kid === kid.data)
      ? revokeAuditKey(ports, call, kid.data)
      : revokeTicketKey(ports, call, kid.data);
  };

async function revokeTicketKey(ports: BrokerPorts, call: Call, kid: KeyId): Promise<HandlerResult> {
  const target = { kind: 'key', kid } as const;
  const pending = newCommand({ op: 'lock', target, until: null }, call.now, ports);
  const revoked = await revoke(ports.revocation, kid, call.now, (row, heir) => {
    const why = { reason: 'the key was revoked', expiresAt: null };
    const lock = newLock(ports.randomId(), target, call, why);
    const event = revokedEvent(ports, call, row, { successor: heir.kind, lock: lock.id });
    return { event, sockets: { lock, command: outboxRow(pending) } };
  });
  if (!revoked.ok) return { outcome: revoked };
  await announce(ports);
  const receipt = await carryOut(pending, ports.termination);
  const body = { ...(await afterRevocation(ports.keyring, revoked.value.row, call.now)), receipt };
  return { outcome: ok({ status: statusOf(receipt), body }) };
}

async function revokeAuditKey(ports: BrokerPorts, call: Call, kid: KeyId): Promise<HandlerResult> {
  const keys = { ...ports.revocation, keyring: ports.auditKeyring };
  const revoked = await revoke(keys, kid, call.now, (row, heir) => ({
    event: revokedEvent(ports, call, row, { successor: heir.kind }),
  }));
  if (!revoked.ok) return { outcome: revoked };
  await announce(ports);
  const body = await afterRevocation(ports.auditKeyring, revoked.value.row, call.now);
  return { outcome: ok({ status: 200, body }) };
}

const revokedEvent = (
  ports: BrokerPorts,
  call: Call,
  row: SigningKeyRow,
  about: Readonly<Record<string, string>>,
) =>
  auditEventOf(call, 'key.revoked', ports.randomId(), {
    kid: row.kid,
    details: { purpose: row.purpose, state: stateOf(row, call.now), ...about },
  });

async function afterRevocation(keyring: Keyring, row: SigningKeyRow, now: number) {
  const signer = await keyring.signer(now);
  return { ...keyView(row, now), signing: signer.ok ? signer.value.row.kid : null };
}

/** `POST /admin/keys/reseal`: seals every key with `KEK`, after which `KEK_PREVIOUS` is needed no more. */
export const resealKeys =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const [ticket, audit] = [
      await reseal(ports.keyring, call.now, ports.randomBytes),
      await reseal(ports.auditKeyring, call.now, ports.randomBytes),
    ];
    const body = {
      resealed: ticket.resealed + audit.resealed,
      current: ticket.current + audit.current,
      unreadable: [...ticket.unreadable, ...audit.unreadable],
    };
    const details = { ...body, unreadable: body.unreadable.length };
    await recordAct(ports, call, 'key.resealed', { details });
    return { outcome: ok({ status: 200, body }) };
  };

/** The change is made and its event safe beside it: a ledger that is away must not make it look undone. */
async function announce(ports: BrokerPorts): Promise<void> {
  try {
    await ports.keyring.announce();
  } catch (error) {
    if (!isOutage(error)) throw error;
    ports.log({ event: 'key_event_waits' });
  }
}
