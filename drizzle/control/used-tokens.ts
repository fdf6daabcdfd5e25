import { eq, lte } from 'drizzle-orm';
import type { ControlDatabase } from './database.ts';
import { usedTokens } from './schema.ts';

export function usedTokenQueries(db: ControlDatabase) {
  return {
    /** Whether this is the first use, of any number at once. The name is kept at least until `expiresAt`, in ms. */
    async use(name: string, expiresAt: number): Promise<boolean> {
      const first = await db
        .insert(usedTokens)
        .values({ name, expiresAt })
        .onConflictDoNothing()
        .returning({ name: usedTokens.name });
      return first.length === 1;
    },

    /** Whether it was used, for what may be done twice but should not be begun again. */
    async isUsed(name: string): Promise<boolean> {
      const rows = await db
        .select({ name: usedTokens.name })
        .from(usedTokens)
        .where(eq(usedTokens.name, name));
      return rows.length > 0;
    },

    /** Forgets tokens that have expired. */
    async purge(now: number): Promise<void> {
      await db.delete(usedTokens).where(lte(usedTokens.expiresAt, now));
    },
  };
}
