import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';

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
  return {
    /** Counts one event of so many units, the refused ones too, and answers the window it fell into. */
    count(key: string, now: number, windowMs: number, cost = 1): { startedAt: number; count: number } {
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
    },

    isEmpty: (): boolean => sql.exec('SELECT 1 FROM rate_windows LIMIT 1').toArray().length === 0,

    /** Forgets windows that are over. */
    purge(startedBefore: number): void {
      sql.exec('DELETE FROM rate_windows WHERE started_at < ?', startedBefore);
    },
  };
}
export type ObjectRates = ReturnType<typeof objectRateStore>;
