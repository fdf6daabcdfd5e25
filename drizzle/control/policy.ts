import { and, eq, gt, inArray, isNull, or, sql } from 'drizzle-orm';
import type { ControlDatabase } from './database.ts';
import { grants, locks } from './schema.ts';

export type GrantRow = typeof grants.$inferSelect;
export type LockRow = typeof locks.$inferSelect;

export interface PolicyQuestion {
  /** Every subject spelling under which the principal may have been granted something. */
  readonly subjects: readonly string[];
  readonly agent: string;
  readonly instance: string;
  /** Every lock target that would refuse this request. */
  readonly lockTargets: readonly string[];
  /** Milliseconds. */
  readonly now: number;
}

export function policyQueries(db: ControlDatabase) {
  return {
    /** The grants and locks that bear on one request, read together; ended ones left out. */
    async read(question: PolicyQuestion): Promise<{ grants: GrantRow[]; locks: LockRow[] }> {
      const [grantRows, lockRows] = await db.batch([
        db
          .select()
          .from(grants)
          .where(
            and(
              inArray(
                grants.subject,
                sql`(SELECT value FROM json_each(${JSON.stringify(question.subjects)}))`,
              ),
              eq(grants.agentSlug, question.agent),
              inArray(grants.instanceId, [question.instance, '*']),
              isNull(grants.deletedAt),
              or(isNull(grants.expiresAt), gt(grants.expiresAt, question.now)),
            ),
          ),
        db
          .select()
          .from(locks)
          .where(
            and(
              inArray(
                locks.target,
                sql`(SELECT value FROM json_each(${JSON.stringify(question.lockTargets)}))`,
              ),
              isNull(locks.liftedAt),
              or(isNull(locks.expiresAt), gt(locks.expiresAt, question.now)),
            ),
          ),
      ]);
      return { grants: grantRows, locks: lockRows };
    },

    /** Adds a grant unless one with this id is there already. */
    async insertGrant(grant: typeof grants.$inferInsert): Promise<void> {
      await db.insert(grants).values(grant).onConflictDoNothing();
    },
  };
}
