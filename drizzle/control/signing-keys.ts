import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { and, desc, eq, exists, isNull, lt, sql } from 'drizzle-orm';
import { insertChangeEvent } from './change-events.ts';
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

    /** Makes the first key, with its event, unless there is one. Whether this call made it. */
    async insertFirst(key: NewSigningKey, event?: AuditEvent): Promise<boolean> {
      const insert = db
        .insert(signingKeys)
        .values({ ...key, generation: 1 })
        .onConflictDoNothing()
        .returning({ kid: signingKeys.kid });
      const [made] = await db.batch([insert, ...eventOf(key, event)]);
      return made.length === 1;
    },

    /**
     * Inserts the next generation with its event and gives its predecessor an end, all or nothing. Answers `false`
     * and changes nothing when another rotation took the generation first.
     */
    async insertNext(
      key: NewSigningKey,
      previous: { retiresAt: number; removedAt: number },
      event?: AuditEvent,
    ): Promise<boolean> {
      const successor = db
        .select({ one: sql`1` })
        .from(signingKeys)
        .where(and(eq(signingKeys.kid, key.kid), eq(signingKeys.generation, key.generation)));
      const [made] = await db.batch([
        db.insert(signingKeys).values(key).onConflictDoNothing().returning({ kid: signingKeys.kid }),
        db
          .update(signingKeys)
          .set(previous)
          .where(
            and(
              eq(signingKeys.purpose, key.purpose),
              lt(signingKeys.generation, key.generation),
              isNull(signingKeys.retiresAt),
              exists(successor),
            ),
          ),
        ...eventOf(key, event),
      ]);
      return made.length === 1;
    },

    /** Replaces the sealed text of a key that still has the old one. Whether this call did. */
    async reseal(kid: string, from: string, to: string): Promise<boolean> {
      const changed = await db
        .update(signingKeys)
        .set({ sealed: to })
        .where(and(eq(signingKeys.kid, kid), eq(signingKeys.sealed, from)))
        .returning({ kid: signingKeys.kid });
      return changed.length === 1;
    },

    /** Forgets keys that have been of no use since before a moment, in ms. Never the newest: generations only grow. */
    async purge(purpose: SigningKeyRow['purpose'], before: number): Promise<string[]> {
      const newest = sql`(SELECT max(generation) FROM signing_keys WHERE purpose = ${purpose})`;
      const gone = await db
        .delete(signingKeys)
        .where(
          and(
            eq(signingKeys.purpose, purpose),
            lt(signingKeys.generation, newest),
            lt(sql`coalesce(${signingKeys.revokedAt}, ${signingKeys.removedAt})`, before),
          ),
        )
        .returning({ kid: signingKeys.kid });
      return gone.map(({ kid }) => kid);
    },
  };

  /** Only with the key: a rotation that lost leaves no trace. */
  function eventOf({ kid }: NewSigningKey, event: AuditEvent | undefined) {
    return event === undefined ? [] : [insertChangeEvent(db, event, signingKeys, eq(signingKeys.kid, kid))];
  }
}
