import type { AuditEvent, AuditType } from '@agent-ticket/shared/audit-event.ts';
import type { Call } from '../http/call.ts';

/** What an operator did, by whom and from where. */
export const adminEvent = (
  { who, now, ipAddress, userAgent, requestId }: Call,
  type: AuditType,
  eventId: string,
  about: Pick<AuditEvent, 'kid' | 'agent' | 'instance' | 'sessionId' | 'details'>,
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
