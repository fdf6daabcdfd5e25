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

export type SessionRows = ReturnType<typeof objectSessionStore>;

/** The columns whose changes may wait in memory, and the id of the row. */
const WRITTEN_LATER = ['id', 'endedAt', 'endReason', 'endDetails', 'version', 'recorded'];

/** The most sessions in memory, some megabytes. Beyond it they are written, and read again. */
const HELD_SESSIONS = 1_000;

/**
 * The sessions of one object; hold one store for each. Every commit of an object waits for the disk. So two facts are
 * kept in memory until the next write: that a client has left, and that the record database has a session. An object
 * that is killed before the write loses no session: the next sweep ends a session whose socket is gone, and hands it
 * over again.
 *
 * @param writeLater plans a write of the sessions in memory, and answers a function that cancels it. Default: at once.
 */
export function objectSessionStore(
  sql: SqlStorage,
  writeLater: (write: () => void) => () => void = (write) => {
    write();
    return () => {};
  },
) {
  /**
   * The present sessions: those that the record database does not know all of, and those that changed since the last
   * write.
   */
  const held = new Map<string, ObjectSession>();
  const unwritten = new Set<string>();
  let cancelWrite = () => {};
  /** Whether every session that the record database does not know all of is held. */
  let isComplete = false;

  const isPending = ({ recorded, version }: ObjectSession): boolean => recorded < version;

  /** Keeps the present session in memory until the next write. */
  function change(session: ObjectSession): ObjectSession {
    const isFirst = unwritten.size === 0;
    held.set(session.id, session);
    unwritten.add(session.id);
    if (isFirst) cancelWrite = writeLater(write);
    return session;
  }

  /** Writes the changed sessions in memory. */
  function write(): void {
    if (unwritten.size > 0) {
      // Otherwise each of many writes would be followed by one more.
      cancelWrite();
      const waiting = [...unwritten].flatMap((id) => held.get(id) ?? []);
      sql.exec(
        `UPDATE ticket_sessions SET
           ended_at = ifnull(ended_at, now.value ->> '$.endedAt'),
           end_reason = ifnull(end_reason, now.value ->> '$.endReason'),
           end_details = ifnull(end_details, now.value ->> '$.endDetails'),
           version = max(version, now.value ->> '$.version'),
           recorded = max(recorded, now.value ->> '$.recorded')
         FROM json_each(?) AS now WHERE ticket_sessions.id = now.value ->> '$.id'`,
        JSON.stringify(waiting, WRITTEN_LATER),
      );
      unwritten.clear();
      for (const session of waiting) if (!isPending(session)) held.delete(session.id);
    }
    if (held.size <= HELD_SESSIONS) return;
    held.clear();
    isComplete = false;
  }

  /** The rows of a statement, after a write of the sessions in memory. */
  function rowsOf<R extends Record<string, SqlStorageValue>>(
    query: string,
    ...values: SqlStorageValue[]
  ): R[] {
    write();
    return sql.exec<R>(query, ...values).toArray();
  }

  function find(id: string): ObjectSession | undefined {
    const known = held.get(id);
    if (known !== undefined) return known;
    const [row] = sql.exec<Row>('SELECT * FROM ticket_sessions WHERE id = ?', id).toArray();
    return row === undefined ? undefined : fromRow(row);
  }

  /** The session that a statement has changed, if there is one. */
  function changed([row]: readonly Row[]): ObjectSession | undefined {
    if (row === undefined) return undefined;
    const session = fromRow(row);
    if (isPending(session) || held.has(session.id)) held.set(session.id, session);
    return session;
  }

  /** Sessions of which the record database does not know all, the oldest first. */
  function pending(limit: number): ObjectSession[] {
    if (!isComplete) {
      const rows = rowsOf<Row>(
        'SELECT * FROM ticket_sessions WHERE recorded < version ORDER BY started_at LIMIT ?',
        limit,
      );
      if (rows.length === limit) return rows.map(fromRow);
      for (const row of rows) if (!held.has(row.id)) held.set(row.id, fromRow(row));
      isComplete = true;
    }
    return [...held.values()]
      .filter(isPending)
      .sort((a, b) => a.startedAt - b.startedAt)
      .slice(0, limit);
  }

  return {
    write,
    /** Burns the ticket and opens the session, both by one row. Throws where the ticket has a session already. */
    open(s: OpenedSession): ObjectSession {
      write();
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
      const opened = { ...s, endedAt: null, endReason: null, endDetails: null, version: 1, recorded: 0 };
      held.set(s.id, opened);
      return opened;
    },

    find,

    /**
     * The end of the session that a ticket opened or renewed here; `undefined` where there is none or it goes on. Without
     * a reason where the session has no row any more.
     */
    findEnd(jti: string): { readonly reason: string | null } | undefined {
      const [end] = rowsOf<{ reason: string | null }>(
        `SELECT end_reason AS reason FROM ticket_sessions WHERE ticket = ?1 AND ended_at IS NOT NULL
         UNION ALL SELECT s.end_reason FROM ticket_burns AS b LEFT JOIN ticket_sessions AS s ON s.id = b.session_id
           WHERE b.jti = ?1 AND (s.id IS NULL OR s.ended_at IS NOT NULL)`,
        jti,
      );
      return end;
    },

    /** Open sessions of one principal. */
    countOpen: (principal: string): number =>
      rowsOf('SELECT 1 FROM ticket_sessions WHERE principal = ? AND ended_at IS NULL', principal).length,

    /** Addresses of open sessions of principals with a prefix, one for each session. `end` is behind all of them. */
    openAddresses: (prefix: string, end: string): (string | null)[] =>
      rowsOf<{ ip_address: string | null }>(
        `SELECT ip_address FROM ticket_sessions
         WHERE principal >= ? AND principal < ? AND ended_at IS NULL`,
        prefix,
        end,
      ).map((row) => row.ip_address),

    /** Gives an open session the rights of a newer ticket. `undefined` when it has ended meanwhile. */
    renew: (id: string, to: Renewed): ObjectSession | undefined =>
      changed(
        rowsOf<Row>(
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
      changed(
        rowsOf<Row>(
          `UPDATE ticket_sessions SET ended_at = ?, end_reason = ?, end_details = ?, version = version + 1
           WHERE id = ? AND ended_at IS NULL RETURNING *`,
          now,
          reason,
          details,
          id,
        ),
      ),

    /**
     * The same for a client that has left by itself. No right depends on this end, so it waits in memory for the next
     * write.
     */
    noteLeft(
      id: string,
      reason: string,
      now: number,
      details: string | null = null,
    ): ObjectSession | undefined {
      const open = find(id);
      if (open === undefined || open.endedAt !== null) return undefined;
      return change({
        ...open,
        endedAt: now,
        endReason: reason,
        endDetails: details,
        version: open.version + 1,
      });
    },

    noteWarned(id: string): void {
      changed(rowsOf<Row>('UPDATE ticket_sessions SET warn_at = NULL WHERE id = ? RETURNING *', id));
    },

    postponeIdle(id: string, idleAt: number): void {
      changed(rowsOf<Row>('UPDATE ticket_sessions SET idle_at = ? WHERE id = ? RETURNING *', idleAt, id));
    },

    listOpen: (): ObjectSession[] =>
      rowsOf<Row>('SELECT * FROM ticket_sessions WHERE ended_at IS NULL').map(fromRow),

    /** When something is next due for an open session: a warning, silence or the end. */
    nextDue(): number | undefined {
      const [row] = rowsOf<{ at: number | null }>(
        `SELECT min(min(expires_at, ifnull(warn_at, expires_at), ifnull(idle_at, expires_at))) AS at
         FROM ticket_sessions WHERE ended_at IS NULL`,
      );
      return row?.at ?? undefined;
    },

    pending,

    /** How many there are of those, and since when, in ms. */
    countPending(): { readonly count: number; readonly since: number | null } {
      const [counted] = rowsOf<{ count: number; since: number | null }>(
        `SELECT count(*) AS count, min(iif(recorded = 0, started_at, ended_at)) AS since
         FROM ticket_sessions WHERE recorded < version`,
      );
      return counted ?? { count: 0, since: null };
    },

    isPending: (): boolean => pending(1).length > 0,

    /** Notes what the record database has: of each session the version that was handed over, not one written since. */
    acknowledge(handed: readonly Pick<ObjectSession, 'id' | 'version'>[]): void {
      for (const { id, version } of handed) {
        const session = find(id);
        if (session !== undefined && session.recorded < version) change({ ...session, recorded: version });
      }
    },

    /** The rows that must outlive everything else: the record database lacks them, or their ticket has not expired. */
    kept: (exp: number): Row[] =>
      rowsOf<Row>('SELECT * FROM ticket_sessions WHERE recorded < version OR exp >= ?', exp),

    restore(row: Row): void {
      const names = Object.keys(row);
      sql.exec(
        `INSERT INTO ticket_sessions (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
        ...Object.values(row),
      );
      isComplete = false;
    },

    /** Forgets sessions that are over, that the record database has, and whose ticket expired before `exp`, in seconds. */
    purge(exp: number): void {
      write();
      sql.exec(
        'DELETE FROM ticket_sessions WHERE ended_at IS NOT NULL AND recorded >= version AND exp < ?',
        exp,
      );
    },
  };
}
