import { backlogStore } from '@agent-ticket/drizzle/object/backlog.ts';
import { burnStore } from '@agent-ticket/drizzle/object/burns.ts';
import { enqueue } from '@agent-ticket/drizzle/object/drain.ts';
import type { ObjectSession, SessionRows } from '@agent-ticket/drizzle/object/sessions.ts';
import type { RecordFact } from '@agent-ticket/drizzle/record/deliver.ts';
import type { InvocationFact } from '@agent-ticket/drizzle/record/invocations.ts';
import type { SessionFact } from '@agent-ticket/drizzle/record/sessions.ts';
import type { AuditEvent, AuditType } from '@agent-ticket/shared/audit-event.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { type Measure, measureByPoints } from '@agent-ticket/shared/metrics.ts';
import { TicketId } from '@agent-ticket/shared/names.ts';
import { redact } from '@agent-ticket/shared/redact.ts';
import type { Revocable } from '@agent-ticket/shared/revocation.ts';
import type { PointSink } from '@agent-ticket/shared/security-events.ts';
import { targetNamesOf } from '@agent-ticket/shared/target.ts';
import { partiesBeside } from '@agent-ticket/shared/ticket.ts';
import type { Handover, TicketlessCall } from '../handover.ts';
import type { Opening } from './admission.ts';
import { claimsOf } from './claims.ts';
import { createRefusalCounts } from './refusal-counts.ts';

/** A verified ticket as it was presented to this object: at the gate, or in a renewal. */
export interface Presentation
  extends Pick<Handover, 'claims' | 'kid' | 'ipAddress' | 'userAgent'>,
    Partial<Pick<Handover, 'requestId'>> {
  readonly delivery: Handover['delivery'] | 'renewal';
}

/** Points of what an object counts, where the worker has a dataset for them. */
export const measureIn = ({
  METRICS,
}: {
  readonly RECORD: D1Database;
  readonly METRICS?: PointSink | undefined;
}): Measure => measureByPoints(METRICS);

interface AuditPorts {
  readonly sql: SqlStorage;
  readonly rows: SessionRows;
  readonly randomId: () => string;
  readonly clock: () => number;
  /** Facts wait for the record database, to be handed over within so many ms. */
  readonly onFacts: (withinMs: number) => void;
  /** The same of calls, which are in memory. Whether this life of the object will hand them over. */
  readonly onCalls: (withinMs: number) => boolean;
  /** Does something once, in so many ms. */
  readonly later: (ms: number, work: () => void) => void;
  readonly measure: Measure;
}

/** New rights are handed over within this time: the recorder looks for revocations of them. */
const SOON_MS = 50;
/** Anything else can wait for more to come. */
const LATER_MS = 1_000;

/** So many calls in memory are handed over at once, and together. */
const CALLS_HANDED = 100;
/** More calls than these are not held in memory. */
const CALLS_HELD = 1_000;

/** How long a replay is held back: its one event counts a burst of presentations, not only the first. */
const HELD_MS = 2_000;

/** Writes the facts of one object into its own storage, from where they go to the record database. */
export function createAudit({
  sql,
  rows: sessions,
  randomId,
  clock,
  onFacts,
  onCalls,
  later,
  measure,
}: AuditPorts) {
  const backlog = backlogStore(sql);
  const burns = burnStore(sql);

  function add(fact: RecordFact, withinMs = LATER_MS): void {
    enqueue(backlog, fact);
    onFacts(withinMs);
  }

  /** An event of a session, at this moment, with the rights that it has. */
  const sessionEvent = (
    type: AuditType,
    session: ObjectSession,
    { outcome = 'success', code, details }: Partial<Pick<AuditEvent, 'outcome' | 'code' | 'details'>> = {},
  ): AuditEvent => {
    const { id, kid, ipAddress, userAgent } = session;
    const claims = claimsOf(session);
    return {
      ...eventOf({ claims, kid, ipAddress, userAgent }, type, randomId(), clock()),
      outcome,
      code,
      sessionId: id,
      details,
    };
  };

  const refusals = createRefusalCounts(
    { rows: sessions, clock, later, measure },
    (type, session, { code, details }) =>
      add({ event: sessionEvent(type, session, { outcome: 'denied', code, details }) }),
  );

  /**
   * Calls on their way to the record database in memory: they are no events, and a row for each would cost more than the
   * call. An object that is killed loses those of a second. A hand-over that fails writes them, as the database may be away
   * for longer. The timer of the hand-over keeps the object from hibernation until then.
   */
  const calls: InvocationFact[] = [];

  const keepCalls = (kept: readonly InvocationFact[]): void => {
    for (const invocation of kept) enqueue(backlog, { invocation });
  };

  function releaseCalls(): void {
    if (calls.length === 0) return;
    keepCalls(calls.splice(0));
    onFacts(LATER_MS);
  }

  return {
    /** A ticket opened a session, whose row is the fact: at once where nobody looked for revocations of the ticket. */
    opened: ({ feed }: Pick<Handover, 'feed'>): void => onFacts(feed === 'fresh' ? SOON_MS : 0),

    /** Sessions of which the record database does not know all, the oldest first, and what it does not know. */
    pendingSessions(limit: number) {
      const rows = sessions.pending(limit);
      const openings = rows.flatMap((row) => (row.recorded === 0 ? openingOf(row) : []));
      const ends = rows.flatMap((row) => (row.endedAt === null ? [] : [endOf(row, row.endedAt)]));
      return { rows, openings, ends };
    },

    /** A request without a ticket is passed to the agent. */
    letIn(call: TicketlessCall): void {
      const { agent, instance, principal, callback, requestId, ipAddress, userAgent } = call;
      const { id, sender } = callback ?? {};
      const event: AuditEvent = {
        eventId: randomId(),
        at: clock(),
        type: callback === undefined ? 'worker.called' : 'callback.used',
        outcome: 'success',
        principal,
        agent,
        instance,
        ipAddress: ipAddress ?? undefined,
        userAgent: userAgent ?? undefined,
        requestId,
        details: {
          ...(id === undefined ? {} : { callback: id }),
          ...(sender === undefined ? {} : { sender: redact(sender) }),
        },
      };
      add({ event });
    },

    renewed(session: ObjectSession): void {
      const event = sessionEvent('session.renewed', session);
      add({ event, session: factOf(session), revocable: revocableOf(session) }, SOON_MS);
      measure('renewals_total', { outcome: 'renewed' });
    },

    /** A renewal was refused, with the session as it is by now: it may have ended meanwhile. */
    renewalRefused: (sessionId: string, code: DenialReason): void =>
      refusals.refused(sessionId, { type: 'session.renewed', code }),

    /** A session has ended, and its row is the fact. */
    ended(session: ObjectSession): void {
      refusals.release(({ sessionId }) => sessionId === session.id);
      onFacts(LATER_MS);
      measure('sessions_closed_total', { reason: session.endReason ?? '' });
    },

    /** A frame was refused for want of its scope. */
    denied(sessionId: string, frame: string, method?: string): void {
      const details = method === undefined ? { frame } : { frame, method: recordedText(method) };
      refusals.refused(sessionId, { type: 'rpc.denied', code: 'frame_scope_missing', frame }, details);
    },

    /** Agent code refused a frame, and says why. */
    deniedByAgent(sessionId: string, code: string, details: Readonly<Record<string, string>>): void {
      const kept = Object.fromEntries(
        Object.entries(details).map(([name, text]) => [name, recordedText(text)]),
      );
      refusals.refused(sessionId, { type: 'rpc.denied', code }, kept);
    },

    /** Writes the numbers of refusals of minutes that are over. */
    releaseRefusals: (): void => refusals.release(),

    /** A call was answered. */
    called(sessionId: string, call: Omit<InvocationFact, 'id' | 'sessionId'>): void {
      calls.push({ ...call, id: randomId(), sessionId, method: recordedText(call.method) });
      const isDue = calls.length === CALLS_HANDED;
      const isHeld =
        calls.length < CALLS_HELD && ((!isDue && calls.length > 1) || onCalls(isDue ? 0 : LATER_MS));
      if (!isHeld) releaseCalls();
    },

    /** Takes the calls out of memory. Whoever could not hand them over keeps them. */
    takeCalls: (): InvocationFact[] => calls.splice(0),
    /** Writes calls of which nobody knows that they were recorded. */
    keepCalls,
    /** Writes the calls in memory, where no later moment comes. */
    releaseCalls,

    /** A burned ticket was presented again. Answers the session that its first presentation opened or renewed. */
    replayed(again: Presentation): string | undefined {
      const { jti, exp } = again.claims;
      const sessionId = burns.sessionOf(jti);
      if (sessionId === undefined || burns.countReplay(jti, exp, sessionId) !== 1) return sessionId;
      const first = sessions.find(sessionId);
      const event: AuditEvent = {
        ...eventOf(again, 'ticket.replayed', randomId(), clock()),
        outcome: 'denied',
        code: 'ticket_used',
        sessionId,
        details: {
          delivery: again.delivery,
          ...(first?.ipAddress == null ? {} : { first_ip_address: first.ipAddress }),
          ...(first?.userAgent == null ? {} : { first_user_agent: first.userAgent }),
        },
      };
      burns.holdReplay(jti, JSON.stringify(event), clock() + HELD_MS);
      return sessionId;
    },

    /** Passes on the replays that are due; all of them where no later moment comes. */
    releaseReplays(until = clock()): void {
      for (const { replay, replays } of burns.takeReplays(until)) {
        const event: AuditEvent = JSON.parse(replay);
        add({ event: { ...event, details: { ...event.details, replays } } });
      }
    },

    /** When the next held replay is due, in ms. */
    nextReplay: burns.nextReplay,
  };
}
export type Audit = ReturnType<typeof createAudit>;

/** The members of every event about a ticket that was presented. */
const eventOf = (
  { claims, kid, requestId, ipAddress, userAgent }: Omit<Presentation, 'delivery' | 'kid'> & { kid: string },
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

/** What a revocation of the session's rights would name. The record looks for one whenever there are new rights. */
function revocableOf(session: ObjectSession): Revocable {
  const claims = claimsOf(session);
  return { names: targetNamesOf({ claims, kid: session.kid, session }), rev: claims.rev };
}

/**
 * The use of a session's ticket and its opening, as they were before any renewal. Here and at the end the ids of the events
 * follow from the row, so that a repeated hand-over changes nothing.
 */
function openingOf(session: ObjectSession): RecordFact[] {
  const { id, ticket, startedAt, endedAt, ipAddress, userAgent } = session;
  const { kid, delivery, requestId, feed }: Opening = JSON.parse(session.opening);
  const claims = { ...claimsOf(session), jti: TicketId.parse(ticket) };
  const presented = { claims, kid, ipAddress, userAgent };
  const details = feed === 'away' ? { delivery, revocations: 'unread' } : { delivery };
  const used = eventOf({ ...presented, requestId }, 'ticket.used', derivedId(ticket), startedAt);
  const opened = eventOf(presented, 'session.opened', derivedId(id), startedAt);
  return [
    { event: { ...used, sessionId: id, details } },
    {
      event: { ...opened, sessionId: id },
      // The end of one that is over has it, and what it might do no more needs no check.
      ...(endedAt === null ? { session: factOf(session), revocable: revocableOf(session) } : {}),
    },
  ];
}

/** The end of a session. Its event has the session's id, as has that of an end which reconciliation finds. */
function endOf(session: ObjectSession, endedAt: number): RecordFact {
  const { id, kid, endReason, endDetails, ipAddress, userAgent } = session;
  const closed = eventOf(
    { claims: claimsOf(session), kid, ipAddress, userAgent },
    'session.closed',
    id,
    endedAt,
  );
  const details: AuditEvent['details'] = endDetails === null ? undefined : JSON.parse(endDetails);
  return {
    event: { ...closed, code: endReason ?? undefined, sessionId: id, details },
    session: factOf(session),
  };
}

/** Another UUID for each UUID, always the same: of version 8, which no source of random ones has (RFC 9562 §5.8). */
const derivedId = (id: string): string => `${id.slice(0, 14)}8${id.slice(15)}`;

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
    audience: claims.aud,
    role: claims.role,
    scope: claims.scope.join(' '),
    rev: claims.rev,
    grantId: claims.grant ?? null,
    loginId: claims.login ?? null,
    parties: partiesBeside(claims),
  };
}

/** Narrower than the pattern of {@link redact}, as a method may be called `keyJoin`. */
const PASTED = /atk_|^eyJ|eyJ[A-Za-z0-9_-]*\./;
/** Searched no further: callers choose the length, and the cost of the pattern grows with its square. */
const SEARCHED_CHARACTERS = 1024;
const KEPT_CHARACTERS = 128;

/** A short text of a caller as records have it: people paste credentials into any field. */
export const recordedText = (text: string): string => {
  const start = text.slice(0, SEARCHED_CHARACTERS);
  return (PASTED.test(start) ? redact(start) : start).slice(0, KEPT_CHARACTERS);
};
