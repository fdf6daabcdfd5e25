/** Tickets that this object has seen. All calls are synchronous, so check and burn cannot interleave. */
export function burnQueries(sql: SqlStorage) {
  return {
    /** Burns a ticket; `exp` in seconds. Whether this call was the first to. */
    burn: (jti: string, exp: number): boolean =>
      sql
        .exec(
          'INSERT INTO ticket_burns (jti, exp) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING jti',
          jti,
          exp,
        )
        .toArray().length === 1,

    isBurned: (jti: string): boolean =>
      sql.exec('SELECT 1 FROM ticket_burns WHERE jti = ?', jti).toArray().length > 0,

    /** Counts one more showing of a burned ticket; how many there were since the first. */
    countReplay(jti: string): number {
      const rows = sql
        .exec<{ replays: number }>(
          'UPDATE ticket_burns SET replays = replays + 1 WHERE jti = ? RETURNING replays',
          jti,
        )
        .toArray();
      return rows[0]?.replays ?? 0;
    },

    /** Forgets tickets that expired before `exp`, in seconds. No verifier takes them any more. */
    purge(exp: number): void {
      sql.exec('DELETE FROM ticket_burns WHERE exp < ?', exp);
    },
  };
}
