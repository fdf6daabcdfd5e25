import { and, desc, eq, exists, isNull, ne, sql } from 'drizzle-orm';
import type { ControlDatabase } from './database.ts';
import { signingKeys } from './schema.ts';

export type SigningKeyRow = typeof signingKeys.$inferSelect;
export type NewSigningKey = Pick<
  SigningKeyRow,
  'kid' | 'purpose' | 'generation' | 'alg' | 'sealed' | 'createdAt' | 'activatesAt'
>;

export function signingKeyQueries(db: ControlDatabase) {
  return {
    /** Every key of a purpose, newest generation first. */
    list: (purpose: SigningKeyRow['purpose']): Promise<SigningKeyRow[]> =>
      db
        .select()
        .from(signingKeys)
        .where(eq(signingKeys.purpose, purpose))
        .orderBy(desc(signingKeys.generation)),

    /** Makes the first key unless there is one. Whether this call made it. */
    async insertFirst(key: NewSigningKey): Promise<boolean> {
      const made = await db
        .insert(signingKeys)
        .values({ ...key, generation: 1 })
        .onConflictDoNothing()
        .returning({ kid: signingKeys.kid });
      return made.length === 1;
    },

    /**
     * Inserts the next generation and gives its predecessor an end, both or neither. Answers `false` and changes
     * nothing when another rotation took the generation first.
     */
    async insertNext(
      key: NewSigningKey,
      previous: { retiresAt: number; removedAt: number },
    ): Promise<boolean> {
      const successor = db.select({ one: sql`1` }).from(signingKeys).where(eq(signingKeys.kid, key.kid));
      const [made] = await db.batch([
        db.insert(signingKeys).values(key).onConflictDoNothing().returning({ kid: signingKeys.kid }),
        db
          .update(signingKeys)
          .set(previous)
          .where(
            and(
              eq(signingKeys.purpose, key.purpose),
              eq(signingKeys.generation, key.generation - 1),
              ne(signingKeys.kid, key.kid),
              isNull(signingKeys.retiresAt),
              exists(successor),
            ),
          ),
      ]);
      return made.length === 1;
    },
  };
}
