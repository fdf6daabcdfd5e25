import { and, eq, gt, inArray, isNull, or, type SQL, sql } from 'drizzle-orm';
import { among } from '../database.ts';
import { type ControlDatabase, isAnyOn, type RevocationRow } from './change.ts';
import { grants, principals, revocations } from './schema.ts';

export type GrantRow = typeof grants.$inferSelect;

export interface PolicyQuestion {
  readonly principal: string;
  /** Every subject spelling under which the principal may have been granted something. */
  readonly subjects: readonly string[];
  /** The instance in question; left out: wherever the principal has a grant. */
  readonly at?: { readonly agent: string; readonly instance: string } | undefined;
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
  /** Revocations of any ticket in force on one of the targets or, for all instances, on an instance of a grant. */
  readonly revocations: readonly RevocationRow[];
  /** Number of the newest change: what is decided by these rows takes every change up to it into account. */
  readonly rev: number;
  readonly signedOut: Pick<typeof principals.$inferSelect, 'tokensBefore' | 'loginsBefore'> | undefined;
  /** Every owner grant that the instance in question ever had, deleted ones too. */
  readonly owners: readonly GrantRow[];
  /** How many instances the principal holds by having been first. */
  readonly claims: number;
}

/** Condition of grants in force at `now`, in ms. */
export const isGrantInForce = (now: number): SQL | undefined =>
  and(isNull(grants.deletedAt), or(isNull(grants.expiresAt), gt(grants.expiresAt, now)));

/** One batch, so that the number and the rows come from one state of the database. */
export async function readPolicy(db: ControlDatabase, q: PolicyQuestion): Promise<PolicyRows> {
  const { at, now } = q;
  const named = and(inArray(grants.subject, among(q.subjects)), isGrantInForce(now));
  const there =
    at === undefined
      ? undefined
      : and(eq(grants.agentSlug, at.agent), inArray(grants.instanceId, [at.instance, '*']));
  const onGranted = and(
    inArray(
      revocations.target,
      db
        .select({ name: sql`'instance:' || ${grants.agentSlug} || '/' || ${grants.instanceId}` })
        .from(grants)
        .where(named),
    ),
    eq(revocations.kind, 'any'),
    or(isNull(revocations.until), gt(revocations.until, now)),
  );
  const [grantRows, revocationRows, [newest], [signedOut], owners, [claims]] = await db.batch([
    db.select().from(grants).where(and(named, there)),
    db
      .select()
      .from(revocations)
      .where(at === undefined ? or(isAnyOn(q.targets, now), onGranted) : isAnyOn(q.targets, now)),
    db.select({ rev: sql<number>`coalesce(max(rev), 0)` }).from(revocations),
    db
      .select({ tokensBefore: principals.tokensBefore, loginsBefore: principals.loginsBefore })
      .from(principals)
      .where(eq(principals.id, q.principal)),
    db
      .select()
      .from(grants)
      .where(
        // No agent is called ''.
        and(
          eq(grants.agentSlug, at?.agent ?? ''),
          eq(grants.instanceId, at?.instance ?? ''),
          eq(grants.role, 'owner'),
        ),
      ),
    db
      .select({ n: sql<number>`count(*)` })
      .from(grants)
      .where(
        and(
          eq(grants.subject, q.principal),
          sql`${grants.claimed} = 1`,
          isNull(grants.deletedAt),
          sql`(${grants.openedAt} IS NOT NULL OR ${grants.createdAt} >= ${q.claimsSince})`,
        ),
      ),
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
