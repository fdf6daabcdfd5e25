import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { burnQueries } from '@agent-ticket/drizzle/object/burns.ts';
import { enqueue } from '@agent-ticket/drizzle/object/drain.ts';
import { objectLockQueries } from '@agent-ticket/drizzle/object/locks.ts';
import { type ObjectSession, objectSessionQueries } from '@agent-ticket/drizzle/object/sessions.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import { tombstoneQueries } from '@agent-ticket/drizzle/object/tombstone.ts';
import type { InvocationFact } from '@agent-ticket/drizzle/record/invocation-facts.ts';
import { closeFace, type Denial, type DenialReason } from '@agent-ticket/shared/denial.ts';
import { BURN_KEPT_SECONDS, CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { targetNamesOf } from '@agent-ticket/shared/target.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { Handover } from '../handover.ts';
import type { ControlOrder, RollAnswer, RollCall } from '../order.ts';
import { admit, mayEnter } from './admission.ts';
import { closingReason, isMeant, ownLock, targetableOf } from './control.ts';
import { createJournal, type Showing } from './journal.ts';
import { renewalFrames } from './renewal.ts';
import { createReplays } from './replays.ts';
import { claimsOf } from './session.ts';
import { say } from './socket.ts';
import type { StreamEnd, Streams } from './streams.ts';

/** Why a session ended without anybody refusing anything. */
export type PlainEnd = StreamEnd | 'connection_lost' | 'destroyed';

export interface KeeperPorts {
  readonly sql: SqlStorage;
  /** Sockets of one session, hibernated ones too. */
  readonly sockets: (sessionId: string) => readonly WebSocket[];
  readonly streams: Pick<Streams, 'has' | 'cut'>;
  readonly clock: () => number;
  readonly randomId: () => string;
  /** Whether a session ends when its ticket is shown again by somebody else. Asked when that happens. */
  readonly endsReplayed: () => boolean;
  /** Facts wait for the record database. */
  readonly onFacts: () => void;
}

/** Ended rows stay this long in the object, for plain requests whose ticket's session is over. */
const ENDED_KEPT_MS = 3600_000;

/**
 * The sessions of one object: who is in, with what rights, until when. Everything here is synchronous, so no event
 * can come between a check and what follows from it. An end is written before the socket is closed: whoever is just
 * opening, renewing or speaking reads it afterwards.
 */
export function createKeeper(ports: KeeperPorts) {
  const { sql, clock } = ports;
  createObjectTables(sql);
  const sessions = objectSessionQueries(sql);
  const locks = objectLockQueries(sql);
  const backlog = backlogQueries(sql);
  const journal = createJournal(sql, ports.randomId);
  const replays = createReplays(sql, ports.randomId);
  /** Admitted, but not yet accepted by the SDK: open without a socket, and rightly so. */
  const opening = new Set<string>();

  function end(
    id: string,
    reason: DenialReason | PlainEnd,
    details?: Readonly<Record<string, number>>,
  ): void {
    const now = clock();
    const ended = sessions.end(id, reason, now);
    if (ended === undefined) return;
    journal.session('session.closed', ended, now, reason, details);
    ports.onFacts();
  }

  function close(ws: WebSocket, why: DenialReason): void {
    const { code, reason } = closeFace({ reason: why });
    ws.close(code, reason);
  }

  /** Ends a session and closes what carries it; how many sockets and streams that was. */
  function refuse(id: string, why: DenialReason): number {
    end(id, why);
    const sockets = ports.sockets(id);
    for (const ws of sockets) close(ws, why);
    return sockets.length + (ports.streams.cut(id) ? 1 : 0);
  }

  /** Sessions whose socket died with an earlier life of this object: a crash or a deploy tells nobody. */
  function endLost(): void {
    for (const { id } of sessions.listOpen()) {
      const carried = opening.has(id) || ports.streams.has(id) || ports.sockets(id).length > 0;
      if (!carried) end(id, 'connection_lost');
    }
  }

  /** Notes that a burned ticket was shown again, and ends the session that it opened where that is the rule. */
  function replayed(again: Showing, by?: string): void {
    const first = replays.note(again, clock());
    // Whoever holds the session may well send a renewal twice.
    if (first !== undefined && first !== by && ports.endsReplayed()) refuse(first, 'ticket_replayed');
  }

  /** Sends on what was held of replays until now; all of it, where no later moment comes. */
  function releaseReplays(until = clock()): void {
    if (replays.release(until)) ports.onFacts();
  }

  return {
    backlog,
    journal,
    find: sessions.find,
    end,
    close,
    refuse,
    endLost,

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
      return may.ok && sessions.isOver(handover.claims.jti) ? deny('session_terminated') : may;
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
      refuse(id, reason);
      return { reason };
    },

    /** The open session of a frame, or why there is none any more. */
    current(id: string | undefined): Outcome<ObjectSession> {
      const session = id === undefined ? undefined : sessions.find(id);
      if (session === undefined) return deny('claims_missing');
      if (session.endedAt !== null) return deny(whyEnded(session));
      return session.expiresAt <= clock() ? deny('session_expired') : allow(session);
    },

    /** Notes that somebody spoke, so that silence is counted anew; written only when it matters. */
    heard(session: ObjectSession, idleSeconds: number | undefined): void {
      if (idleSeconds === undefined) return;
      const idleAt = clock() + idleSeconds * 1000;
      if (session.idleAt === null || idleAt - session.idleAt > idleSeconds * 100)
        sessions.postponeIdle(session.id, idleAt);
    },

    /** Burns the ticket of a renewal. Whether it was not used before; if it was, that is noted. */
    burnFor({ id, ipAddress, userAgent }: ObjectSession, { claims, kid }: VerifiedTicket): boolean {
      const first = burnQueries(sql).burn(claims.jti, claims.exp, id);
      if (!first) replayed({ claims, kid, ipAddress, userAgent, delivery: 'renewal' }, id);
      return first;
    },

    /** Whether a lock in this object would refuse a ticket. */
    isLocked: (ticket: VerifiedTicket): boolean => locks.stands(targetNamesOf(targetableOf(ticket)), clock()),

    /** Records that a frame was refused: it lacked its scope, or the agent's code says why. */
    denied(
      session: ObjectSession,
      details: Readonly<Record<string, string>>,
      code = 'frame_scope_missing',
    ): void {
      journal.session('rpc.denied', session, clock(), code, details);
      ports.onFacts();
    },

    /** Records a renewal that came to nothing, with the session as it is by now: it may have ended meanwhile. */
    renewalRefused(id: string, reason: DenialReason): void {
      const session = sessions.find(id);
      if (session !== undefined) journal.session('session.renewed', session, clock(), reason);
      ports.onFacts();
    },

    /** Records what became of a call. */
    called(sessionId: string, call: Omit<InvocationFact, 'id' | 'sessionId'>): void {
      enqueue(backlog, { invocation: { id: ports.randomId(), sessionId, ...call } });
      ports.onFacts();
    },

    renew(id: string, to: Parameters<typeof sessions.renew>[1]): ObjectSession | undefined {
      const renewed = sessions.renew(id, to);
      if (renewed !== undefined) journal.session('session.renewed', renewed, clock());
      ports.onFacts();
      return renewed;
    },

    /** Whether everything from before a time, in ms, is gone. */
    isDestroyedSince: (before: number): boolean =>
      (tombstoneQueries(sql).destroyedAt() ?? Number.NEGATIVE_INFINITY) >= before,

    /** Carries out a broker's order; how many sockets it closed. */
    order(order: ControlOrder): number {
      const own = ownLock(order.cmd);
      if (order.cmd.op === 'lock' && own !== undefined) locks.set(own, order.cmd.until);
      if (order.cmd.op === 'unlock' && own !== undefined) locks.remove(own);
      const why = closingReason[order.cmd.op];
      if (why === undefined) return 0;
      const meant = sessions
        .listOpen()
        .filter((session) => isMeant(order, { ...session, claims: claimsOf(session) }));
      return meant.reduce((sum, { id }) => sum + refuse(id, why), 0);
    },

    /**
     * Which of these sessions are here, after a look at what each hangs by. While facts still wait for the record
     * database all of them are, since those facts may be about them.
     */
    callRoll({ sessions: ids }: RollCall): RollAnswer {
      endLost();
      if (backlog.count() > 0) {
        ports.onFacts();
        return { open: [...ids], ended: [] };
      }
      const known = ids.map(sessions.find).filter((session) => session !== undefined);
      return {
        open: known.filter(({ endedAt }) => endedAt === null).map(({ id }) => id),
        ended: known.flatMap(({ id, endedAt: at, endReason: reason }) =>
          at === null || reason === null ? [] : [{ id, at, reason }],
        ),
      };
    },

    /** Warns, ends what is over or silent, forgets what is old. */
    sweep(): void {
      const now = clock();
      for (const session of sessions.listOpen()) {
        if (session.expiresAt <= now) refuse(session.id, 'session_expired');
        else if (session.idleAt !== null && session.idleAt <= now) refuse(session.id, 'session_idle');
        else if (session.warnAt !== null && session.warnAt <= now) {
          sessions.noteWarned(session.id);
          for (const ws of ports.sockets(session.id)) say(ws, renewalFrames.expiring(session.expiresAt));
        }
      }
      endLost();
      releaseReplays();
      burnQueries(sql).purge(Math.floor(now / 1000) - CLOCK_SKEW_SECONDS - BURN_KEPT_SECONDS);
      sessions.purge(now - ENDED_KEPT_MS);
      locks.purge(now);
    },

    openIds: (): string[] => sessions.listOpen().map(({ id }) => id),
    /** When something is next due for a session or of a replay, in ms; infinite: never. */
    nextDue: (): number =>
      Math.min(sessions.nextDue() ?? Number.POSITIVE_INFINITY, replays.nextDue() ?? Number.POSITIVE_INFINITY),
    releaseReplays,
    isWaiting: (): boolean => backlog.count() > 0,
  };
}
export type Keeper = ReturnType<typeof createKeeper>;

/** The reason to give to somebody who still speaks in a session that has ended. */
const whyEnded = ({ endReason }: ObjectSession): DenialReason =>
  END_REASONS.find((reason) => reason === endReason) ?? 'session_terminated';

const END_REASONS = [
  'session_expired',
  'session_idle',
  'rights_changed',
  'locked',
  'ticket_replayed',
  'agent_failed',
] as const;
