import { and, desc, eq, exists, gt, isNotNull, isNull, lt, or, sql } from 'drizzle-orm';
import { isAfter, type Statement } from '../database.ts';
import type { Change, ControlDatabase } from './change.ts';
import { serviceTokenSecrets, serviceTokens } from './schema.ts';

export type ServiceTokenRow = typeof serviceTokens.$inferSelect;
type ServiceTokenSecretRow = typeof serviceTokenSecrets.$inferSelect;

/** A token and its secrets, those past their grace time included: the caller has the clock. */
export interface TokenWithSecrets {
  readonly token: ServiceTokenRow;
  readonly secrets: readonly ServiceTokenSecretRow[];
}

export interface ServiceTokenCursor {
  readonly createdAt: number;
  readonly id: string;
}

/** The end of a secret that no clock takes for valid. In ms. */
export const ENDED = 0;

export function serviceTokenStore(db: ControlDatabase) {
  const lastingSecret = (digest: string) =>
    db
      .select({ one: sql`1` })
      .from(serviceTokenSecrets)
      .where(and(eq(serviceTokenSecrets.digest, digest), isNull(serviceTokenSecrets.expiresAt)));
  return {
    async find(id: string): Promise<ServiceTokenRow | undefined> {
      const [token] = await db.select().from(serviceTokens).where(eq(serviceTokens.id, id));
      return token;
    },

    async findWithSecrets(id: string): Promise<TokenWithSecrets | undefined> {
      const rows = await db
        .select({ token: serviceTokens, secret: serviceTokenSecrets })
        .from(serviceTokens)
        .innerJoin(serviceTokenSecrets, eq(serviceTokenSecrets.tokenId, serviceTokens.id))
        .where(eq(serviceTokens.id, id));
      const [first] = rows;
      return first === undefined ? undefined : { token: first.token, secrets: rows.map((row) => row.secret) };
    },

    /** Tokens that were not revoked, newest first. */
    list: (after: ServiceTokenCursor | undefined, limit: number): Promise<ServiceTokenRow[]> =>
      db
        .select()
        .from(serviceTokens)
        .where(
          and(
            isNull(serviceTokens.revokedAt),
            isAfter(serviceTokens.createdAt, serviceTokens.id, after && [after.createdAt, after.id]),
          ),
        )
        .orderBy(desc(serviceTokens.createdAt), desc(serviceTokens.id))
        .limit(limit),

    /** Notes a use, unless one was noted after `notedBefore` already, so that a busy token costs few writes. */
    async noteUse(id: string, now: number, notedBefore: number): Promise<void> {
      await db
        .update(serviceTokens)
        .set({ lastUsedAt: now })
        .where(
          and(
            eq(serviceTokens.id, id),
            or(isNull(serviceTokens.lastUsedAt), lt(serviceTokens.lastUsedAt, notedBefore)),
          ),
        );
    },

    // Changes.

    /** Inserts a token with its first secret. */
    create: (
      token: typeof serviceTokens.$inferInsert,
      secret: typeof serviceTokenSecrets.$inferInsert,
    ): Pick<Change, 'before' | 'statement'> => ({
      before: [db.insert(serviceTokens).values(token)],
      statement: db.insert(serviceTokenSecrets).values(secret),
    }),

    /**
     * Adds a secret, sets the end of the previous secret, and ends older secrets at once, so that at most two are
     * valid. Without a grace time, {@link ENDED}, all others end for every clock: a request that has read its clock
     * before, or a slow one, would get a ticket by them with the number of this change, which its revocation misses.
     * Does not apply to an unknown or revoked token, nor where the secret with the digest `by`, which asks for it, has an
     * end by now.
     */
    addSecret: (
      secret: typeof serviceTokenSecrets.$inferInsert,
      previousEndsAt: number,
      by?: string,
    ): Pick<Change, 'statement' | 'after'> => ({
      statement: db.insert(serviceTokenSecrets).select(
        db
          .select({
            digest: sql<string>`${secret.digest}`.as('digest'),
            tokenId: serviceTokens.id,
            createdAt: sql<number>`${secret.createdAt}`.as('created_at'),
            expiresAt: sql<number | null>`null`.as('expires_at'),
          })
          .from(serviceTokens)
          .where(
            and(
              eq(serviceTokens.id, secret.tokenId),
              isNull(serviceTokens.revokedAt),
              by === undefined ? undefined : exists(lastingSecret(by)),
            ),
          ),
      ),
      after: (applied) => [
        db
          .update(serviceTokenSecrets)
          .set({
            // Only the newest secret before this one has no end yet.
            expiresAt:
              previousEndsAt === ENDED
                ? ENDED
                : sql`CASE WHEN ${serviceTokenSecrets.expiresAt} IS NULL THEN ${previousEndsAt} ELSE ${secret.createdAt} END`,
          })
          .where(
            and(
              eq(serviceTokenSecrets.tokenId, secret.tokenId),
              sql`${serviceTokenSecrets.digest} <> ${secret.digest}`,
              previousEndsAt === ENDED
                ? undefined
                : or(
                    isNull(serviceTokenSecrets.expiresAt),
                    gt(serviceTokenSecrets.expiresAt, secret.createdAt),
                  ),
              applied,
            ),
          ),
      ],
    }),

    /** Ends each secret that has a successor, for every clock as a rotation without a grace time does. */
    endReplaced: (id: string): Statement =>
      db
        .update(serviceTokenSecrets)
        .set({ expiresAt: ENDED })
        .where(and(eq(serviceTokenSecrets.tokenId, id), isNotNull(serviceTokenSecrets.expiresAt))),

    /** Ends a token for good. `now` in ms. */
    revoke: (id: string, now: number): Statement =>
      db
        .update(serviceTokens)
        .set({ revokedAt: now })
        .where(and(eq(serviceTokens.id, id), isNull(serviceTokens.revokedAt))),
  };
}
