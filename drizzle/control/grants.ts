import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { and, count, desc, eq, gt, isNull, lt, or, sql } from 'drizzle-orm';
import { insertChangeEvent } from './change-events.ts';
import type { ControlDatabase } from './database.ts';
import type { GrantRow } from './policy.ts';
import { grants } from './schema.ts';

export type NewGrant = Omit<GrantRow, 'claimed' | 'openedAt' | 'deletedAt'>;

export interface GrantFilter {
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  readonly subject?: string | undefined;
  /** In ms: ended grants are left out. */
  readonly now: number;
}

/** A place in the order newest first. */
export interface GrantPlace {
  readonly createdAt: number;
  readonly id: string;
}

export function grantQueries(db: ControlDatabase) {
  const standing = (now: number) =>
    and(isNull(grants.deletedAt), or(isNull(grants.expiresAt), gt(grants.expiresAt, now)));

  return {
    async insert(grant: NewGrant): Promise<void> {
      await db.insert(grants).values(grant);
    },

    /** A grant that was not deleted, ended or not. */
    async find(id: string): Promise<GrantRow | undefined> {
      const [row] = await db
        .select()
        .from(grants)
        .where(and(eq(grants.id, id), isNull(grants.deletedAt)));
      return row;
    },

    /** Standing grants, newest first. */
    list: (filter: GrantFilter, after: GrantPlace | undefined, limit: number): Promise<GrantRow[]> =>
      db
        .select()
        .from(grants)
        .where(
          and(
            standing(filter.now),
            filter.agent === undefined ? undefined : eq(grants.agentSlug, filter.agent),
            filter.instance === undefined ? undefined : eq(grants.instanceId, filter.instance),
            filter.subject === undefined ? undefined : eq(grants.subject, filter.subject),
            after === undefined
              ? undefined
              : sql`(${grants.createdAt}, ${grants.id}) < (${after.createdAt}, ${after.id})`,
          ),
        )
        .orderBy(desc(grants.createdAt), desc(grants.id))
        .limit(limit),

    /** Deletes a grant. Answers it as it was, or `undefined` when somebody else was first. */
    async delete(id: string, now: number): Promise<GrantRow | undefined> {
      const [row] = await db
        .update(grants)
        .set({ deletedAt: now })
        .where(and(eq(grants.id, id), isNull(grants.deletedAt)))
        .returning();
      return row;
    },

    /** Agents and instances on which any of the subjects stands, for listing what somebody may use. */
    ofSubjects: (subjects: readonly string[], now: number): Promise<GrantRow[]> =>
      db
        .select()
        .from(grants)
        .where(
          and(
            sql`${grants.subject} IN (SELECT value FROM json_each(${JSON.stringify(subjects)}))`,
            standing(now),
          ),
        ),

    /** How many instances a subject holds by having been first. */
    async countClaims(subject: string): Promise<number> {
      const [row] = await db
        .select({ n: count() })
        .from(grants)
        .where(and(eq(grants.subject, subject), eq(grants.claimed, true), isNull(grants.deletedAt)));
      return row?.n ?? 0;
    },

    /** Every owner grant that an instance ever had, deleted ones too. */
    ownersEver: (agent: string, instance: string): Promise<GrantRow[]> =>
      db
        .select()
        .from(grants)
        .where(and(eq(grants.agentSlug, agent), eq(grants.instanceId, instance), eq(grants.role, 'owner'))),

    /**
     * Claims an instance that never had an owner: one whose owner was deleted stays closed. One statement decides, so
     * of any number of first users one wins; the event is written with the claim that won, and with no other. `maxClaims`
     * bounds what one subject may hold this way.
     */
    async claim(grant: NewGrant, maxClaims: number, event: AuditEvent): Promise<boolean> {
      const held = sql`(SELECT count(*) FROM ${grants} WHERE ${grants.subject} = ${grant.subject} AND claimed = 1 AND deleted_at IS NULL)`;
      // Every column, in the order of the schema.
      const claimed = db
        .insert(grants)
        .select(
          sql`
        SELECT ${grant.id}, ${grant.subject}, ${grant.agentSlug}, ${grant.instanceId}, ${grant.role}, ${grant.reason},
               ${grant.createdBy}, ${grant.createdAt}, ${grant.expiresAt}, 1, NULL, NULL
        WHERE ${held} < ${maxClaims} AND NOT EXISTS (
          SELECT 1 FROM ${grants}
          WHERE agent_slug = ${grant.agentSlug} AND instance_id = ${grant.instanceId} AND role = ${grant.role})`,
        )
        .onConflictDoNothing()
        .returning({ id: grants.id });
      const [made] = await db.batch([
        claimed,
        insertChangeEvent(db, event, grants, sql`id = ${grant.id} AND claimed = 1`),
      ]);
      return made.length === 1;
    },

    /** Takes away a claim that nobody opened before `claimedBefore`, so that the instance is free again. */
    async dropLapsed(id: string, claimedBefore: number): Promise<boolean> {
      const dropped = await db
        .delete(grants)
        .where(
          and(
            eq(grants.id, id),
            eq(grants.claimed, true),
            isNull(grants.openedAt),
            isNull(grants.deletedAt),
            lt(grants.createdAt, claimedBefore),
          ),
        )
        .returning({ id: grants.id });
      return dropped.length === 1;
    },

    /** Notes that a claimed instance has been opened; from then on the claim never lapses. */
    async noteOpened(id: string, now: number): Promise<void> {
      await db
        .update(grants)
        .set({ openedAt: now })
        .where(and(eq(grants.id, id), isNull(grants.openedAt)));
    },
  };
}
