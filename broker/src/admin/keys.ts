import type { SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { KeyId } from '@agent-ticket/shared/names.ts';
import { allow, deny } from '@agent-ticket/shared/outcome.ts';
import { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import * as z from 'zod';
import { actEvent, recordAct } from '../audit/act.ts';
import { readBody } from '../http/body.ts';
import type { Handler } from '../http/call.ts';
import { iso } from '../http/iso.ts';
import { reseal } from '../keys/reseal.ts';
import { revoke } from '../keys/revocation.ts';
import { rotate } from '../keys/rotation.ts';
import { stateOf } from '../keys/schedule.ts';
import type { BrokerPorts } from '../ports.ts';
import { carryOut, newCommand, outboxRow, statusOf } from '../termination.ts';
import { newLock } from './new-lock.ts';

/** Body of `POST /admin/keys/rotate`; may be `{}`. */
export const RotateRequest = z.strictObject({
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

/** `GET /admin/keys`: published keys, newest first. */
export const listKeys =
  (ports: BrokerPorts): Handler =>
  async ({ now }) => {
    const items = (await ports.keyring.current(now)).map(({ row }) => keyView(row, now));
    return { outcome: allow({ status: 200, body: { items, next_cursor: null } }) };
  };

/** `POST /admin/keys/rotate`: makes the next key. */
export const rotateKeys =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const body = await readBody(call.request, RotateRequest);
    if (!body.ok) return { outcome: body };
    const rotated = await rotate(ports.keyring, {
      now: call.now,
      ...body.value,
      eventOf: ({ row, previous }) =>
        actEvent(call, 'key.rotated', ports.randomId(), {
          kid: row.kid,
          details: { alg: row.alg, previous: previous.kid, activates_at: row.activatesAt },
        }),
    });
    if (!rotated.ok) return { outcome: rotated };
    await announce(ports);
    const { row, previous } = rotated.value;
    const { kid, alg, state, activates_at } = keyView(row, call.now);
    const { retires_at, removed_at } = keyView(previous, call.now);
    return {
      outcome: allow({
        status: 201,
        body: { kid, alg, state, activates_at, previous: { kid: previous.kid, retires_at, removed_at } },
      }),
    };
  };

/**
 * `POST /admin/keys/:kid/revoke`: for a key that leaked. Out of the set at once, the next key signs at once, sockets
 * that came by it are closed. Takes no body.
 */
export const revokeKey =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const kid = KeyId.safeParse(call.params.kid);
    if (!kid.success) return { outcome: deny('field_invalid', { field: 'kid' }) };
    const target = { kind: 'key', kid: kid.data } as const;
    const pending = newCommand({ op: 'lock', target, until: null }, call.now, ports);
    const revoked = await revoke(ports.revocation, kid.data, call.now, (row, heir) => {
      const why = { reason: 'the key was revoked', expiresAt: null };
      const lock = newLock(ports.randomId(), target, call, why);
      const details = { state: stateOf(row, call.now), successor: heir.kind, lock: lock.id };
      const event = actEvent(call, 'key.revoked', ports.randomId(), { kid: row.kid, details });
      return { event, lock, command: outboxRow(pending) };
    });
    if (!revoked.ok) return { outcome: revoked };
    await announce(ports);
    const receipt = await carryOut(pending, ports.termination);
    const signer = await ports.keyring.signer(call.now);
    const body = {
      ...keyView(revoked.value.row, call.now),
      signing: signer.ok ? signer.value.row.kid : null,
      receipt,
    };
    return { outcome: allow({ status: statusOf(receipt), body }) };
  };

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
    return { outcome: allow({ status: 200, body }) };
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
