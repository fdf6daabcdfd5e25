import { burnStore } from '@agent-ticket/drizzle/object/burns.ts';
import { objectRevocationStore } from '@agent-ticket/drizzle/object/revocations.ts';
import type { ObjectSession, SessionRows } from '@agent-ticket/drizzle/object/sessions.ts';
import { BURN_KEPT_SECONDS, CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { REVOCATION_KEPT_MS } from '@agent-ticket/shared/revocation.ts';
import type { Audit } from './audit.ts';
import { renewalFrames } from './renewal.ts';
import { logFailure, sendFrame } from './sdk.ts';
import type { Sessions } from './sessions.ts';
import type { Repeat } from './streams.ts';

/** The method that the SDK's scheduler calls. */
export const SWEEP = 'ticketSweep';

interface SweepPorts {
  readonly sql: SqlStorage;
  readonly rows: SessionRows;
  readonly sessions: Pick<Sessions, 'terminate' | 'endLost'>;
  readonly audit: Pick<Audit, 'releaseReplays' | 'releaseRefusals' | 'nextReplay'>;
  readonly sockets: (sessionId: string) => readonly WebSocket[];
  readonly clock: () => number;
  /** When facts that wait are to be offered to the record database, in ms. */
  readonly nextHandover: () => number | undefined;
  /** The SDK's scheduler. Never `setAlarm`, which is the SDK's own. */
  readonly schedules: () => readonly { readonly callback: string; readonly time: number }[];
  readonly schedule: (at: Date) => Promise<unknown>;
  readonly isBeingDestroyed: () => boolean;
  readonly repeat: Repeat;
}

/** The `exp`, in seconds, of the oldest tickets whose burn is kept. `now` in ms. */
export const unexpiredFrom = (now: number): number =>
  Math.floor(now / 1000) - CLOCK_SKEW_SECONDS - BURN_KEPT_SECONDS;

/** What waits for the record database is handed over within this time, whatever becomes of this life of the object. */
export const HANDOVER_DUE_MS = 5_000;

/** The SDK's schedule counts whole seconds; below one it would fire before its time. */
const SCHEDULE_STEP_MS = 1_000;

/** How often the sweep looks for what is due while the SDK's alarm runs. */
const BESIDE_ALARM_MS = 1_000;

/** What comes due in one object by time alone. */
export function createSweep(ports: SweepPorts) {
  const { sql, rows, sessions, audit, sockets, clock, nextHandover, schedules, schedule, repeat } = ports;
  const { isBeingDestroyed } = ports;
  /** The run that this life of the object has scheduled, so that a busy one does not read its schedules each time. */
  let planned: { readonly at: number; readonly isDone: Promise<boolean> } | undefined;

  /**
   * Has the next run come at a moment in ms or sooner, by an alarm that outlives this life of the object. Whether it will
   * come: an agent's own scheduler may throw, and an object that is being destroyed has none.
   */
  function wakeBy(due: number): Promise<boolean> {
    if (isBeingDestroyed()) return Promise.resolve(false);
    const now = clock();
    // Whole seconds, rounded down by the SDK.
    const at = Math.floor((Math.max(due, now) + SCHEDULE_STEP_MS) / 1000) * 1000;
    if (planned !== undefined && planned.at > now && planned.at <= at) return planned.isDone;
    const plan = { at, isDone: scheduleBy(at, now) };
    planned = plan;
    return plan.isDone.then((isDone) => {
      if (!isDone && planned === plan) planned = undefined;
      return isDone;
    });
  }

  async function scheduleBy(at: number, now: number): Promise<boolean> {
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
  }

  return {
    /** Warns of ends, ends expired and idle sessions, purges old rows. Synchronous. */
    run(): void {
      planned = undefined;
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
      const exp = unexpiredFrom(now);
      burnStore(sql).purge(exp);
      rows.purge(exp);
      objectRevocationStore(sql).purge(now - REVOCATION_KEPT_MS);
    },

    /** Schedules the next run for when something is due. Whether it will come, see {@link wakeBy}. */
    arm(): Promise<boolean> {
      const dues = [rows.nextDue(), audit.nextReplay(), nextHandover()];
      const due = Math.min(...dues.map((each) => each ?? Number.POSITIVE_INFINITY));
      return due === Number.POSITIVE_INFINITY ? Promise.resolve(true) : wakeBy(due);
    },

    wakeBy,

    /**
     * Runs the SDK's alarm. A long task of the agent in it holds up every other one, the sweep too: meanwhile a timer
     * runs what comes due for sessions. It costs nothing more, since the task keeps the object awake.
     */
    async besides(alarm: () => void | Promise<void>, sweep: () => Promise<void>): Promise<void> {
      const stop = repeat(BESIDE_ALARM_MS, () => {
        if ((rows.nextDue() ?? Number.POSITIVE_INFINITY) <= clock()) sweep().catch(logFailure);
      });
      try {
        await alarm();
      } finally {
        stop();
      }
    },

    /** Schedules the next run for the first time of a session that was just opened, and for its hand-over. */
    armFor: ({ expiresAt, warnAt, idleAt }: ObjectSession): Promise<boolean> =>
      wakeBy(Math.min(clock() + HANDOVER_DUE_MS, expiresAt, warnAt ?? expiresAt, idleAt ?? expiresAt)),
  };
}
