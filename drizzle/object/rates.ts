import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { type InstanceMark, keysOf, MARKS, type MarkResult } from '../instance-marks.ts';

const TABLE = `CREATE TABLE IF NOT EXISTS rate_windows (
  key TEXT PRIMARY KEY,
  started_at INTEGER NOT NULL,
  count INTEGER NOT NULL
) WITHOUT ROWID`;

/**
 * Counters of one mint shard. A window starts with the first event after the last one ended. A window that begins in the
 * future, beyond the clocks' difference, is over too: the clock was put back, and would lock callers out for as long. Times in ms.
 */
export function objectRateStore(sql: SqlStorage) {
  sql.exec(TABLE);
  /** Counts one event of so many units, the refused ones too, and answers the window it fell into. */
  function count(key: string, now: number, windowMs: number, cost = 1): { startedAt: number; count: number } {
    const row = sql
      .exec<{ started_at: number; count: number }>(
        `INSERT INTO rate_windows (key, started_at, count) VALUES (?1, ?2, ?4)
         ON CONFLICT (key) DO UPDATE SET
           count = CASE WHEN started_at BETWEEN ?2 - ?3 + 1 AND ?2 + ?5 THEN count + ?4 ELSE ?4 END,
           started_at = CASE WHEN started_at BETWEEN ?2 - ?3 + 1 AND ?2 + ?5 THEN started_at ELSE ?2 END
         RETURNING started_at, count`,
        key,
        now,
        windowMs,
        cost,
        CLOCK_SKEW_SECONDS * 1000,
      )
      .one();
    return { startedAt: row.started_at, count: row.count };
  }

  return {
    count,

    /** Marks a name unless that would be one too many. */
    markInstance(mark: InstanceMark, now: number): MarkResult {
      const { mark: key, from, to, refusals } = keysOf(mark);
      const live = [now - mark.windowMs + 1, now + CLOCK_SKEW_SECONDS * 1000] as const;
      const marked = sql.exec(
        'SELECT 1 FROM rate_windows WHERE key = ?1 AND started_at BETWEEN ?2 AND ?3',
        key,
        ...live,
      );
      if (marked.toArray().length > 0) return { isWithin: true };
      const { names, first } = sql
        .exec<{ names: number; first: number | null }>(
          `SELECT count(*) AS names, min(started_at) AS first FROM rate_windows
           WHERE key >= ?1 AND key < ?2 AND started_at BETWEEN ?3 AND ?4`,
          from,
          to,
          ...live,
        )
        .one();
      if (names >= mark.limit) {
        const refused = count(refusals, now, mark.windowMs).count;
        return { isWithin: false, freeAt: (first ?? now) + mark.windowMs, refusals: refused };
      }
      sql.exec('INSERT OR REPLACE INTO rate_windows (key, started_at, count) VALUES (?, ?, 1)', key, now);
      return { isWithin: true };
    },

    /** Whether windows are there, and whether marks are. */
    left(): { windows: boolean; marks: boolean } {
      const { windows, marks } = sql
        .exec<{ windows: number; marks: number }>(
          `SELECT EXISTS (SELECT 1 FROM rate_windows WHERE key < ?1 OR key >= ?2) AS windows,
             EXISTS (SELECT 1 FROM rate_windows WHERE key >= ?1 AND key < ?2) AS marks`,
          MARKS.from,
          MARKS.to,
        )
        .one();
      return { windows: windows === 1, marks: marks === 1 };
    },

    /** Forgets windows and marks that are over. */
    purge(startedBefore: number, markedBefore: number): void {
      sql.exec(
        'DELETE FROM rate_windows WHERE started_at < CASE WHEN key >= ?1 AND key < ?2 THEN ?3 ELSE ?4 END',
        MARKS.from,
        MARKS.to,
        markedBefore,
        startedBefore,
      );
    },
  };
}
export type ObjectRates = ReturnType<typeof objectRateStore>;
