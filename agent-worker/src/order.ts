import { ControlCommand } from '@agent-ticket/shared/control.ts';
import { SessionId } from '@agent-ticket/shared/names.ts';
import * as z from 'zod';

/** How the worker hands a verified command of the broker to an object: beside the request, as a ticket's claims are. */
const MEMBER = 'agentTicketOrder';

/** A verified command. Sessions that started after `before`, in ms, stay. */
export const ControlOrder = z.strictObject({ cmd: ControlCommand, before: z.int().nonnegative() });
export type ControlOrder = z.infer<typeof ControlOrder>;

/** What an object answers to one. */
export const OrderAnswer = z.strictObject({ closed: z.int().nonnegative() });
export type OrderAnswer = z.infer<typeof OrderAnswer>;

/** The request that carries an order; address and method mean nothing. */
export const orderRequest = (order: ControlOrder): Request =>
  new Request('https://object.invalid/', { method: 'POST', cf: { [MEMBER]: order } });

/** The order in a request's metadata; `undefined` when it did not come from the worker beside the object. */
export function readOrder(cf: unknown): ControlOrder | undefined {
  const read = z.object({ [MEMBER]: ControlOrder }).safeParse(cf);
  return read.success ? read.data[MEMBER] : undefined;
}

const ROLL = 'agentTicketRoll';

/** A question to an object: which of these sessions it has. The record takes them for open. */
export const RollCall = z.strictObject({ sessions: z.array(SessionId) });
export type RollCall = z.infer<typeof RollCall>;

/** What it answers. Sessions that it does not name are unknown to it. */
export const RollAnswer = z.strictObject({
  open: z.array(z.string()),
  ended: z.array(z.strictObject({ id: z.string(), at: z.int(), reason: z.string() })),
});
export type RollAnswer = z.infer<typeof RollAnswer>;

/** The request that carries a roll call. */
export const rollRequest = (roll: RollCall): Request =>
  new Request('https://object.invalid/', { method: 'POST', cf: { [ROLL]: roll } });

/** The roll call in a request's metadata; `undefined` when it did not come from the worker beside the object. */
export function readRoll(cf: unknown): RollCall | undefined {
  const read = z.object({ [ROLL]: RollCall }).safeParse(cf);
  return read.success ? read.data[ROLL] : undefined;
}
