type Named = { name: string; agent: string };

/** How stale the last use of a session may be: it only orders them, and a write for each message would cost more. */
const USE_STEP_MS = 60_000;

/** The sessions of MCP below one instance: the name of each one's object, and who opened it. */
export function mcpSessionStore(sql: SqlStorage) {
  return {
    /** Notes a session, and answers those of the same owner beyond `most`, the least recently used first to go. */
    open(name: string, agent: string, owner: string, now: number, most: number): Named[] {
      sql.exec(
        'INSERT INTO ticket_mcp_sessions (name, agent, owner, used_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
        name,
        agent,
        owner,
        now,
      );
      return sql
        .exec<Named>(
          `SELECT name, agent FROM ticket_mcp_sessions WHERE owner = ?1 AND name <> ?2
           ORDER BY used_at DESC LIMIT -1 OFFSET ?3`,
          owner,
          name,
          most - 1,
        )
        .toArray();
    },

    /** Whether there is such a session of this owner; notes its use. `now` in ms. */
    use(name: string, owner: string, now: number): boolean {
      const [row] = sql
        .exec<{ used_at: number }>(
          'SELECT used_at FROM ticket_mcp_sessions WHERE name = ? AND owner = ?',
          name,
          owner,
        )
        .toArray();
      if (row !== undefined && now - row.used_at > USE_STEP_MS)
        sql.exec('UPDATE ticket_mcp_sessions SET used_at = ? WHERE name = ?', now, name);
      return row !== undefined;
    },

    all: (): Named[] => sql.exec<Named>('SELECT name, agent FROM ticket_mcp_sessions').toArray(),

    remove(name: string): void {
      sql.exec('DELETE FROM ticket_mcp_sessions WHERE name = ?', name);
    },
  };
}
