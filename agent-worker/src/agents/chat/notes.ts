/** Short things that a person asked to be kept: what the tool that asks first changes. */
export function createNotes(sql: SqlStorage) {
  sql.exec(`CREATE TABLE IF NOT EXISTS chat_notes (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    kept_at INTEGER NOT NULL
  ) STRICT`);
  return {
    /** `now` in ms. */
    keep(text: string, now: number): void {
      sql.exec('INSERT INTO chat_notes (text, kept_at) VALUES (?, ?)', text, now);
    },
    /** The newest first, as many as a chat can show. */
    list: (): string[] =>
      sql
        .exec<{ text: string }>('SELECT text FROM chat_notes ORDER BY id DESC LIMIT 20')
        .toArray()
        .map(({ text }) => text),
  };
}
export type Notes = ReturnType<typeof createNotes>;
