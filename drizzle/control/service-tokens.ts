import { and, desc, eq, exists, gt, isNull, lt, or, sql } from 'drizzle-orm';
import type { ControlDatabase } from './database.ts';
import { serviceTokenSecrets, serviceTokens } from './schema.ts';

export type ServiceTokenRow = typeof serviceTokens.$inferSelect;
export type ServiceTokenSecretRow = typeof serviceTokenSecrets.$inferSelect;

export function serviceTokenQueries(db: ControlDatabase) {
  return {
    /** Inserts a token with its first secret, both or neither. */
    async insert(
      token: typeof serviceTokens.$inferInsert,
      secret: typeof serviceTokenSecrets.$inferInsert,
    ): Promise<void> {
      await db.batch([db.insert(serviceTokens).values(token), db.insert(serviceTokenSecrets).values(secret)]);
    },

    /** A token and its secrets, those past their grace time included: the caller has the clock. */
    async findByClientId(
      clientId: string,
    ): Promise<{ token: ServiceTokenRow; secrets: ServiceTokenSecretRow[] } | undefined> {
      const rows = await db
        .select({ token: serviceTokens, secret: serviceTokenSecrets })
        .from(serviceTokens)
        .innerJoin(serviceTokenSecrets, eq(serviceTokenSecrets.tokenId, serviceTokens.id))
        .where(eq(serviceTokens.clientId, clientId));
      const [first] = rows;
      return first === undefined ? undefined : { token: first.token, secrets: rows.map((row) => row.secret) };
    },

    /** The token that a secret belongs to. */
    async findByDigest(
      digest: string,
    ): Promise<{ token: ServiceTokenRow; secrets: ServiceTokenSecretRow[] } | undefined> {
      const [row] = await db
        .select({ token: serviceTokens, secret: serviceTokenSecrets })
        .from(serviceTokenSecrets)
        .innerJoin(serviceTokens, eq(serviceTokenSecrets.tokenId, serviceTokens.id))
        .where(eq(serviceTokenSecrets.digest, digest));
      return row === undefined ? undefined : { token: row.token, secrets: [row.secret] };
    },

    async find(id: string): Promise<ServiceTokenRow | undefined> {
      const [token] = await db.select().from(serviceTokens).where(eq(serviceTokens.id, id));
      return token;
    },

    /** Tokens that were not revoked, newest first, after a place in that order. */
    list: (after: { createdAt: number; id: string } | undefined, limit: number): Promise<ServiceTokenRow[]> =>
      db
        .select()
        .from(serviceTokens)
        .where(
          and(
            isNull(serviceTokens.revokedAt),
            after === undefined
              ? undefined
              : sql`(${serviceTokens.createdAt}, ${serviceTokens.id}) < (${after.createdAt}, ${after.id})`,
          ),
        )
        .orderBy(desc(serviceTokens.createdAt), desc(serviceTokens.id))
        .limit(limit),

    /**
     * Adds a secret, gives the one before it an end, and ends at once those that a rotation before ended later, so
     * that two are good at most; all of it or nothing. Answers `false` and changes nothing for a token that is
     * unknown or revoked.
     */
    async addSecret(
      secret: typeof serviceTokenSecrets.$inferInsert,
      previousEndsAt: number,
    ): Promise<boolean> {
      const live = db
        .select({ one: sql`1` })
        .from(serviceTokens)
        .where(and(eq(serviceTokens.id, secret.tokenId), isNull(serviceTokens.revokedAt)));
      const [, made] = await db.batch([
        db
          .update(serviceTokenSecrets)
          .set({
            // Only the newest secret has no end yet.
            expiresAt: sql`CASE WHEN ${serviceTokenSecrets.expiresAt} IS NULL THEN ${previousEndsAt} ELSE ${secret.createdAt} END`,
          })
          .where(
            and(
              eq(serviceTokenSecrets.tokenId, secret.tokenId),
              or(isNull(serviceTokenSecrets.expiresAt), gt(serviceTokenSecrets.expiresAt, secret.createdAt)),
              exists(live),
            ),
          ),
        db
          .insert(serviceTokenSecrets)
          .select(
            db
              .select({
                digest: sql<string>`${secret.digest}`.as('digest'),
                tokenId: serviceTokens.id,
                createdAt: sql<number>`${secret.createdAt}`.as('created_at'),
                expiresAt: sql<number | null>`null`.as('expires_at'),
              })
              .from(serviceTokens)
              .where(and(eq(serviceTokens.id, secret.tokenId), isNull(serviceTokens.revokedAt))),
          )
          .returning({ digest: serviceTokenSecrets.digest }),
      ]);
      return made.length === 1;
    },

    /** Ends a token for good. Whether this call did. */
    async revoke(id: string, now: number): Promise<boolean> {
      const ended = await db
        .update(serviceTokens)
        .set({ revokedAt: now })
        .where(and(eq(serviceTokens.id, id), isNull(serviceTokens.revokedAt)))
        .returning({ id: serviceTokens.id });
      return ended.length === 1;
    },

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
  };
}
