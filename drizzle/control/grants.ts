import { and, asc, type Column, desc, eq, inArray, isNull, lt, lte, type SQL, sql } from 'drizzle-orm';
import {
  among,
  deleteFirst,
  type FoundPage,
  foundPage,
  isAfter,
  MAX_EXAMINED,
  type Statement,
} from '../database.ts';
import type { ControlDatabase } from './change.ts';
import { claimsOf, type GrantRow, isGrantInForce, ROLE_NAMES } from './policy.ts';
import { grants } from './schema.ts';

export type NewGrant = Omit<GrantRow, 'claimed' | 'openedAt' | 'deletedAt'>;

export interface GrantFilter {
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  readonly subject?: string | undefined;
  /** In ms: ended grants are left out. */
  readonly now: number;
}

export interface GrantCursor {
  readonly createdAt: number;
  readonly id: string;
}

/** Of the table, or of a subquery on it. */
type GrantColumns = Readonly<Record<'agentSlug' | 'instanceId' | 'subject', Column>>;

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

    /** Grants in force by filter, newest first. */
    async list(
      { now, agent, instance, subject }: GrantFilter,
      after: GrantCursor | undefined,
      limit: number,
    ): Promise<FoundPage<GrantRow, GrantCursor>> {
      const { createdAt, id } = grants;
      const isOn = (columns: GrantColumns, on: Omit<GrantFilter, 'now'>) =>
        and(
          on.agent === undefined ? undefined : eq(columns.agentSlug, on.agent),
          on.instance === undefined ? undefined : eq(columns.instanceId, on.instance),
          on.subject === undefined ? undefined : eq(columns.subject, on.subject),
        );
      const all = (where: SQL | undefined, time: Column | SQL = createdAt) =>
        db
          .select()
          .from(grants)
          .where(and(isGrantInForce(now), where, isAfter(time, id, after && [after.createdAt, after.id])))
          .orderBy(desc(time), desc(id));
      if (subject !== undefined && agent !== undefined && instance !== undefined) {
        // A grant of each role at most. The plus keeps the planner from an index of all that the place or the subject has.
        const here = and(isOn(grants, { subject, agent, instance }), inArray(grants.role, ROLE_NAMES));
        return { rows: await all(here, sql`+${createdAt}`).limit(limit) };
      }
      const served = subject === undefined ? (agent === undefined ? {} : { agent, instance }) : { subject };
      const rest = subject === undefined ? (agent === undefined ? { instance } : {}) : { agent, instance };
      const found = all(isOn(grants, served));
      if (Object.values(rest).every((value) => value === undefined))
        return { rows: await found.limit(limit) };
      const examined = found.limit(MAX_EXAMINED).as('examined');
      const page = await db.batch([
        // In the order of the subquery: to sort again, all of it would be read first.
        db.select().from(examined).where(isOn(examined, rest)).limit(limit),
        db
          .select({ createdAt: examined.createdAt, id: examined.id })
          .from(examined)
          .limit(1)
          .offset(MAX_EXAMINED - 1),
      ]);
      return foundPage(page, limit);
    },

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

    /**
     * Inserts a grant, unless the subject has the same role there, or the instance has `most` grants that were not
     * deleted; left out: no limit. The same grant that has ended goes first, by {@link replaceEnded}.
     */
    insert: (grant: NewGrant, most?: number): Statement =>
      db.insert(grants).select(
        sql`${selectNew(grant, 0)}
        WHERE NOT EXISTS (SELECT 1 FROM ${grants} WHERE ${isSameAs(grant)}) AND ${
          most === undefined ? sql`1` : sql`(SELECT count(*) FROM (${grantsOn(grant, most)})) < ${most}`
        }`,
      ),

    /** Deletes the same grant as a new one where it has ended. */
    replaceEnded: (grant: NewGrant): Statement =>
      db
        .update(grants)
        .set({ deletedAt: grant.createdAt })
        .where(and(isSameAs(grant), lte(grants.expiresAt, grant.createdAt))),

    /** The grant by which a subject has the same role in the same place, ended or not. */
    async findSame(grant: NewGrant): Promise<GrantRow | undefined> {
      const [row] = await db.select().from(grants).where(isSameAs(grant));
      return row;
    },

    /**
     * Forgets grants that were deleted before a moment, in ms, the first ones and no more than `limit`. How many went. Owners
     * stay: they keep their instance closed.
     */
    purge(deletedBefore: number, limit: number): Promise<number> {
      return deleteFirst(db, {
        key: grants.id,
        by: grants.deletedAt,
        where: and(lt(grants.deletedAt, deletedBefore), sql`${grants.role} <> 'owner'`),
        limit,
      });
    },

    /** Deletes grants that ended before a moment, in ms, the first ones and no more than `limit`. How many went. */
    async retire(endedBefore: number, limit: number): Promise<number> {
      const ended = db
        .select({ id: grants.id })
        .from(grants)
        .where(and(isNull(grants.deletedAt), lt(grants.expiresAt, endedBefore)))
        .orderBy(asc(grants.expiresAt))
        .limit(limit);
      const gone = await db
        .update(grants)
        .set({ deletedAt: sql`expires_at` })
        .where(and(inArray(grants.id, ended), isNull(grants.deletedAt)))
        .returning({ id: grants.id });
      return gone.length;
    },

    /** Deletes a grant that nobody deleted before. `now` in ms. */
    delete: (id: string, now: number): Statement =>
      db
        .update(grants)
        .set({ deletedAt: now })
        .where(and(eq(grants.id, id), isNull(grants.deletedAt))),

    /**
     * Deletes the grants in force of a subject, and its data in their rows: `subject` becomes `other`, which is the id
     * of no principal. An instance whose owner it was stays closed. `now` in ms.
     */
    forget: (subject: string, other: string, now: number): Statement =>
      db
        .update(grants)
        .set({ deletedAt: now, subject: other, reason: '' })
        .where(and(eq(grants.subject, subject), isNull(grants.deletedAt))),

    /**
     * Claims an instance that never had an owner: an instance whose owner was deleted stays closed. One statement
     * decides, so that one of several first users wins. `maxClaims` is the limit of one subject over its used claims
     * and its claims since `claimsSince`, in ms.
     */
    claim(grant: NewGrant, maxClaims: number, claimsSince: number): Statement {
      return db
        .insert(grants)
        .select(
          sql`${selectNew(grant, 1)}
        WHERE (${claimsOf(grant.subject, claimsSince)}) < ${maxClaims} AND NOT EXISTS (
          SELECT 1 FROM ${grants}
          WHERE agent_slug = ${grant.agentSlug} AND instance_id = ${grant.instanceId} AND role = 'owner')`,
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

/** The row of a new grant: every column, in the order of the schema. */
const selectNew = (grant: NewGrant, claimed: 0 | 1): SQL =>
  sql`SELECT ${grant.id}, ${grant.subject}, ${grant.agentSlug}, ${grant.instanceId}, ${grant.role}, ${grant.reason},
    ${grant.createdBy}, ${grant.createdAt}, ${grant.expiresAt}, ${claimed}, NULL, NULL`;

/** Condition of the one grant of the same subject and role in the same place. */
const isSameAs = (grant: NewGrant): SQL | undefined =>
  and(
    eq(grants.subject, grant.subject),
    eq(grants.agentSlug, grant.agentSlug),
    eq(grants.role, grant.role),
    eq(grants.instanceId, grant.instanceId),
    isNull(grants.deletedAt),
  );

/** As many grants of an instance as there are, but no more than a number. */
const grantsOn = ({ agentSlug, instanceId }: NewGrant, most: number): SQL =>
  sql`SELECT 1 FROM ${grants}
    WHERE agent_slug = ${agentSlug} AND instance_id = ${instanceId} AND deleted_at IS NULL LIMIT ${most}`;

/**
 * Drops the grants of a deleted instance that were made until a moment, in ms, and its deleted owners. Other deleted
 * grants have no effect and are purged in time.
 */
export function dropGrantsOf(
  db: ControlDatabase,
  { agent, instance, before }: { readonly agent: string; readonly instance: string; readonly before: number },
): [Statement, Statement] {
  const there = and(
    eq(grants.agentSlug, agent),
    eq(grants.instanceId, instance),
    lte(grants.createdAt, before),
  );
  return [
    db.delete(grants).where(and(there, isNull(grants.deletedAt))),
    db.delete(grants).where(and(there, sql`${grants.role} = 'owner'`)),
  ];
}
