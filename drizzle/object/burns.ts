type Row = {
  jti: string;
  exp: number;
  session_id: string;
  replays: number;
  replay: string | null;
  replay_due: number | null;
};

/**
 * Tickets that this object has seen: the row of a session is the burn of the ticket that opened it, and one that renewed
 * a session has a row of its own here. All calls are synchronous, so check and burn cannot interleave.
 */
export function burnStore(sql: SqlStorage) {
  /** The session that a ticket has opened or renewed, whether or not that still has a row. */
  function sessionOf(jti: string): string | undefined {
    const [row] = sql
      .exec<{ id: string }>(
        `SELECT id FROM ticket_sessions WHERE ticket = ?1
         UNION ALL SELECT session_id FROM ticket_burns WHERE jti = ?1 LIMIT 1`,
        jti,
      )
      .toArray();
    return row?.id;
  }
  const write = (row: Row): void => {
    sql.exec(
      `INSERT INTO ticket_burns (jti, exp, session_id, replays, replay, replay_due) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO NOTHING`,
      row.jti,
      row.exp,
      row.session_id,
      row.replays,
      row.replay,
      row.replay_due,
    );
  };
  return {
    sessionOf,

    /** Burns a ticket for the session that it renews; `exp` in seconds. Whether it was never used before. */
    burn(jti: string, exp: number, sessionId: string): boolean {
      if (sessionOf(jti) !== undefined) return false;
      write({ jti, exp, session_id: sessionId, replays: 0, replay: null, replay_due: null });
      return true;
    },

    /** Counts one more showing of the ticket that opened or renewed a session; how many there were since the first. */
    countReplay: (jti: string, exp: number, sessionId: string): number =>
      sql
        .exec<{ replays: number }>(
          `INSERT INTO ticket_burns (jti, exp, session_id, replays) VALUES (?, ?, ?, 1)
           ON CONFLICT (jti) DO UPDATE SET replays = replays + 1 RETURNING replays`,
          jti,
          exp,
          sessionId,
        )
        .one().replays,

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

    /** The rows of tickets that expired at `exp` or later, in seconds. */
    unexpired: (exp: number): Row[] =>
      sql.exec<Row>('SELECT * FROM ticket_burns WHERE exp >= ?', exp).toArray(),
    restore: write,

    /** Forgets tickets that expired before `exp`, in seconds. No verifier takes them any more. */
    purge(exp: number): void {
      sql.exec('DELETE FROM ticket_burns WHERE exp < ?', exp);
    },
  };
}
