import { burnStore } from '@agent-ticket/drizzle/object/burns.ts';
import { objectRevocationStore } from '@agent-ticket/drizzle/object/revocations.ts';
import { objectSessionStore } from '@agent-ticket/drizzle/object/sessions.ts';
import { BURN_KEPT_SECONDS, CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { REVOCATION_KEPT_MS } from '@agent-ticket/shared/revocation.ts';
import type { Audit } from './audit.ts';
import { renewalFrames } from './renewal.ts';
import { logFailure, sendFrame } from './sdk.ts';
import type { Sessions } from './sessions.ts';

/** The method that the SDK's scheduler calls. */
export const SWEEP = 'ticketSweep';

interface SweepPorts {
  readonly sql: SqlStorage;
  readonly sessions: Pick<Sessions, 'terminate' | 'endLost'>;
  readonly audit: Pick<Audit, 'releaseReplays' | 'releaseRefusals' | 'nextReplay'>;
  readonly sockets: (sessionId: string) => readonly WebSocket[];
  readonly clock: () => number;
  /** The SDK's scheduler. Never `setAlarm`, which is the SDK's own. */
  readonly schedules: () => readonly { readonly callback: string; readonly time: number }[];
  readonly schedule: (at: Date) => Promise<unknown>;
}

/** Ended rows stay this long in the object, for plain requests whose ticket's session is over. */
const ENDED_KEPT_MS = 3600_000;
/** The SDK's schedule counts whole seconds; below one it would fire before its time. */
const SCHEDULE_STEP_MS = 1_000;

/** What comes due in one object by time alone. */
export function createSweep({ sql, sessions, audit, sockets, clock, schedules, schedule }: SweepPorts) {
  const rows = objectSessionStore(sql);
  return {
    /** Warns of ends, ends expired and idle sessions, purges old rows. Synchronous. */
    run(): void {
      const now = clock();
      for (const session of rows.listOpen()) {
        if (session.expiresAt <= now) sessions.terminate(session.id, 'session_expired');
        else if (session.idleAt !== null && session.idleAt <= now)
          sessions.terminate(session.id, 'session_idle');
        else if (session.warnAt !== null && session.warnAt <= now) {
          rows.noteWarned(session.id);
          for (const ws of sockets(session.id)) sendFrame(ws, renewalFrames.expiring(session.expiresAt));
        }
      }
      sessions.endLost();
      audit.releaseReplays();
      audit.releaseRefusals();
      burnStore(sql).purge(Math.floor(now / 1000) - CLOCK_SKEW_SECONDS - BURN_KEPT_SECONDS);
      rows.purge(now - ENDED_KEPT_MS);
      objectRevocationStore(sql).purge(now - REVOCATION_KEPT_MS);
    },

    /**
     * Schedules the next run for when something is due, or after `withinMs` at the latest. Whether it will come: an
     * agent's own scheduler may throw, and an object that is being destroyed has none.
     */
    async arm(withinMs = Number.POSITIVE_INFINITY): Promise<boolean> {
      const now = clock();
      const never = Number.POSITIVE_INFINITY;
      const due = Math.min(rows.nextDue() ?? never, audit.nextReplay() ?? never, now + withinMs);
      if (due === never) return true;
      const at = Math.max(due, now) + SCHEDULE_STEP_MS;
      try {
        const isPlanned = schedules().some(
          ({ callback, time }) => callback === SWEEP && time * 1000 <= at && time * 1000 > now,
        );
        if (!isPlanned) await schedule(new Date(at));
        return true;
      } catch (error) {
        logFailure(error);
        return false;
      }
    },
  };
}
