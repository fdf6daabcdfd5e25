/** Sessions of one destination object. Times in ms. */
export interface ObjectSession {
  readonly id: string;
  /** Who holds it; part of the claims, and here for counting. */
  readonly principal: string;
  /** The ticket that the rights in force come from. */
  readonly jti: string;
  /** That ticket's payload, as text. */
  readonly claims: string;
  readonly kid: string;
  /** What the object enforces on its socket, as JSON. */
  readonly limits: string;
  readonly startedAt: number;
  /** When the rights end without a renewal. */
  readonly expiresAt: number;
  /** When its client gets a warning of the end; null: it had one, or gets none. */
  readonly warnAt: number | null;
  /** When it is closed for silence; null: never. */
  readonly idleAt: number | null;
  readonly endedAt: number | null;
  readonly endReason: string | null;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
}

/** The rights and times that a renewal replaces. */
export type Renewed = Pick<ObjectSession, 'jti' | 'claims' | 'kid' | 'expiresAt' | 'warnAt'>;

type Row = {
  id: string;
  principal: string;
  jti: string;
  claims: string;
  kid: string;
  limits: string;
  started_at: number;
  expires_at: number;
  warn_at: number | null;
  idle_at: number | null;
  ended_at: number | null;
  end_reason: string | null;
  ip_address: string | null;
  user_agent: string | null;
};

const fromRow = (row: Row): ObjectSession => ({
  id: row.id,
  principal: row.principal,
  jti: row.jti,
  claims: row.claims,
  kid: row.kid,
  limits: row.limits,
  startedAt: row.started_at,
  expiresAt: row.expires_at,
  warnAt: row.warn_at,
  idleAt: row.idle_at,
  endedAt: row.ended_at,
  endReason: row.end_reason,
  ipAddress: row.ip_address,
  userAgent: row.user_agent,
});

export function objectSessionStore(sql: SqlStorage) {
  const one = (rows: SqlStorageCursor<Row>): ObjectSession | undefined => {
    const [row] = rows.toArray();
    return row === undefined ? undefined : fromRow(row);
  };
  return {
    open(s: Omit<ObjectSession, 'endedAt' | 'endReason'>): void {
      sql.exec(
        `INSERT INTO ticket_sessions (id, principal, jti, claims, kid, limits, started_at, expires_at, warn_at, idle_at,
           ip_address, user_agent)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        s.id,
        s.principal,
        s.jti,
        s.claims,
        s.kid,
        s.limits,
        s.startedAt,
        s.expiresAt,
        s.warnAt,
        s.idleAt,
        s.ipAddress,
        s.userAgent,
      );
    },

    find: (id: string): ObjectSession | undefined =>
      one(sql.exec<Row>('SELECT * FROM ticket_sessions WHERE id = ?', id)),

    /** Whether a ticket's session was opened here and is over. */
    isOver: (jti: string): boolean =>
      sql.exec('SELECT 1 FROM ticket_sessions WHERE jti = ? AND ended_at IS NOT NULL', jti).toArray().length >
      0,

    /** Open sessions of one principal. */
    countOpen: (principal: string): number =>
      sql
        .exec<{ n: number }>(
          'SELECT count(*) AS n FROM ticket_sessions WHERE principal = ? AND ended_at IS NULL',
          principal,
        )
        .one().n,

    /** Addresses of open sessions of principals with a prefix, one for each session. `end` is behind all of them. */
    openAddresses: (prefix: string, end: string): (string | null)[] =>
      sql
        .exec<{ ip_address: string | null }>(
          `SELECT ip_address FROM ticket_sessions
           WHERE principal >= ? AND principal < ? AND ended_at IS NULL`,
          prefix,
          end,
        )
        .toArray()
        .map((row) => row.ip_address),

    /** Gives an open session the rights of a newer ticket. `undefined` when it has ended meanwhile. */
    renew: (id: string, to: Renewed): ObjectSession | undefined =>
      one(
        sql.exec<Row>(
          `UPDATE ticket_sessions SET jti = ?, claims = ?, kid = ?, expires_at = ?, warn_at = ?
           WHERE id = ? AND ended_at IS NULL RETURNING *`,
          to.jti,
          to.claims,
          to.kid,
          to.expiresAt,
          to.warnAt,
          id,
        ),
      ),

    /** Ends an open session. Answers it as it ended, or `undefined` when it was not open: ends are written once. */
    end: (id: string, reason: string, now: number): ObjectSession | undefined =>
      one(
        sql.exec<Row>(
          'UPDATE ticket_sessions SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at IS NULL RETURNING *',
          now,
          reason,
          id,
        ),
      ),

    noteWarned(id: string): void {
      sql.exec('UPDATE ticket_sessions SET warn_at = NULL WHERE id = ?', id);
    },

    postponeIdle(id: string, idleAt: number): void {
      sql.exec('UPDATE ticket_sessions SET idle_at = ? WHERE id = ?', idleAt, id);
    },

    listOpen: (): ObjectSession[] =>
      sql
        .exec<Row>('SELECT * FROM ticket_sessions WHERE ended_at IS NULL ORDER BY expires_at')
        .toArray()
        .map(fromRow),

    /** When something is next due for an open session: a warning, silence or the end. */
    nextDue(): number | undefined {
      const [row] = sql
        .exec<{ at: number | null }>(
          `SELECT min(min(expires_at, ifnull(warn_at, expires_at), ifnull(idle_at, expires_at))) AS at
           FROM ticket_sessions WHERE ended_at IS NULL`,
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
