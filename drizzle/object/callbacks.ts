/** URLs of callbacks that an object has made. `exp` and `now` in seconds. */
export function callbackStore(sql: SqlStorage) {
  return {
    /** Keeps a URL, unless the object has `most` of them already. Whether it is kept. */
    add(id: string, exp: number, now: number, most: number): boolean {
      sql.exec('DELETE FROM ticket_callbacks WHERE exp <= ?', now);
      const { n } = sql.exec<{ n: number }>('SELECT count(*) AS n FROM ticket_callbacks').one();
      if (n >= most) return false;
      sql.exec('INSERT INTO ticket_callbacks (id, exp) VALUES (?, ?)', id, exp);
      return true;
    },

    /** Whether it keeps a URL that has not expired, whatever expiry a token names. */
    has: (id: string, now: number): boolean =>
      sql.exec('SELECT 1 FROM ticket_callbacks WHERE id = ? AND exp > ?', id, now).toArray().length > 0,
  };
}
