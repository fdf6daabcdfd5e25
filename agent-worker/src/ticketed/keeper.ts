import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { burnQueries } from '@agent-ticket/drizzle/object/burns.ts';
import { type ObjectSession, objectSessionQueries } from '@agent-ticket/drizzle/object/sessions.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import type { Denial } from '@agent-ticket/shared/denial.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { Handover } from '../handover.ts';
import { admit, isLocked, mayEnter } from './admission.ts';
import { createEndings, type EndingPorts, whyEnded } from './endings.ts';
import { createJournal, type Showing } from './journal.ts';
import { createNotes } from './notes.ts';
import { createOrders } from './orders.ts';
import { createReplays } from './replays.ts';
import { createSweep } from './sweep.ts';

export interface KeeperPorts extends Omit<EndingPorts, 'journal' | 'isOpening'> {
  readonly randomId: () => string;
  /** Whether a session ends when its ticket is shown again by somebody else. Asked when that happens. */
  readonly endsReplayed: () => boolean;
}

/**
 * The sessions of one object: who is in, with what rights, until when. Everything here is synchronous, so no event
 * can come between a check and what follows from it.
 */
export function createKeeper(ports: KeeperPorts) {
  const { sql, clock } = ports;
  createObjectTables(sql);
  const sessions = objectSessionQueries(sql);
  const backlog = backlogQueries(sql);
  const journal = createJournal(sql, ports.randomId);
  const replays = createReplays(sql, ports.randomId);
  const opening = new Set<string>();
  const endings = createEndings({ ...ports, journal, isOpening: (id) => opening.has(id) });

  /** Notes that a burned ticket was shown again, and ends the session that it opened where that is the rule. */
  function replayed(again: Showing, by?: string): void {
    const first = replays.note(again, clock());
    // Whoever holds the session may well send a renewal twice.
    if (first !== undefined && first !== by && ports.endsReplayed()) endings.refuse(first, 'ticket_replayed');
  }

  return {
    ...endings,
    ...createNotes({ ...ports, journal }),
    ...createOrders({ ...ports, endings }),
    ...createSweep({ ...ports, endings, replays }),

    backlog,
    isWaiting: (): boolean => backlog.count() > 0,

    find: sessions.find,
    openIds: (): string[] => sessions.listOpen().map(({ id }) => id),

    /** Burns the ticket and opens a session, which counts as opening until {@link opened} says otherwise. */
    admit(handover: Handover): Outcome<ObjectSession> {
      const admitted = admit(sql, journal, handover, clock());
      if (admitted.ok) opening.add(admitted.value.id);
      else if (admitted.denial.reason === 'ticket_used') replayed(handover);
      ports.onFacts();
      return admitted;
    },

    /** Whether a ticket lets its bearer ask without a session: not once its own session is over. */
    mayAsk(handover: Handover): Outcome<undefined> {
      const may = mayEnter(sql, handover, clock());
      return may.ok && sessions.isOver(handover.claims.jti) ? err('session_terminated') : may;
    },

    /** Whether a session that was opened goes on. */
    isOpen: (id: string): boolean => sessions.find(id)?.endedAt === null,

    /**
     * The agent took the session, or failed. Whoever ended it meanwhile found nothing to close; then, or when the
     * agent failed, the denial for its client.
     */
    opened(id: string, accepted: boolean): Denial | undefined {
      opening.delete(id);
      const session = sessions.find(id);
      const over = session !== undefined && session.endedAt !== null;
      if (accepted && !over) return undefined;
      const reason = over ? whyEnded(session) : 'agent_failed';
      endings.refuse(id, reason);
      return { reason };
    },

    /** The open session of a frame, or why there is none any more. */
    current(id: string | undefined): Outcome<ObjectSession> {
      const session = id === undefined ? undefined : sessions.find(id);
      if (session === undefined) return err('claims_missing');
      if (session.endedAt !== null) return err(whyEnded(session));
      return session.expiresAt <= clock() ? err('session_expired') : ok(session);
    },

    /** Notes that somebody spoke, so that silence is counted anew; written only when it matters. */
    heard(session: ObjectSession, idleSeconds: number | undefined): void {
      if (idleSeconds === undefined) return;
      const idleAt = clock() + idleSeconds * 1000;
      if (session.idleAt === null || idleAt - session.idleAt > idleSeconds * 100)
        sessions.postponeIdle(session.id, idleAt);
    },

    /** Whether a lock in this object would refuse a ticket. */
    isLocked: (ticket: VerifiedTicket): boolean => isLocked(sql, ticket, clock()),

    /** Burns the ticket of a renewal. Whether it was not used before; if it was, that is noted. */
    burnFor({ id, ipAddress, userAgent }: ObjectSession, { claims, kid }: VerifiedTicket): boolean {
      const first = burnQueries(sql).burn(claims.jti, claims.exp, id);
      if (!first) replayed({ claims, kid, ipAddress, userAgent, delivery: 'renewal' }, id);
      return first;
    },

    renew(id: string, to: Parameters<typeof sessions.renew>[1]): ObjectSession | undefined {
      const renewed = sessions.renew(id, to);
      if (renewed !== undefined) journal.session('session.renewed', renewed, clock());
      ports.onFacts();
      return renewed;
    },
  };
}
export type Keeper = ReturnType<typeof createKeeper>;
