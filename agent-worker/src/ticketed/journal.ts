import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { enqueue } from '@agent-ticket/drizzle/object/drain.ts';
import type { ObjectSession } from '@agent-ticket/drizzle/object/sessions.ts';
import type { SessionFact } from '@agent-ticket/drizzle/record/sessions.ts';
import type { AuditEvent, AuditType } from '@agent-ticket/shared/audit-event.ts';
import type { Handover } from '../handover.ts';
import { claimsOf } from './session.ts';

export interface Journal {
  /** Something about a ticket that was shown to this object. */
  ticket(type: AuditType, handover: Handover, now: number, code?: string): void;
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
    ticket(type, handover, now, code) {
      const { claims, kid, requestId, ipAddress, userAgent, delivery, sessionId } = handover;
      const event: AuditEvent = {
        eventId: randomId(),
        at: now,
        type,
        outcome: code === undefined ? 'success' : 'denied',
        code,
        principal: claims.sub,
        agent: claims.agent,
        instance: claims.instance,
        jti: claims.jti,
        sessionId: code === undefined ? sessionId : undefined,
        kid,
        ipAddress: ipAddress ?? undefined,
        userAgent: userAgent ?? undefined,
        requestId,
        details: { delivery },
      };
      enqueue(backlog, { event });
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
  };
}
