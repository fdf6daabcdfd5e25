import { backlogStore } from '@agent-ticket/drizzle/object/backlog.ts';
import { burnStore } from '@agent-ticket/drizzle/object/burns.ts';
import {
  type ObjectSession,
  objectSessionStore,
  type Renewed,
} from '@agent-ticket/drizzle/object/sessions.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import type { Denial, DenialReason } from '@agent-ticket/shared/denial.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { Handover } from '../handover.ts';
import { admit, checkTicket, noteGrantUsed, whyRefused } from './admission.ts';
import type { Audit, Presentation } from './audit.ts';
import { createEnds, type EndPorts, endReasonOf } from './ends.ts';

interface SessionPorts extends Omit<EndPorts, 'audit' | 'isOpening'> {
  readonly audit: Audit;
  /** Whether a session ends when its ticket is presented again by another client. Asked when that happens. */
  readonly endsReplayed: () => boolean;
}

/**
 * The sessions of one object, with their rights and their ends. Everything here is synchronous, so no event can come
 * between a check and what follows from it.
 */
export function createSessions(ports: SessionPorts) {
  const { sql, audit, clock } = ports;
  createObjectTables(sql);
  const sessions = objectSessionStore(sql);
  const backlog = backlogStore(sql);
  const opening = new Set<string>();
  const ends = createEnds({ ...ports, isOpening: (id) => opening.has(id) });

  /** Notes that a burned ticket was presented again, and ends the session that it opened where that is configured. */
  function noteReplay(again: Presentation, bySession?: string): void {
    const first = audit.replayed(again);
    // The client of the session itself may send one renewal twice.
    if (first !== undefined && first !== bySession && ports.endsReplayed())
      ends.terminate(first, 'ticket_replayed');
  }

  return {
    ...ends,

    find: sessions.find,
    listOpen: sessions.listOpen,

    /** Facts that the record database does not have yet: sessions in their rows, and others in the backlog. */
    backlog,
    countPending: sessions.countPending,
    acknowledge: sessions.acknowledge,
    hasBacklog: (): boolean => sessions.isPending() || backlog.newest() !== undefined,

    /** Burns the ticket and opens a session, which counts as opening until {@link finishOpening}. */
    admit(handover: Handover): Outcome<ObjectSession> {
      const admitted = admit(sql, handover, clock());
      if (admitted.ok) {
        opening.add(admitted.value.id);
        audit.opened(handover);
      } else if (admitted.denial.reason === 'ticket_used') noteReplay(handover);
      return admitted;
    },

    /** Whether a ticket allows a request without a session: not once its own session is over. */
    checkRequest(handover: Handover): Outcome<undefined> {
      const checked = checkTicket(sql, handover, clock());
      if (!checked.ok) return checked;
      return sessions.isOver(handover.claims.jti) ? err('session_terminated') : checked;
    },

    noteGrantUsed: (ticket: VerifiedTicket): void => noteGrantUsed(sql, ticket),

    /** Why this object refuses a ticket, by the revocations that it keeps. */
    whyRefused: (ticket: VerifiedTicket): DenialReason | undefined => whyRefused(sql, ticket, clock()),

    /** Whether a session that was opened has not ended. */
    isOpen: (id: string): boolean => sessions.find(id)?.endedAt === null,

    /**
     * The agent accepted the session, or failed. A command that ended it meanwhile found no socket to close; then, or
     * when the agent failed, the denial for its client.
     */
    finishOpening(id: string, isAccepted: boolean): Denial | undefined {
      opening.delete(id);
      const session = sessions.find(id);
      const isOver = session !== undefined && session.endedAt !== null;
      if (isAccepted && !isOver) return undefined;
      const reason = isOver ? endReasonOf(session) : 'agent_failed';
      ends.terminate(id, reason);
      return { reason };
    },

    /** The open session of a frame, or why there is none any more. */
    current(id: string | undefined): Outcome<ObjectSession> {
      const session = id === undefined ? undefined : sessions.find(id);
      if (session === undefined) return err('claims_missing');
      if (session.endedAt !== null) return err(endReasonOf(session));
      return session.expiresAt <= clock() ? err('session_expired') : ok(session);
    },

    /** Notes a frame, from which idle time is counted anew; written only when it makes a difference of a tenth. */
    noteFrame(session: ObjectSession, idleSeconds: number | undefined): void {
      if (idleSeconds === undefined) return;
      const idleAt = clock() + idleSeconds * 1000;
      if (session.idleAt === null || idleAt - session.idleAt > idleSeconds * 100)
        sessions.postponeIdle(session.id, idleAt);
    },

    /** Burns the ticket of a renewal. Whether it was not used before; if it was, the replay is noted. */
    burnForRenewal({ id, ipAddress, userAgent }: ObjectSession, { claims, kid }: VerifiedTicket): boolean {
      const isFirst = burnStore(sql).burn(claims.jti, claims.exp, id);
      if (!isFirst) noteReplay({ claims, kid, ipAddress, userAgent, delivery: 'renewal' }, id);
      return isFirst;
    },

    /** Gives an open session the rights of a newer ticket. `undefined` when it has ended meanwhile. */
    renew(id: string, ticket: VerifiedTicket, to: Renewed): ObjectSession | undefined {
      const renewed = sessions.renew(id, to);
      if (renewed === undefined) return undefined;
      noteGrantUsed(sql, ticket);
      audit.renewed(renewed);
      return renewed;
    },
  };
}
export type Sessions = ReturnType<typeof createSessions>;
