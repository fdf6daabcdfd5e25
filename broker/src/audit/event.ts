import type { AuditEvent, AuditType } from '@agent-ticket/shared/audit-event.ts';
import type { Principal } from '../credentials/principal.ts';
import type { RequestContext } from '../http/context.ts';

/** One call, and the principal that makes it. */
interface Actor extends RequestContext {
  readonly who: { readonly principal: Pick<Principal, 'id'> };
}

type EventFacts = Pick<AuditEvent, 'jti' | 'kid' | 'agent' | 'instance' | 'sessionId' | 'details'>;

/** An event about what a principal did by a call. */
export const auditEventOf = (
  { who, now, ipAddress, userAgent, requestId }: Actor,
  type: AuditType,
  eventId: string,
  facts: EventFacts,
): AuditEvent => ({
  eventId,
  at: now,
  type,
  outcome: 'success',
  principal: who.principal.id,
  ipAddress: ipAddress ?? undefined,
  userAgent: userAgent ?? undefined,
  requestId,
  ...facts,
});
