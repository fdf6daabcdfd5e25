const TABLE = `CREATE TABLE IF NOT EXISTS rate_windows (
  key TEXT PRIMARY KEY,
  started_at INTEGER NOT NULL,
  count INTEGER NOT NULL
) WITHOUT ROWID`;

/** Counters of one mint shard. A window starts with the first event after the last one ended. Times in ms. */
export function objectRateStore(sql: SqlStorage) {
  sql.exec(TABLE);
  return {
    /** Counts one event of so many units, the refused ones too, and answers the window it fell into. */
    count(key: string, now: number, windowMs: number, cost = 1): { startedAt: number; count: number } {
      const row = sql
        .exec<{ started_at: number; count: number }>(
          `INSERT INTO rate_windows (key, started_at, count) VALUES (?1, ?2, ?4)
           ON CONFLICT (key) DO UPDATE SET
             count = CASE WHEN started_at <= ?2 - ?3 THEN ?4 ELSE count + ?4 END,
             started_at = CASE WHEN started_at <= ?2 - ?3 THEN ?2 ELSE started_at END
           RETURNING started_at, count`,
          key,
          now,
          windowMs,
          cost,
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
