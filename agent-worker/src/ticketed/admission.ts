import { burnQueries } from '@agent-ticket/drizzle/object/burns.ts';
import { type ObjectSession, objectSessionQueries } from '@agent-ticket/drizzle/object/sessions.ts';
import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import type { Handover } from '../handover.ts';
import type { Journal } from './journal.ts';

/**
 * Burns the ticket and opens its session, or refuses. Synchronous from first to last, so that of any number of
 * tries with one ticket exactly one is first; its writes are durable before the object answers.
 *
 * @param now milliseconds, by the object's own clock.
 */
export function admit(
  sql: SqlStorage,
  journal: Journal,
  handover: Handover,
  now: number,
): Outcome<ObjectSession> {
  const { claims } = handover;
  if (now / 1000 >= claims.exp + CLOCK_SKEW_SECONDS) return deny('ticket_expired');

  const burns = burnQueries(sql);
  if (!burns.burn(claims.jti, claims.exp)) {
    if (burns.countReplay(claims.jti) === 1) journal.ticket('ticket.replayed', handover, now, 'ticket_used');
    return deny('ticket_used');
  }
  const session = {
    id: handover.sessionId,
    jti: claims.jti,
    claims: JSON.stringify({ ...claims, scope: formatScope(claims.scope) }),
    kid: handover.kid,
    startedAt: now,
    expiresAt: claims.session_expiry * 1000,
    endedAt: null,
    endReason: null,
    ipAddress: handover.ipAddress,
    userAgent: handover.userAgent,
  };
  objectSessionQueries(sql).open(session);
  journal.ticket('ticket.used', handover, now);
  journal.session('session.opened', session, now);
  return allow(session);
}
