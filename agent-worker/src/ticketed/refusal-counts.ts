import type { ObjectSession, SessionRows } from '@agent-ticket/drizzle/object/sessions.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Measure } from '@agent-ticket/shared/metrics.ts';
import { claimsOf } from './claims.ts';

/**
 * Equal refusals of one session in one minute. The first has its own event. One more event has the number of the
 * others.
 */
interface RefusalCount {
  readonly sessionId: string;
  readonly type: 'rpc.denied' | 'session.renewed';
  readonly code: string;
  /** Kind of the frame. Left out: agent code refused. */
  readonly frame?: string;
  readonly minute: number;
  more: number;
}

interface RefusalPorts {
  readonly rows: Pick<SessionRows, 'find'>;
  readonly clock: () => number;
  /** Runs work once, after so many ms. */
  readonly later: (ms: number, work: () => void) => void;
  readonly measure: Measure;
}

/** Writes the event of a refusal, with the present time. */
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
   * In memory only: an object that is killed loses a count, but never the first event. The timer prevents hibernation until
   * the minute is over.
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

  /** Writes the counts of past minutes, or the counts that `isDue` selects. */
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

    /** Counts a refusal of a frame or a renewal of a session. */
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
