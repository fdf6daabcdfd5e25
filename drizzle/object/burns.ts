/** Tickets that this object has seen. All calls are synchronous, so check and burn cannot interleave. */
export function burnStore(sql: SqlStorage) {
  return {
    /** Burns a ticket for the session that it opens or renews; `exp` in seconds. Whether this call was the first to. */
    burn: (jti: string, exp: number, sessionId: string): boolean =>
      sql
        .exec(
          'INSERT INTO ticket_burns (jti, exp, session_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING jti',
          jti,
          exp,
          sessionId,
        )
        .toArray().length === 1,

    isBurned: (jti: string): boolean =>
      sql.exec('SELECT 1 FROM ticket_burns WHERE jti = ?', jti).toArray().length > 0,

    /** The session that a ticket was burned for. */
    sessionOf(jti: string): string | undefined {
      const [row] = sql
        .exec<{ session_id: string }>('SELECT session_id FROM ticket_burns WHERE jti = ?', jti)
        .toArray();
      return row?.session_id;
    },

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

    /** Keeps the event of a replay until `due`, in ms, while more showings may come. */
    holdReplay(jti: string, replay: string, due: number): void {
      sql.exec('UPDATE ticket_burns SET replay = ?, replay_due = ? WHERE jti = ?', replay, due, jti);
    },

    /** Hands out, once, what was held until now or longer ago, with how many showings there were by now. */
    takeReplays(now: number): { replay: string; replays: number }[] {
      const due = sql
        .exec<{ replay: string; replays: number }>(
          'SELECT replay, replays FROM ticket_burns WHERE replay_due <= ? ORDER BY replay_due',
          now,
        )
        .toArray();
      sql.exec('UPDATE ticket_burns SET replay = NULL, replay_due = NULL WHERE replay_due <= ?', now);
      return due;
    },

    /** When the next held replay is due, in ms. */
    nextReplay(): number | undefined {
      const [row] = sql
        .exec<{ at: number | null }>(
          'SELECT min(replay_due) AS at FROM ticket_burns WHERE replay_due IS NOT NULL',
        )
        .toArray();
      return row?.at ?? undefined;
    },

    /** Forgets tickets that expired before `exp`, in seconds. No verifier takes them any more. */
    purge(exp: number): void {
      sql.exec('DELETE FROM ticket_burns WHERE exp < ?', exp);
    },
  };
}
