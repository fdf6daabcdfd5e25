import type { ObjectSession, SessionRows } from '@agent-ticket/drizzle/object/sessions.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Measure } from '@agent-ticket/shared/metrics.ts';
import { claimsOf } from './claims.ts';

/** Refusals alike of one session in one minute: the first is an event of its own, the others are one with their number. */
interface RefusalCount {
  readonly sessionId: string;
  readonly type: 'rpc.denied' | 'session.renewed';
  readonly code: string;
  /** Kind of the frame; left out where agent code refused. */
  readonly frame?: string;
  readonly minute: number;
  more: number;
}

interface RefusalPorts {
  readonly rows: Pick<SessionRows, 'find'>;
  readonly clock: () => number;
  /** Does something once, in so many ms. */
  readonly later: (ms: number, work: () => void) => void;
  readonly measure: Measure;
}

/** Writes the event of a refusal, at this moment. */
type Write = (
  type: RefusalCount['type'],
  session: ObjectSession,
  event: Pick<AuditEvent, 'code' | 'details'>,
) => void;

const MINUTE_MS = 60_000;
const minuteOf = (ms: number): number => Math.floor(ms / MINUTE_MS);

/** Merges the refusals of one object into few events and points, however many frames a client sends. */
export function createRefusalCounts({ rows: sessions, clock, later, measure }: RefusalPorts, write: Write) {
  /**
   * Kept in memory: an object that is killed loses a number, never the first event. The timer keeps it from hibernation
   * until the minute is over.
   */
  const counts = new Map<string, RefusalCount>();

  function add(
    { type, code }: Pick<RefusalCount, 'type' | 'code'>,
    session: ObjectSession,
    details: AuditEvent['details'],
    count = 1,
  ): void {
    write(type, session, { code, details });
    if (type === 'rpc.denied') measure('frames_denied_total', { agent: claimsOf(session).agent }, count);
    else measure('renewals_total', { outcome: 'refused' }, count);
  }

  /** Writes the numbers of the minutes that are over, or those that `isDue` names. */
  function release(isDue = ({ minute }: RefusalCount): boolean => minute < minuteOf(clock())): void {
    for (const [key, counted] of counts) {
      if (!isDue(counted)) continue;
      counts.delete(key);
      const { sessionId, frame, more } = counted;
      const session = sessions.find(sessionId);
      if (more === 0 || session === undefined) continue;
      add(counted, session, { ...(frame === undefined ? {} : { frame }), count: more }, more);
    }
  }

  return {
    release,

    /** Something of a session was refused. */
    refused(
      sessionId: string,
      refusal: Pick<RefusalCount, 'type' | 'code' | 'frame'>,
      details?: AuditEvent['details'],
    ): void {
      release();
      const { type, code, frame } = refusal;
      const key = JSON.stringify([sessionId, type, code, frame]);
      const known = counts.get(key);
      if (known === undefined) {
        const session = sessions.find(sessionId);
        if (session === undefined) return;
        counts.set(key, { ...refusal, sessionId, minute: minuteOf(clock()), more: 0 });
        add(refusal, session, details);
        return;
      }
      known.more += 1;
      if (known.more === 1) later(MINUTE_MS - (clock() % MINUTE_MS), () => release());
    },
  };
}
