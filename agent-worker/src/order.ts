import { ControlCommand } from '@agent-ticket/shared/control.ts';
import { SessionId } from '@agent-ticket/shared/names.ts';
import * as z from 'zod';
import { cfMember } from './cf-member.ts';

/** A verified command. Sessions that started after `before`, in ms, stay. */
export const ControlOrder = z.strictObject({ cmd: ControlCommand, before: z.int().nonnegative() });
export type ControlOrder = z.infer<typeof ControlOrder>;

/** What an object answers to one. */
export const OrderAnswer = z.strictObject({ closed: z.int().nonnegative() });
export type OrderAnswer = z.infer<typeof OrderAnswer>;

/** A question to an object: which of these sessions it has. The record takes them for open. */
export const RollCall = z.strictObject({ sessions: z.array(SessionId) });
export type RollCall = z.infer<typeof RollCall>;

/** What it answers. Sessions that it does not name are unknown to it. */
export const RollAnswer = z.strictObject({
  open: z.array(z.string()),
  ended: z.array(z.strictObject({ id: z.string(), at: z.int(), reason: z.string() })),
});
export type RollAnswer = z.infer<typeof RollAnswer>;

/** Verified commands reach an object beside the request, as a ticket's claims do. */
const orderMember = cfMember('agentTicketOrder', ControlOrder);
const rollMember = cfMember('agentTicketRoll', RollCall);

/** Address and method mean nothing. */
const requestWith = (cf: Record<string, unknown>): Request =>
  new Request('https://object.invalid/', { method: 'POST', cf });

export const orderRequest = (order: ControlOrder): Request => requestWith(orderMember.write(order));
export const rollRequest = (roll: RollCall): Request => requestWith(rollMember.write(roll));

/** Either is `undefined` when it did not come from the worker beside the object. */
export const readOrder = (cf: unknown): ControlOrder | undefined => orderMember.read(cf);
export const readRoll = (cf: unknown): RollCall | undefined => rollMember.read(cf);
