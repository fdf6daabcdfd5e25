import { and, asc, eq, inArray, isNotNull, lte, sql } from 'drizzle-orm';
import { among, deleteFirst, each, type Statement } from '../database.ts';
import type { ControlDatabase } from './change.ts';
import { grants, principals, revocations } from './schema.ts';

export interface SignedOut {
  readonly id: string;
  /** Bearer tokens issued until then, in ms. */
  readonly tokensBefore: number;
  /** Sign-ins that began until then, in ms; null: another revocation names the sign-in. */
  readonly loginsBefore: number | null;
  /** In ms. */
  readonly keptUntil: number;
}

/** A principal as it was seen. */
export interface Sight {
  readonly id: string;
  readonly label: string;
  /** In ms. */
  readonly now: number;
  /** How long its sessions are kept, in ms. */
  readonly keptUntil: number;
  /** A sight with that label from this moment on is not replaced, in ms. */
  readonly since: number;
}

/** A principal that has a label. */
export interface SeenPrincipal {
  readonly id: string;
  readonly label: string;
  readonly lastSeenAt: number | null;
}

export interface LabelCursor {
  readonly label: string;
  readonly id: string;
}

/** Grants that name a principal, and locks in force on it; no more than {@link MOST_COUNTED} are counted of each. */
export interface PrincipalCounts {
  readonly grants: number;
  readonly locks: number;
}

export const MOST_COUNTED = 100;

const SEEN = {
  id: principals.id,
  label: sql<string>`${principals.label}`,
  lastSeenAt: principals.lastSeenAt,
};

/** Condition of labels that begin with a text: the greatest character ends the range. */
const beginsWith = (prefix: string) =>
  sql`${principals.label} >= ${prefix} AND ${principals.label} < ${`${prefix}\u{10ffff}`}`;

export function principalStore(db: ControlDatabase) {
  return {
    async find(id: string): Promise<typeof principals.$inferSelect | undefined> {
      const [row] = await db.select().from(principals).where(eq(principals.id, id));
      return row;
    },

    /** Notes the label of a principal and that it was seen, unless it was noted since. */
    async see({ id, label, now, keptUntil, since }: Sight): Promise<void> {
      await db
        .insert(principals)
        .values({ id, label, lastSeenAt: now, keptUntil })
        .onConflictDoUpdate({
          target: principals.id,
          set: {
            label,
            lastSeenAt: now,
            keptUntil: sql`max(${principals.keptUntil}, excluded.kept_until)`,
          },
          // Binary, so that a label in another case is another one.
          setWhere: sql`${principals.label} IS NOT ${label} COLLATE BINARY OR coalesce(${principals.lastSeenAt}, 0) < ${since}`,
        });
    },

    /** The labels of those of some principals that have one. */
    async labelsOf(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
      const rows = await db
        .select({ id: principals.id, label: SEEN.label })
        .from(principals)
        .where(and(inArray(principals.id, among(ids)), isNotNull(principals.label)));
      return new Map(rows.map(({ id, label }) => [id, label]));
    },

    /** Principals with exactly a label, but for the case of ASCII letters. */
    async withLabel(label: string, limit: number): Promise<string[]> {
      const rows = await db
        .select({ id: principals.id })
        .from(principals)
        .where(eq(principals.label, label))
        .orderBy(asc(principals.id))
        .limit(limit);
      return rows.map(({ id }) => id);
    },

    /** Principals whose label begins with a text, by label and id. */
    list: (prefix: string, after: LabelCursor | undefined, limit: number): Promise<SeenPrincipal[]> =>
      db
        .select(SEEN)
        .from(principals)
        .where(
          and(
            beginsWith(prefix),
            after && sql`(${principals.label}, ${principals.id}) > (${after.label}, ${after.id})`,
          ),
        )
        .orderBy(asc(principals.label), asc(principals.id))
        .limit(limit),

    /** Counts of some principals. `targets` are the names that a lock on each would have; `now` in ms. */
    async countsOf(
      asked: readonly { readonly id: string; readonly target: string }[],
      now: number,
    ): Promise<ReadonlyMap<string, PrincipalCounts>> {
      const rows = await db
        .select({
          id: sql<string>`q.value ->> 'id'`,
          grants: sql<number>`(SELECT count(*) FROM (SELECT 1 FROM ${grants}
            WHERE subject = q.value ->> 'id' AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > ${now})
            LIMIT ${MOST_COUNTED}))`,
          locks: sql<number>`(SELECT count(*) FROM (SELECT 1 FROM ${revocations}
            WHERE target = q.value ->> 'target' AND kind = 'any' AND code = 'locked'
              AND (until IS NULL OR until > ${now}) LIMIT ${MOST_COUNTED}))`,
        })
        .from(sql`${each(asked)} AS q`);
      return new Map(rows.map(({ id, ...counts }) => [id, counts]));
    },

    /** Forgets labels, no more than `limit`, where none is to be kept. How many went. */
    async forgetLabels(limit: number): Promise<number> {
      const labelled = db
        .select({ id: principals.id })
        .from(principals)
        .where(isNotNull(principals.label))
        .limit(limit);
      const gone = await db
        .update(principals)
        .set({ label: null, lastSeenAt: null })
        .where(inArray(principals.id, labelled))
        .returning({ id: principals.id });
      return gone.length;
    },

    /**
     * Statement for a change: deletes label and last sight. Sign-outs stay, or a credential from before would be
     * accepted.
     */
    forget: (id: string): Statement =>
      db.update(principals).set({ label: null, lastSeenAt: null }).where(eq(principals.id, id)),

    /** Statement for a change: no credential of the principal from before is taken any more. Times only grow. */
    signOut: (out: SignedOut): Statement =>
      db
        .insert(principals)
        .values(out)
        .onConflictDoUpdate({
          target: principals.id,
          set: {
            tokensBefore: sql`max(coalesce(${principals.tokensBefore}, 0), excluded.tokens_before)`,
            loginsBefore: sql`CASE WHEN excluded.logins_before IS NULL THEN ${principals.loginsBefore} ELSE max(coalesce(${principals.loginsBefore}, 0), excluded.logins_before) END`,
            keptUntil: sql`max(${principals.keptUntil}, excluded.kept_until)`,
          },
        }),

    /** Deletes rows without a live credential or a kept session, no more than `limit`. `now` in ms. */
    purge(now: number, limit: number): Promise<number> {
      return deleteFirst(db, {
        key: principals.id,
        by: principals.keptUntil,
        where: lte(principals.keptUntil, now),
        limit,
      });
    },
  };
}
