/** Sessions of one destination object. Times in ms. */
export interface ObjectSession {
  readonly id: string;
  /** The ticket that opened it, which this row burns, and when that expires, in seconds. */
  readonly ticket: string;
  readonly exp: number;
  /** How it was opened, as JSON: what its events say and the row does not. */
  readonly opening: string;
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
  /** More about the end, as JSON. */
  readonly endDetails: string | null;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  /** Of what the record database is to know: 1 when it opened, greater when it ended. */
  readonly version: number;
  /** The version that the record database has; 0: none. */
  readonly recorded: number;
}

/** The rights and times that a renewal replaces. */
export type Renewed = Pick<ObjectSession, 'jti' | 'claims' | 'kid' | 'expiresAt' | 'warnAt'>;

type Row = {
  id: string;
  ticket: string;
  exp: number;
  opening: string;
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
  end_details: string | null;
  ip_address: string | null;
  user_agent: string | null;
  version: number;
  recorded: number;
};

const fromRow = (row: Row): ObjectSession => ({
  id: row.id,
  ticket: row.ticket,
  exp: row.exp,
  opening: row.opening,
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
  endDetails: row.end_details,
  ipAddress: row.ip_address,
  userAgent: row.user_agent,
  version: row.version,
  recorded: row.recorded,
});

/** A session as it is opened. */
export type OpenedSession = Omit<
  ObjectSession,
  'endedAt' | 'endReason' | 'endDetails' | 'version' | 'recorded'
>;

export function objectSessionStore(sql: SqlStorage) {
  const one = (rows: SqlStorageCursor<Row>): ObjectSession | undefined => {
    const [row] = rows.toArray();
    return row === undefined ? undefined : fromRow(row);
  };
  return {
    /** Burns the ticket and opens the session, both by one row. Throws where the ticket has a session already. */
    open(s: OpenedSession): ObjectSession {
      sql.exec(
        `INSERT INTO ticket_sessions (id, ticket, exp, opening, principal, jti, claims, kid, limits, started_at,
           expires_at, warn_at, idle_at, ip_address, user_agent)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        s.id,
        s.ticket,
        s.exp,
        s.opening,
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
      return { ...s, endedAt: null, endReason: null, endDetails: null, version: 1, recorded: 0 };
    },

    find: (id: string): ObjectSession | undefined =>
      one(sql.exec<Row>('SELECT * FROM ticket_sessions WHERE id = ?', id)),

    /**
     * The end of the session that a ticket opened or renewed here; `undefined` where there is none or it goes on. Without
     * a reason where the session has no row any more.
     */
    findEnd(jti: string): { readonly reason: string | null } | undefined {
      const [end] = sql
        .exec<{ reason: string | null }>(
          `SELECT end_reason AS reason FROM ticket_sessions WHERE ticket = ?1 AND ended_at IS NOT NULL
           UNION ALL SELECT s.end_reason FROM ticket_burns AS b LEFT JOIN ticket_sessions AS s ON s.id = b.session_id
             WHERE b.jti = ?1 AND (s.id IS NULL OR s.ended_at IS NOT NULL)`,
          jti,
        )
        .toArray();
      return end;
    },

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
    end: (
      id: string,
      reason: string,
      now: number,
      details: string | null = null,
    ): ObjectSession | undefined =>
      one(
        sql.exec<Row>(
          `UPDATE ticket_sessions SET ended_at = ?, end_reason = ?, end_details = ?, version = version + 1
           WHERE id = ? AND ended_at IS NULL RETURNING *`,
          now,
          reason,
          details,
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
      sql.exec<Row>('SELECT * FROM ticket_sessions WHERE ended_at IS NULL').toArray().map(fromRow),

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

    /** Sessions of which the record database does not know all, the oldest first. */
    pending: (limit: number): ObjectSession[] =>
      sql
        .exec<Row>(
          'SELECT * FROM ticket_sessions WHERE recorded < version ORDER BY started_at LIMIT ?',
          limit,
        )
        .toArray()
        .map(fromRow),

    /** How many there are of those, and since when, in ms. */
    countPending(): { readonly count: number; readonly since: number | null } {
      return sql
        .exec<{ count: number; since: number | null }>(
          `SELECT count(*) AS count, min(iif(recorded = 0, started_at, ended_at)) AS since
           FROM ticket_sessions WHERE recorded < version`,
        )
        .one();
    },

    isPending: (): boolean =>
      sql.exec('SELECT 1 FROM ticket_sessions WHERE recorded < version LIMIT 1').toArray().length > 0,

    /** Notes what the record database has: of each session the version that was handed over, not one written since. */
    acknowledge(handed: readonly Pick<ObjectSession, 'id' | 'version'>[]): void {
      if (handed.length === 0) return;
      sql.exec(
        `UPDATE ticket_sessions SET recorded = max(recorded, handed.value)
         FROM json_each(?) AS handed WHERE ticket_sessions.id = handed.key`,
        JSON.stringify(Object.fromEntries(handed.map(({ id, version }) => [id, version]))),
      );
    },

    /** The rows that must outlive everything else: the record database lacks them, or their ticket has not expired. */
    kept: (exp: number): Row[] =>
      sql.exec<Row>('SELECT * FROM ticket_sessions WHERE recorded < version OR exp >= ?', exp).toArray(),

    restore(row: Row): void {
      const names = Object.keys(row);
      sql.exec(
        `INSERT INTO ticket_sessions (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
        ...Object.values(row),
      );
    },

    /** Forgets sessions that are over, that the record database has, and whose ticket expired before `exp`, in seconds. */
    purge(exp: number): void {
      sql.exec(
        'DELETE FROM ticket_sessions WHERE ended_at IS NOT NULL AND recorded >= version AND exp < ?',
        exp,
      );
    },
  };
}
