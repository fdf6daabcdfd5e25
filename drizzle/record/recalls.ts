import { CLOCK_SKEW_SECONDS, SESSION_SECONDS } from '@agent-ticket/shared/limits.ts';
import { and, gte, inArray, lte, sql } from 'drizzle-orm';
import type { RecordDatabase } from './database.ts';
import { recalls } from './schema.ts';

/** Which tickets open nothing any more. */
export interface Recall {
  /** Canonical name of what they are for, as of a lock. */
  readonly target: string;
  /** Whose they are; left out: everybody's. */
  readonly principal?: string | undefined;
  /** Those issued at this moment or before, in ms by the broker's clock. */
  readonly issuedBy: number;
}

/** A ticket and everything that a recall of it may name. */
export interface Recallable {
  readonly targets: readonly string[];
  readonly principal: string;
  /** In ms. */
  readonly issuedAt: number;
}

const EVERYBODY = '';

/** The recalls of one ticket. For use alone or inside the batch that writes its session. */
export const selectRecalls = (db: RecordDatabase, { targets, principal, issuedAt }: Recallable) =>
  db
    .select()
    .from(recalls)
    .where(
      and(
        inArray(recalls.target, [...targets]),
        inArray(recalls.userId, [EVERYBODY, principal]),
        gte(recalls.issuedBy, issuedAt),
      ),
    );

/** A session may reach the record late, for the database was away; but no longer than its one ticket lasts. */
const KEPT_MS = (SESSION_SECONDS + 2 * CLOCK_SKEW_SECONDS) * 1000;

export function recallQueries(db: RecordDatabase) {
  return {
    /** Recalls tickets, beside those that were recalled for the same target before. */
    async set({ target, principal = EVERYBODY, issuedBy }: Recall): Promise<void> {
      await db
        .insert(recalls)
        .values({ target, userId: principal, issuedBy, keptUntil: issuedBy + KEPT_MS })
        .onConflictDoUpdate({
          target: [recalls.target, recalls.userId],
          set: {
            issuedBy: sql`max(${recalls.issuedBy}, excluded.issued_by)`,
            keptUntil: sql`max(${recalls.keptUntil}, excluded.kept_until)`,
          },
        });
    },

    /** Forgets recalls of tickets that nothing open can come from. `now` in ms. */
    async purge(now: number): Promise<void> {
      await db.delete(recalls).where(lte(recalls.keptUntil, now));
    },
  };
}
