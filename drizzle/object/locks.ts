/** Locks pushed into this object, so that it refuses without asking a database. `until` in ms; null: for ever. */
export function objectLockQueries(sql: SqlStorage) {
  return {
    /** Sets a lock, in place of an earlier one on the same target. */
    set(target: string, until: number | null): void {
      sql.exec(
        'INSERT INTO ticket_locks (target, until) VALUES (?1, ?2) ON CONFLICT (target) DO UPDATE SET until = ?2',
        target,
        until,
      );
    },

    remove(target: string): void {
      sql.exec('DELETE FROM ticket_locks WHERE target = ?', target);
    },

    /** Whether any of these targets is locked. `now` in ms. */
    stands: (targets: readonly string[], now: number): boolean =>
      sql
        .exec(
          `SELECT 1 FROM ticket_locks WHERE target IN (${targets.map(() => '?').join(', ')}) AND (until IS NULL OR until > ?)`,
          ...targets,
          now,
        )
        .toArray().length > 0,

    purge(now: number): void {
      sql.exec('DELETE FROM ticket_locks WHERE until <= ?', now);
    },
  };
}
