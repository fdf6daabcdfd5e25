import { backlogStore } from '@agent-ticket/drizzle/object/backlog.ts';
import { burnStore } from '@agent-ticket/drizzle/object/burns.ts';
import type { ObjectSession, Renewed } from '@agent-ticket/drizzle/object/sessions.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import type { Denial, DenialReason } from '@agent-ticket/shared/denial.ts';
import { KeyId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { covers, STATE_READ } from '@agent-ticket/shared/scope.ts';
import type { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { HandedLimits, Handover } from '../handover.ts';
import { admit, checkTicket, noteOpened, type Opening, whyRefused } from './admission.ts';
import type { Audit, Presentation } from './audit.ts';
import { claimsOf } from './claims.ts';
import { createEnds, type EndPorts, endReasonOf, hasLeft } from './ends.ts';
import { readLimits } from './limits.ts';
import { principalTag } from './sdk.ts';

/** What the frames of an open session are checked by. Times in ms. */
export interface LiveSession {
  readonly id: string;
  readonly claims: TicketClaims;
  readonly limits: HandedLimits;
  readonly expiresAt: number;
  readonly idleAt: number | null;
}

interface SessionPorts extends Omit<EndPorts, 'audit' | 'isOpening' | 'forget'> {
  readonly sql: SqlStorage;
  readonly audit: Audit;
  /** Whether a session ends when its ticket is presented again by another client. Asked when that happens. */
  readonly endsReplayed: () => boolean;
}

/**
 * The sessions of one object, with their rights and their ends. Everything here is synchronous, so no event can come
 * between a check and what follows from it.
 */
export function createSessions(ports: SessionPorts) {
  const { sql, rows: sessions, audit, clock } = ports;
  createObjectTables(sql);
  const backlog = backlogStore(sql);
  const opening = new Set<string>();
  /**
   * Open sessions that were asked about in this life of the object, so that a frame reads no row. The row is the truth:
   * what ends or renews a session takes it out of here in the turn in which it writes the row, and who asks next reads that.
   */
  const live = new Map<string, LiveSession>();
  const forget = (id: string): void => void live.delete(id);
  const ends = createEnds({ ...ports, forget, isOpening: (id) => opening.has(id) });

  function keep(session: ObjectSession): LiveSession {
    const { id, expiresAt, idleAt } = session;
    const kept = { id, claims: claimsOf(session), limits: readLimits(session.limits), expiresAt, idleAt };
    live.set(id, kept);
    return kept;
  }

  /** The rights of a session, also of one that has ended. */
  function findClaims(id: string): TicketClaims | undefined {
    const known = live.get(id);
    if (known !== undefined) return known.claims;
    const session = sessions.find(id);
    return session === undefined ? undefined : claimsOf(session);
  }

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

    /**
     * Burns the ticket and opens a session, which counts as opening until {@link finishOpening}. Where the gate had not
     * read revocations, the recorder does at once.
     */
    admit(handover: Handover): Outcome<ObjectSession> {
      const admitted = admit(sql, sessions, handover, clock());
      if (admitted.ok) {
        opening.add(admitted.value.id);
        keep(admitted.value);
        audit.opened(handover);
      } else if (admitted.denial.reason === 'ticket_used') noteReplay(handover);
      return admitted;
    },

    /**
     * Whether a ticket allows a request without a session: not once its own session is over. Where nobody terminated that
     * session, the client only needs a new ticket.
     */
    checkRequest(handover: Handover): Outcome<undefined> {
      const checked = checkTicket(sql, handover, clock());
      if (!checked.ok) return checked;
      const end = sessions.findEnd(handover.claims.jti);
      if (end === undefined) return checked;
      const isTakenAway = end.reason === 'session_terminated' || end.reason === 'locked';
      return err(isTakenAway ? 'session_terminated' : 'ticket_used');
    },

    noteOpened: (ticket: VerifiedTicket): void => noteOpened(sql, ticket),

    /** Why this object refuses a ticket, by the revocations that it keeps. */
    whyRefused: (ticket: VerifiedTicket): DenialReason | undefined => whyRefused(sql, ticket, clock()),

    /** Whether a session that was opened has not ended. */
    isOpen: (id: string): boolean => live.has(id) || sessions.find(id)?.endedAt === null,

    findClaims,

    /** The browser that opened a session, by the digest of its cookie. */
    findBrowser(id: string): string | undefined {
      const session = sessions.find(id);
      if (session === undefined) return undefined;
      const { browser }: Opening = JSON.parse(session.opening);
      return browser;
    },

    /** Whether the agent's state is sent to the connection of a session. */
    mayReadState(id: string): boolean {
      const claims = findClaims(id);
      return claims !== undefined && covers(claims.scope, STATE_READ);
    },

    /** The tags of a session's connection, by which it is found. */
    async tagsOf(id: string): Promise<string[]> {
      const claims = findClaims(id);
      return claims === undefined ? [] : [`sid:${id}`, await principalTag(claims.sub)];
    },

    /**
     * The agent accepted the session, or failed. A command that ended it meanwhile found no socket to close; then, or
     * when the agent failed, the denial for its client.
     */
    finishOpening(id: string, isAccepted: boolean): Denial | undefined {
      opening.delete(id);
      if (isAccepted && live.has(id)) return undefined;
      const session = sessions.find(id);
      const isOver = session !== undefined && session.endedAt !== null;
      if (isAccepted && !isOver) return undefined;
      const reason = isOver ? endReasonOf(session) : 'agent_failed';
      ends.terminate(id, reason);
      return { reason };
    },

    /** The open session of a frame, or why there is none any more. */
    current(id: string | undefined): Outcome<LiveSession> {
      if (id === undefined) return err('claims_missing');
      let known = live.get(id);
      if (known === undefined) {
        const session = sessions.find(id);
        if (session === undefined) return err('claims_missing');
        if (session.endedAt !== null) return err(endReasonOf(session));
        known = keep(session);
      }
      return known.expiresAt <= clock() ? err('session_expired') : ok(known);
    },

    /**
     * The rights of a session for work that it began, as a ticket: also after its client has left, until they expire.
     * `undefined`: they were taken away. Does NOT check revocations that do not name this object.
     */
    rightsOf(id: string): VerifiedTicket | undefined {
      const session = sessions.find(id);
      if (session === undefined || session.expiresAt <= clock()) return undefined;
      const ticket = { claims: claimsOf(session), kid: KeyId.parse(session.kid) };
      if (session.endedAt === null) return ticket;
      return hasLeft(session) && whyRefused(sql, ticket, clock()) === undefined ? ticket : undefined;
    },

    /** The same for work that a plain request began, which has no session: its ticket. */
    rightsOfRequest(ticket: VerifiedTicket): VerifiedTicket | undefined {
      const isOver = ticket.claims.session_expiry * 1000 <= clock();
      return isOver || whyRefused(sql, ticket, clock()) !== undefined ? undefined : ticket;
    },

    /** Notes a frame, from which idle time is counted anew; written only when it makes a difference of a tenth. */
    noteFrame(session: LiveSession): void {
      const { idleSeconds } = session.limits;
      if (idleSeconds === undefined) return;
      const idleAt = clock() + idleSeconds * 1000;
      if (session.idleAt !== null && idleAt - session.idleAt <= idleSeconds * 100) return;
      sessions.postponeIdle(session.id, idleAt);
      live.set(session.id, { ...session, idleAt });
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
      forget(id);
      noteOpened(sql, ticket);
      audit.renewed(renewed);
      return renewed;
    },
  };
}
export type Sessions = ReturnType<typeof createSessions>;
