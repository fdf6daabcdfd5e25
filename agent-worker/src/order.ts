import { ControlCommand } from '@agent-ticket/shared/control.ts';
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
