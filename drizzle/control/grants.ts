import { and, desc, eq, inArray, isNull, lt, lte, sql } from 'drizzle-orm';
import { among, isAfter, type Statement } from '../database.ts';
import type { ControlDatabase } from './change.ts';
import { type GrantRow, isGrantInForce } from './policy.ts';
import { grants } from './schema.ts';

export type NewGrant = Omit<GrantRow, 'claimed' | 'openedAt' | 'deletedAt'>;

interface GrantFilter {
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  readonly subject?: string | undefined;
  /** In ms: ended grants are left out. */
  readonly now: number;
}

interface GrantCursor {
  readonly createdAt: number;
  readonly id: string;
}

export function grantStore(db: ControlDatabase) {
  return {
    /** A grant that was not deleted, ended or not. */
    async find(id: string): Promise<GrantRow | undefined> {
      const [row] = await db
        .select()
        .from(grants)
        .where(and(eq(grants.id, id), isNull(grants.deletedAt)));
      return row;
    },

    /** Grants in force, newest first. */
    list: (filter: GrantFilter, after: GrantCursor | undefined, limit: number): Promise<GrantRow[]> =>
      db
        .select()
        .from(grants)
        .where(
          and(
            isGrantInForce(filter.now),
            filter.agent === undefined ? undefined : eq(grants.agentSlug, filter.agent),
            filter.instance === undefined ? undefined : eq(grants.instanceId, filter.instance),
            filter.subject === undefined ? undefined : eq(grants.subject, filter.subject),
            isAfter(grants.createdAt, grants.id, after && [after.createdAt, after.id]),
          ),
        )
        .orderBy(desc(grants.createdAt), desc(grants.id))
        .limit(limit),

    /** Whether any grant names one of the subjects. `now` in ms. */
    async anyOf(subjects: readonly string[], now: number): Promise<boolean> {
      const rows = await db
        .select({ id: grants.id })
        .from(grants)
        .where(and(inArray(grants.subject, among(subjects)), isGrantInForce(now)))
        .limit(1);
      return rows.length > 0;
    },

    /** Notes that a claimed instance has been opened; from then on the claim never lapses. `now` in ms. */
    async noteOpened(id: string, now: number): Promise<void> {
      await db
        .update(grants)
        .set({ openedAt: now })
        .where(and(eq(grants.id, id), isNull(grants.openedAt)));
    },

    // Statements for a change.

    insert: (grant: NewGrant): Statement => db.insert(grants).values(grant),

    /** Deletes a grant that nobody deleted before. `now` in ms. */
    delete: (id: string, now: number): Statement =>
      db
        .update(grants)
        .set({ deletedAt: now })
        .where(and(eq(grants.id, id), isNull(grants.deletedAt))),

    /**
     * Claims an instance that never had an owner: an instance whose owner was deleted stays closed. One statement
     * decides, so that one of several first users wins. `maxClaims` is the limit of one subject over its used claims
     * and its claims since `claimsSince`, in ms.
     */
    claim(grant: NewGrant, maxClaims: number, claimsSince: number): Statement {
      const held = sql`(SELECT count(*) FROM ${grants} WHERE ${grants.subject} = ${grant.subject} AND claimed = 1
        AND deleted_at IS NULL AND (opened_at IS NOT NULL OR created_at >= ${claimsSince}))`;
      // Every column, in the order of the schema.
      return db
        .insert(grants)
        .select(
          sql`
        SELECT ${grant.id}, ${grant.subject}, ${grant.agentSlug}, ${grant.instanceId}, ${grant.role}, ${grant.reason},
               ${grant.createdBy}, ${grant.createdAt}, ${grant.expiresAt}, 1, NULL, NULL
        WHERE ${held} < ${maxClaims} AND NOT EXISTS (
          SELECT 1 FROM ${grants}
          WHERE agent_slug = ${grant.agentSlug} AND instance_id = ${grant.instanceId} AND role = ${grant.role})`,
        )
        .onConflictDoNothing();
    },

    /** Takes away a claim that nobody opened before `claimedBefore`, in ms, so that the instance is free again. */
    dropLapsed: (id: string, claimedBefore: number): Statement =>
      db
        .delete(grants)
        .where(
          and(
            eq(grants.id, id),
            eq(grants.claimed, true),
            isNull(grants.openedAt),
            isNull(grants.deletedAt),
            lt(grants.createdAt, claimedBefore),
          ),
        ),
  };
}

/** Drops all grants of a deleted instance that were made until a moment, in ms, including deleted grants. */
export const dropGrantsOf = (
  db: ControlDatabase,
  { agent, instance, before }: { readonly agent: string; readonly instance: string; readonly before: number },
): Statement =>
  db
    .delete(grants)
    .where(and(eq(grants.agentSlug, agent), eq(grants.instanceId, instance), lte(grants.createdAt, before)));
