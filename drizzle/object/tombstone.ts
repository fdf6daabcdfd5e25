/** When this object was destroyed last, if ever. Times in ms. */
export function tombstoneQueries(sql: SqlStorage) {
  return {
    set(destroyedAt: number): void {
      sql.exec(
        'INSERT INTO ticket_tombstone (id, destroyed_at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET destroyed_at = ?1',
        destroyedAt,
      );
    },

    destroyedAt(): number | undefined {
      const [row] = sql.exec<{ at: number }>('SELECT destroyed_at AS at FROM ticket_tombstone').toArray();
      return row?.at;
    },
  };
}
