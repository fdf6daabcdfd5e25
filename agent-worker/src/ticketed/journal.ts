import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { enqueue } from '@agent-ticket/drizzle/object/drain.ts';
import type { ObjectSession } from '@agent-ticket/drizzle/object/sessions.ts';
import type { SessionFact } from '@agent-ticket/drizzle/record/session-facts.ts';
import type { AuditEvent, AuditType } from '@agent-ticket/shared/audit-event.ts';
import { issuedAt } from '@agent-ticket/shared/issued-at.ts';
import { partiesBeside } from '@agent-ticket/shared/ticket.ts';
import type { Handover } from '../handover.ts';
import { claimsOf } from './session.ts';

/** A verified ticket as somebody showed it to this object: at the gate, or in a renewal. */
export interface Showing
  extends Pick<Handover, 'claims' | 'kid' | 'ipAddress' | 'userAgent'>,
    Partial<Pick<Handover, 'requestId'>> {
  readonly delivery: Handover['delivery'] | 'renewal';
}

export interface Journal {
  /** A ticket opened its session. */
  used(handover: Handover, now: number): void;
  /** Something about a session, with the session as it now is. */
  session(
    type: AuditType,
    session: ObjectSession,
    now: number,
    code?: string,
    details?: AuditEvent['details'],
  ): void;
}

/** Notes events in the object's own storage, from where they go to the record database. */
export function createJournal(sql: SqlStorage, randomId: () => string): Journal {
  const backlog = backlogQueries(sql);
  return {
    used(handover, now) {
      const { sessionId, delivery } = handover;
      const event = eventOfShowing(handover, 'ticket.used', randomId(), now);
      enqueue(backlog, { event: { ...event, sessionId, details: { delivery } } });
    },

    session(type, session, now, code, details) {
      const claims = claimsOf(session);
      const isRefusedRenewal = type === 'session.renewed' && code !== undefined;
      const event: AuditEvent = {
        eventId: randomId(),
        at: now,
        type,
        outcome: type === 'rpc.denied' || isRefusedRenewal ? 'denied' : 'success',
        code,
        principal: claims.sub,
        agent: claims.agent,
        instance: claims.instance,
        jti: claims.jti,
        sessionId: session.id,
        kid: session.kid,
        ipAddress: session.ipAddress ?? undefined,
        userAgent: session.userAgent ?? undefined,
        details,
      };
      enqueue(backlog, { event, session: factOf(session) });
    },
  };
}

/** What every event about a showing holds. */
export const eventOfShowing = (
  { claims, kid, requestId, ipAddress, userAgent }: Showing,
  type: AuditType,
  eventId: string,
  now: number,
): AuditEvent => ({
  eventId,
  at: now,
  type,
  outcome: 'success',
  principal: claims.sub,
  agent: claims.agent,
  instance: claims.instance,
  jti: claims.jti,
  kid,
  ipAddress: ipAddress ?? undefined,
  userAgent: userAgent ?? undefined,
  requestId,
});

function factOf(session: ObjectSession): SessionFact {
  const claims = claimsOf(session);
  const { id, principal, jti, kid, startedAt, endedAt, endReason, ipAddress, userAgent } = session;
  return {
    id,
    principal,
    jti,
    kid,
    startedAt,
    endedAt,
    endReason,
    ipAddress,
    userAgent,
    agent: claims.agent,
    instance: claims.instance,
    role: claims.role,
    scope: claims.scope.join(' '),
    issuedAt: issuedAt(claims),
    actors: partiesBeside(claims),
  };
}
