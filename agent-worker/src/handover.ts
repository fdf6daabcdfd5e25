import { DELIVERIES } from '@agent-ticket/shared/handshake.ts';
import { KeyId, SessionId } from '@agent-ticket/shared/names.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import * as z from 'zod';
import { HandedLimits } from './ticketed/limits.ts';

/**
 * How the gate hands a verified ticket to the destination object: as a member of `request.cf`, which is metadata
 * that the runtime carries beside a request. No header, path or body of a client becomes part of it, so an object
 * that some other code reaches with a client's request finds nothing there and refuses.
 */
const MEMBER = 'agentTicket';

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

/** The `cf` to send along: what was there, with our member set, whatever it held before. */
export const writeHandover = (
  cf: object | undefined,
  { claims, kid }: VerifiedTicket,
  facts: Omit<Handover, 'claims' | 'kid'>,
): Record<string, unknown> => ({
  ...cf,
  [MEMBER]: { ...facts, kid, claims: { ...claims, scope: formatScope(claims.scope) } },
});

/** Reads what the gate wrote, checked again in full; `undefined` when it did not come from the gate. */
export function readHandover(cf: unknown): Handover | undefined {
  const read = z.object({ [MEMBER]: Handover }).safeParse(cf);
  return read.success ? read.data[MEMBER] : undefined;
}
