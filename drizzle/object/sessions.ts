/** Sessions of one destination object. Times in ms. Claims are stored as the ticket's payload text. */
export interface ObjectSession {
  readonly id: string;
  /** The ticket that the rights in force come from. */
  readonly jti: string;
  readonly claims: string;
  readonly kid: string;
  readonly startedAt: number;
  readonly expiresAt: number;
  readonly endedAt: number | null;
  readonly endReason: string | null;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
}

type Row = {
  id: string;
  jti: string;
  claims: string;
  kid: string;
  started_at: number;
  expires_at: number;
  ended_at: number | null;
  end_reason: string | null;
  ip_address: string | null;
  user_agent: string | null;
};

const fromRow = (row: Row): ObjectSession => ({
  id: row.id,
  jti: row.jti,
  claims: row.claims,
  kid: row.kid,
  startedAt: row.started_at,
  expiresAt: row.expires_at,
  endedAt: row.ended_at,
  endReason: row.end_reason,
  ipAddress: row.ip_address,
  userAgent: row.user_agent,
});

export function objectSessionQueries(sql: SqlStorage) {
  return {
    open(session: Omit<ObjectSession, 'endedAt' | 'endReason'>): void {
      sql.exec(
        `INSERT INTO ticket_sessions (id, jti, claims, kid, started_at, expires_at, ip_address, user_agent)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        session.id,
        session.jti,
        session.claims,
        session.kid,
        session.startedAt,
        session.expiresAt,
        session.ipAddress,
        session.userAgent,
      );
    },

    find(id: string): ObjectSession | undefined {
      const [row] = sql.exec<Row>('SELECT * FROM ticket_sessions WHERE id = ?', id).toArray();
      return row === undefined ? undefined : fromRow(row);
    },

    /** Whether a ticket's session was opened here and is over. */
    isOver: (jti: string): boolean =>
      sql.exec('SELECT 1 FROM ticket_sessions WHERE jti = ? AND ended_at IS NOT NULL', jti).toArray().length >
      0,

    /** Ends an open session. Answers it as it ended, or `undefined` when it was not open: ends are written once. */
    end(id: string, reason: string, now: number): ObjectSession | undefined {
      const [row] = sql
        .exec<Row>(
          'UPDATE ticket_sessions SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at IS NULL RETURNING *',
          now,
          reason,
          id,
        )
        .toArray();
      return row === undefined ? undefined : fromRow(row);
    },

    listOpen: (): ObjectSession[] =>
      sql
        .exec<Row>('SELECT * FROM ticket_sessions WHERE ended_at IS NULL ORDER BY expires_at')
        .toArray()
        .map(fromRow),

    /** When the next open session expires. */
    nextExpiry(): number | undefined {
      const [row] = sql
        .exec<{ at: number | null }>(
          'SELECT min(expires_at) AS at FROM ticket_sessions WHERE ended_at IS NULL',
        )
        .toArray();
      return row?.at ?? undefined;
    },

    /** Forgets sessions that ended before `endedBefore`; the record database keeps them. */
    purge(endedBefore: number): void {
      sql.exec('DELETE FROM ticket_sessions WHERE ended_at < ?', endedBefore);
    },
  };
}
