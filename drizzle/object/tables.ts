/**
 * Tables of the ticket layer inside a destination object, beside those of the SDK and of the agent itself, hence
 * the prefix. Statements are synchronous there: nothing interleaves between two of them, and one event's writes
 * are durable together before any answer leaves the object.
 */
const TABLES = [
  // One row is the burn of the ticket that opened the session, its identity and rights, and the fact for the record
  // database. It is the truth: connection state belongs to the agent's code.
  `CREATE TABLE IF NOT EXISTS ticket_sessions (
    id TEXT PRIMARY KEY,
    ticket TEXT NOT NULL UNIQUE,
    exp INTEGER NOT NULL,
    opening TEXT NOT NULL,
    principal TEXT NOT NULL,
    jti TEXT NOT NULL,
    claims TEXT NOT NULL,
    kid TEXT NOT NULL,
    limits TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    warn_at INTEGER,
    idle_at INTEGER,
    ended_at INTEGER,
    end_reason TEXT,
    end_details TEXT,
    ip_address TEXT,
    user_agent TEXT,
    version INTEGER NOT NULL DEFAULT 1,
    recorded INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS ticket_sessions_principal ON ticket_sessions (principal) WHERE ended_at IS NULL',
  'CREATE INDEX IF NOT EXISTS ticket_sessions_pending ON ticket_sessions (started_at) WHERE recorded < version',
  // Tickets that renewed a session, and those that were presented again.
  `CREATE TABLE IF NOT EXISTS ticket_burns (
    jti TEXT PRIMARY KEY,
    exp INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    replays INTEGER NOT NULL DEFAULT 0,
    replay TEXT,
    replay_due INTEGER
  ) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS ticket_burns_replay ON ticket_burns (replay_due) WHERE replay_due IS NOT NULL',
  // Revocations that name this object, and its own end, which outlives a deletion of everything else.
  `CREATE TABLE IF NOT EXISTS ticket_revocations (
    id TEXT PRIMARY KEY,
    rev INTEGER NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    until INTEGER,
    code TEXT NOT NULL
  ) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS ticket_revocations_target ON ticket_revocations (target)',
  // Grants that were ever used here: a claim of one of them has been opened. The empty one stands for tickets without.
  'CREATE TABLE IF NOT EXISTS ticket_grants (id TEXT PRIMARY KEY) WITHOUT ROWID',
  // URLs of callbacks that this object has made and that have not expired, in seconds: they end with the object.
  `CREATE TABLE IF NOT EXISTS ticket_callbacks (
    id TEXT PRIMARY KEY,
    exp INTEGER NOT NULL
  ) WITHOUT ROWID`,
  // Sessions of MCP that this object has admitted, each an object of its own.
  `CREATE TABLE IF NOT EXISTS ticket_mcp_sessions (
    name TEXT PRIMARY KEY,
    agent TEXT NOT NULL,
    owner TEXT NOT NULL,
    used_at INTEGER NOT NULL
  ) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS ticket_mcp_sessions_owner ON ticket_mcp_sessions (owner, used_at)',
  // Other facts on their way to the record database, in order.
  `CREATE TABLE IF NOT EXISTS ticket_backlog (
    id INTEGER PRIMARY KEY,
    fact TEXT NOT NULL
  )`,
  // Facts that the record database will never take, so that those behind them arrive.
  `CREATE TABLE IF NOT EXISTS ticket_set_aside (
    id INTEGER PRIMARY KEY,
    fact TEXT NOT NULL
  )`,
] as const;

/** Makes the tables unless they are there. Cheap enough to run at every wake. */
export function createObjectTables(sql: SqlStorage): void {
  for (const statement of TABLES) sql.exec(statement);
}

/** Copies every row of the tables, for after a deletion of the whole storage. Answers what makes tables and rows again. */
export function copyObjectTables(sql: SqlStorage): () => void {
  const names = sql
    .exec<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) = 'ticket_'",
    )
    .toArray()
    .map(({ name }) => name);
  const copies = names.map((name) => ({ name, rows: sql.exec(`SELECT * FROM ${name}`).toArray() }));
  return () => {
    createObjectTables(sql);
    for (const { name, rows } of copies)
      for (const row of rows) {
        const columns = Object.keys(row);
        sql.exec(
          `INSERT INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
          ...Object.values(row),
        );
      }
  };
}
