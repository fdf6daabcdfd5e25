import { BURN_KEPT_SECONDS } from '@agent-ticket/shared/limits.ts';

/**
 * Notes that a ticket has opened a socket. Resolves with `true` for the first call with a `jti` and with `false` for
 * every other, however many come at the same time. `exp` is in seconds since 1970: a note may be deleted
 * {@link BURN_KEPT_SECONDS} later. Rejects where the store does not answer; the caller then admits nobody.
 */
export type Burn = (jti: string, exp: number) => Promise<boolean>;

/**
 * Single use within ONE process, in memory: another process, another isolate, and this one after a restart do not have
 * the notes. For a server that runs once, and for tests. Memory has one note for each ticket that was burned in the
 * last six minutes.
 *
 * @param clock Milliseconds since 1970.
 */
export function burnInThisProcess(clock: () => number = Date.now): Burn {
  /** `jti` → the time from which the note may be deleted, in ms. The oldest are the first. */
  const burned = new Map<string, number>();
  return async (jti, exp) => {
    const now = clock();
    for (const [old, until] of burned) {
      if (until > now) break;
      burned.delete(old);
    }
    if (burned.has(jti)) return false;
    burned.set(jti, (exp + BURN_KEPT_SECONDS) * 1000);
    return true;
  };
}

/** The parts of a D1 database that are used. */
export interface BurnDatabase {
  prepare(sql: string): BurnStatement;
  batch(statements: BurnStatement[]): Promise<{ readonly meta: { readonly changes?: number } }[]>;
}
interface BurnStatement {
  bind(...values: unknown[]): BurnStatement;
}

/** The table of {@link burnInD1}, for a migration of the server's own database. May be run again. */
export const BURNED_TICKETS_TABLE = `CREATE TABLE IF NOT EXISTS burned_tickets (jti TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS burned_tickets_until ON burned_tickets (until);`;

/** The most expired notes that one burn deletes, so that the table shrinks and no burn takes long. */
const PURGED_AT_ONCE = 8;

/**
 * Single use for all processes and isolates with one D1 database, one round trip for each ticket. Needs
 * {@link BURNED_TICKETS_TABLE}. Not for a read replica.
 *
 * @param clock Milliseconds since 1970.
 */
export function burnInD1(database: BurnDatabase, clock: () => number = Date.now): Burn {
  const purge = database.prepare(
    `DELETE FROM burned_tickets WHERE jti IN (SELECT jti FROM burned_tickets WHERE until <= ?1 ORDER BY until LIMIT ${PURGED_AT_ONCE})`,
  );
  const insert = database.prepare(
    'INSERT INTO burned_tickets (jti, until) VALUES (?1, ?2) ON CONFLICT DO NOTHING',
  );
  return async (jti, exp) => {
    const nowSeconds = Math.floor(clock() / 1000);
    const [, inserted] = await database.batch([
      purge.bind(nowSeconds),
      insert.bind(jti, exp + BURN_KEPT_SECONDS),
    ]);
    const changes = inserted?.meta.changes;
    // A database that does not report the number of changed rows must not admit everybody.
    if (changes === undefined) throw new TypeError('the database names no number of changes');
    return changes === 1;
  };
}
