import type { AuditEvent, AuditType } from '@agent-ticket/shared/audit-event.ts';
import type { Principal } from '../credentials/principal.ts';
import type { RequestContext } from '../http/call.ts';
import type { Ledger } from '../mint/ledger.ts';

/** One call, and who makes it. */
export interface By extends RequestContext {
  readonly who: { readonly principal: Pick<Principal, 'id'> };
}

type About = Pick<AuditEvent, 'kid' | 'agent' | 'instance' | 'sessionId' | 'details'>;

/** What somebody did, and from where. */
export const auditEventOf = (
  { who, now, ipAddress, userAgent, requestId }: By,
  type: AuditType,
  eventId: string,
  about: About,
): AuditEvent => ({
  eventId,
  at: now,
  type,
  outcome: 'success',
  principal: who.principal.id,
  ipAddress: ipAddress ?? undefined,
  userAgent: userAgent ?? undefined,
  requestId,
  ...about,
});

/**
 * Writes an act down, durably, before it is done: an event whose act failed is a try, an act without its event would
 * be a hole. Rejects when that is not possible, and then nothing may be done.
 */
export async function recordAct(
  ports: { readonly ledger: Ledger; readonly randomId: () => string },
  by: By,
  type: AuditType,
  about: About,
): Promise<void> {
  await ports.ledger.settle(by.who.principal.id, { event: auditEventOf(by, type, ports.randomId(), about) });
}
