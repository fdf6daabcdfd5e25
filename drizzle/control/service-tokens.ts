import { and, eq, isNull, lt, or } from 'drizzle-orm';
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
