import { DELIVERIES } from '@agent-ticket/shared/handshake.ts';
import { KeyId, SessionId } from '@agent-ticket/shared/names.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import * as z from 'zod';
import { cfMember } from './cf-member.ts';
import { HandedLimits } from './ticketed/limits.ts';

/** How the gate hands a verified ticket to the destination object, which refuses a request without one. */
const Handover = z.strictObject({
  claims: TicketClaims,
  kid: KeyId,
  sessionId: SessionId,
  delivery: z.enum(DELIVERIES),
  limits: HandedLimits,
  requestId: z.string(),
  ipAddress: z.string().nullable(),
  userAgent: z.string().nullable(),
});
export type Handover = z.output<typeof Handover>;

const member = cfMember('agentTicket', Handover);

/** The `cf` to send along, with what was in it. */
export const writeHandover = (
  cf: object | undefined,
  { claims, kid }: VerifiedTicket,
  facts: Omit<Handover, 'claims' | 'kid'>,
): Record<string, unknown> =>
  member.write({ ...facts, kid, claims: { ...claims, scope: formatScope(claims.scope) } }, cf);

/** Reads what the gate wrote, checked again in full; `undefined` when it did not come from the gate. */
export const readHandover = (cf: unknown): Handover | undefined => member.read(cf);
