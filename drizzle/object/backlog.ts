/** Facts that wait for the record database, in the order in which they came to be. */
export interface BacklogItem {
  readonly id: number;
  readonly fact: string;
}

export function backlogStore(sql: SqlStorage) {
  const lastAside = () =>
    sql
      .exec<{ id: number; count: number }>('SELECT max(id) AS id, count(*) AS count FROM ticket_set_aside')
      .one();
  return {
    add(fact: string): void {
      sql.exec('INSERT INTO ticket_backlog (fact) VALUES (?)', fact);
    },

    /** Puts an item back under its own id, so that a drain on its way removes it and nothing else. */
    restore({ id, fact }: BacklogItem): void {
      sql.exec('INSERT INTO ticket_backlog (id, fact) VALUES (?, ?)', id, fact);
    },

    oldest: (limit: number): BacklogItem[] =>
      sql
        .exec<{ id: number; fact: string }>('SELECT id, fact FROM ticket_backlog ORDER BY id LIMIT ?', limit)
        .toArray(),

    all: (): BacklogItem[] =>
      sql.exec<{ id: number; fact: string }>('SELECT id, fact FROM ticket_backlog ORDER BY id').toArray(),

    /** Keeps a fact that the record database will never take, where somebody can look at it. */
    keepAside(fact: string): { readonly id: number; readonly count: number } {
      sql.exec('INSERT INTO ticket_set_aside (fact) VALUES (?)', fact);
      return lastAside();
    },

    /** The facts that were set aside, in their order. */
    listAside: (): string[] =>
      sql
        .exec<{ fact: string }>('SELECT fact FROM ticket_set_aside ORDER BY id')
        .toArray()
        .map(({ fact }) => fact),

    /** The item that came last of those that wait, if any does. */
    newest(): number | undefined {
      const [row] = sql.exec<{ id: number | null }>('SELECT max(id) AS id FROM ticket_backlog').toArray();
      return row?.id ?? undefined;
    },

    /** Removes the items of a delivered batch, and no others. */
    removeThrough(id: number): void {
      sql.exec('DELETE FROM ticket_backlog WHERE id <= ?', id);
    },

    /** Moves an item out of the way of those behind it: its new id, and how many lie there. */
    setAside(id: number): { readonly id: number; readonly count: number } {
      // Under an id of its own: those of a backlog begin anew once it is empty.
      sql.exec('INSERT INTO ticket_set_aside (fact) SELECT fact FROM ticket_backlog WHERE id = ?', id);
      sql.exec('DELETE FROM ticket_backlog WHERE id = ?', id);
      return lastAside();
    },

    count(): number {
      return sql.exec<{ n: number }>('SELECT count(*) AS n FROM ticket_backlog').one().n;
    },
  };
}
export type Backlog = ReturnType<typeof backlogStore>;
