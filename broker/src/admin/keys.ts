import type { SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import { allow } from '@agent-ticket/shared/outcome.ts';
import { TicketAlgorithm } from '@agent-ticket/shared/ticket.ts';
import * as z from 'zod';
import { readBody } from '../http/body.ts';
import type { Handler } from '../http/call.ts';
import { iso } from '../http/iso.ts';
import { stateOf } from '../keys/schedule.ts';
import type { BrokerPorts } from '../ports.ts';
import { adminEvent } from './event.ts';

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
    const { activate, alg: wanted } = body.value;
    const rotated = await ports.keyring.rotate(call.now, activate, wanted, ({ row, previous }) => {
      const details = { alg: row.alg, previous: previous.kid, activates_at: row.activatesAt };
      const event = adminEvent(call, 'key.rotated', ports.randomId(), { kid: row.kid, details });
      return ports.ledger.settle(call.who.principal.id, { event });
    });
    if (!rotated.ok) return { outcome: rotated };
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
