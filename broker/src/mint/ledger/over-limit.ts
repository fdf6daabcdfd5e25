import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';

/** The event that tells of a refused request instead of the one that it would have been. */
export const overLimit = (event: AuditEvent): AuditEvent => {
  const { jti: _never, ...rest } = event;
  return {
    ...rest,
    type: 'rate.limited',
    outcome: 'denied',
    code: 'rate_limited',
    details: { wanted: event.type },
  };
};
