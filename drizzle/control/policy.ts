import { ROLES } from '@agent-ticket/shared/names.ts';
import { and, eq, gt, inArray, isNull, or, type SQL, sql } from 'drizzle-orm';
import { among } from '../database.ts';
import { type ControlDatabase, isAnyOn, type RevocationRow } from './change.ts';
import { grants, principals, revocations } from './schema.ts';

export type GrantRow = typeof grants.$inferSelect;

export interface PolicyQuestion {
  readonly principal: string;
  /** Every subject spelling under which the principal may have been granted something. */
  readonly subjects: readonly string[];
  /** The instance in question. */
  readonly at: { readonly agent: string; readonly instance: string };
  /** Names of the targets of a revocation that would refuse this request, those of `at` among them. */
  readonly targets: readonly string[];
  /** In ms: claims made before it that nobody opened do not count. */
  readonly claimsSince: number;
  /** Milliseconds. */
  readonly now: number;
}

/** The rows of the control database that a policy decision depends on. */
export interface PolicyRows {
  /** Grants that name the principal there and have not ended. */
  readonly grants: readonly GrantRow[];
  /** Revocations of any ticket in force on one of the targets, one of each target. */
  readonly revocations: readonly RevocationRow[];
  /** Number of the newest change: what is decided by these rows takes every change up to it into account. */
  readonly rev: number;
  readonly signedOut: Pick<typeof principals.$inferSelect, 'tokensBefore' | 'loginsBefore'> | undefined;
  /** Owner grants that the instance in question ever had, deleted ones too: two of them where there are more. */
  readonly owners: readonly GrantRow[];
  /** How many instances the principal holds by having been first. */
  readonly claims: number;
}

/** Condition of grants in force at `now`, in ms. */
export const isGrantInForce = (now: number): SQL | undefined =>
  and(isNull(grants.deletedAt), or(isNull(grants.expiresAt), gt(grants.expiresAt, now)));

/** The role as a list, so that the index of grants is sought by every column. */
export const ROLE_NAMES: readonly string[] = ROLES;

/** How many claims of a principal count: those that were opened, and those since a moment, in ms. */
export const claimsOf = (principal: string | SQL, since: number | SQL): SQL<number> =>
  sql<number>`(SELECT count(*) FROM ${grants} WHERE subject = ${principal} AND claimed = 1 AND deleted_at IS NULL
      AND opened_at IS NOT NULL)
    + (SELECT count(*) FROM ${grants} WHERE subject = ${principal} AND claimed = 1 AND deleted_at IS NULL
      AND opened_at IS NULL AND created_at >= ${since})`;

/** What ends the credentials of a caller. */
export interface CallerRows {
  /** Up to when its credentials ended, where they ever did. */
  readonly signedOut: PolicyRows['signedOut'];
  /** Revocations of any ticket in force on one of its targets, one of each target. */
  readonly revocations: readonly RevocationRow[];
}

/** The rows of one caller, in one batch. `targets`: the names of what is the caller. `now` in ms. */
export async function readCaller(
  db: ControlDatabase,
  principal: string,
  targets: readonly string[],
  now: number,
): Promise<CallerRows> {
  const [revocationRows, [signedOut]] = await db.batch([
    db.select().from(revocations).where(isAnyOn(targets, now)),
    selectSignedOut(db, principal),
  ]);
  return { signedOut, revocations: revocationRows };
}

const selectSignedOut = (db: ControlDatabase, principal: string) =>
  db
    .select({ tokensBefore: principals.tokensBefore, loginsBefore: principals.loginsBefore })
    .from(principals)
    .where(eq(principals.id, principal));

/**
 * One batch, so that the number and the rows come from one state of the database. What it reads does not grow with the
 * grants that the principal has elsewhere, nor with those that others have here.
 */
export async function readPolicy(db: ControlDatabase, q: PolicyQuestion): Promise<PolicyRows> {
  const { at, now } = q;
  const [grantRows, revocationRows, [newest], [signedOut], owners, [claims]] = await db.batch([
    db
      .select()
      .from(grants)
      .where(
        and(
          inArray(grants.subject, among(q.subjects)),
          eq(grants.agentSlug, at.agent),
          inArray(grants.role, ROLE_NAMES),
          inArray(grants.instanceId, [at.instance, '*']),
          isGrantInForce(now),
        ),
      ),
    db.select().from(revocations).where(isAnyOn(q.targets, now)),
    db.select({ rev: sql<number>`coalesce(max(rev), 0)` }).from(revocations),
    selectSignedOut(db, q.principal),
    db
      .select()
      .from(grants)
      .where(
        // Literal, so that the planner sees that the index of owners fits.
        and(
          eq(grants.agentSlug, at.agent),
          eq(grants.instanceId, at.instance),
          sql`${grants.role} = 'owner'`,
        ),
      )
      .limit(2),
    db.select({ n: claimsOf(q.principal, q.claimsSince) }).from(sql`(SELECT 1)`),
  ]);
  return {
    grants: grantRows,
    revocations: revocationRows,
    rev: newest?.rev ?? 0,
    signedOut,
    owners,
    claims: claims?.n ?? 0,
  };
}
