import { burnQueries } from '@agent-ticket/drizzle/object/burns.ts';
import { objectLockQueries } from '@agent-ticket/drizzle/object/locks.ts';
import { objectSessionQueries } from '@agent-ticket/drizzle/object/sessions.ts';
import { BURN_KEPT_SECONDS, CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import type { EndingPorts, Endings } from './endings.ts';
import { renewalFrames } from './renewal.ts';
import type { Replays } from './replays.ts';
import { say } from './socket.ts';

export interface SweepPorts extends Pick<EndingPorts, 'sql' | 'sockets' | 'clock' | 'onFacts'> {
  readonly endings: Pick<Endings, 'refuse' | 'endLost'>;
  readonly replays: Pick<Replays, 'release' | 'nextDue'>;
}

export interface Sweep {
  /** Warns, ends what is over or silent, forgets what is old. */
  sweep(): void;
  /** Sends on what was held of replays until now; all of it, where no later moment comes. */
  releaseReplays(until?: number): void;
  /** When something is next due for a session or of a replay, in ms; infinite: never. */
  nextDue(): number;
}

/** Ended rows stay this long in the object, for plain requests whose ticket's session is over. */
const ENDED_KEPT_MS = 3600_000;

/** What comes due in one object by time alone. Synchronous, as all of its keeper is. */
export function createSweep({ sql, endings, replays, sockets, clock, onFacts }: SweepPorts): Sweep {
  const sessions = objectSessionQueries(sql);

  const releaseReplays = (until = clock()): void => {
    if (replays.release(until)) onFacts();
  };

  return {
    sweep() {
      const now = clock();
      for (const session of sessions.listOpen()) {
        if (session.expiresAt <= now) endings.refuse(session.id, 'session_expired');
        else if (session.idleAt !== null && session.idleAt <= now) endings.refuse(session.id, 'session_idle');
        else if (session.warnAt !== null && session.warnAt <= now) {
          sessions.noteWarned(session.id);
          for (const ws of sockets(session.id)) say(ws, renewalFrames.expiring(session.expiresAt));
        }
      }
      endings.endLost();
      releaseReplays();
      burnQueries(sql).purge(Math.floor(now / 1000) - CLOCK_SKEW_SECONDS - BURN_KEPT_SECONDS);
      sessions.purge(now - ENDED_KEPT_MS);
      objectLockQueries(sql).purge(now);
    },

    releaseReplays,

    nextDue: () =>
      Math.min(sessions.nextDue() ?? Number.POSITIVE_INFINITY, replays.nextDue() ?? Number.POSITIVE_INFINITY),
  };
}
