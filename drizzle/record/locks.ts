import { and, eq, gt, inArray, isNull, or, sql } from 'drizzle-orm';
import type { RecordDatabase } from './database.ts';
import { recordLocks } from './schema.ts';

/** The locks among these targets that stand. For use alone or inside the batch that writes a session. `now` in ms. */
export const selectLocks = (db: RecordDatabase, targets: readonly string[], now: number) =>
  db
    .select()
    .from(recordLocks)
    .where(
      and(
        inArray(recordLocks.target, [...targets]),
        or(isNull(recordLocks.until), gt(recordLocks.until, now)),
      ),
    );

export function recordLockQueries(db: RecordDatabase) {
  return {
    /** Puts a lock where agent workers look, in place of an earlier one on the same target. */
    async set(target: string, until: number | null): Promise<void> {
      await db
        .insert(recordLocks)
        .values({ target, until })
        .onConflictDoUpdate({ target: recordLocks.target, set: { until: sql`excluded.until` } });
    },

    async remove(target: string): Promise<void> {
      await db.delete(recordLocks).where(eq(recordLocks.target, target));
    },
  };
}
