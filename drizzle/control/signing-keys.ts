import { and, desc, eq, exists, gt, isNull, lt, or, type SQL, sql } from 'drizzle-orm';
import type { Statement } from '../database.ts';
import type { Change, ControlDatabase } from './change.ts';
import { signingKeys } from './schema.ts';

export type SigningKeyRow = typeof signingKeys.$inferSelect;
export type NewSigningKey = Pick<
  SigningKeyRow,
  'kid' | 'purpose' | 'generation' | 'alg' | 'sealed' | 'createdAt' | 'activatesAt'
>;

/** The columns that the state of a key follows from. */
export type KeyTimes = Pick<
  SigningKeyRow,
  'kid' | 'generation' | 'activatesAt' | 'retiresAt' | 'removedAt' | 'revokedAt'
>;

/** The successor of a key that stops signing. */
export type Successor =
  /** The key did not sign: nothing changes for the one that does. */
  | { readonly kind: 'same' }
  /** The key was to sign next: the present one goes on without an end. */
  | { readonly kind: 'kept'; readonly kid: string }
  /** A pending key signs from now on. */
  | { readonly kind: 'activated'; readonly kid: string }
  /** A new key signs from now on. */
  | { readonly kind: 'made'; readonly key: NewSigningKey };

/** The statements of a change of keys. */
type KeyChange = Pick<Change, 'before' | 'statement' | 'after'>;

export function signingKeyStore(db: ControlDatabase) {
  const insert = (key: NewSigningKey) => db.insert(signingKeys).values(key).onConflictDoNothing();
  const anyKey = (when: SQL | undefined) => exists(db.select({ one: sql`1` }).from(signingKeys).where(when));

  return {
    /** Every key of a purpose, newest generation first. */
    list: (purpose: SigningKeyRow['purpose']): Promise<SigningKeyRow[]> =>
      db
        .select()
        .from(signingKeys)
        .where(eq(signingKeys.purpose, purpose))
        .orderBy(desc(signingKeys.generation)),

    /** Keys of a purpose before a generation, newest first. */
    page: (
      purpose: SigningKeyRow['purpose'],
      before: number | undefined,
      limit: number,
    ): Promise<SigningKeyRow[]> =>
      db
        .select()
        .from(signingKeys)
        .where(
          and(
            eq(signingKeys.purpose, purpose),
            lt(signingKeys.generation, before ?? Number.MAX_SAFE_INTEGER),
          ),
        )
        .orderBy(desc(signingKeys.generation))
        .limit(limit),

    /** Replaces the sealed text of a key that still has the old one. Whether this call did. */
    reseal: (kid: string, from: string, to: string): Statement =>
      db
        .update(signingKeys)
        .set({ sealed: to })
        .where(and(eq(signingKeys.kid, kid), eq(signingKeys.sealed, from))),

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

    // Changes.

    /** Makes the first key, unless there is one. */
    makeFirst: (key: NewSigningKey): KeyChange => ({ statement: insert({ ...key, generation: 1 }) }),

    /** Inserts the next generation and gives its predecessor an end, unless another rotation took the generation. */
    rotate: (key: NewSigningKey, previous: { retiresAt: number; removedAt: number }): KeyChange => ({
      statement: insert(key),
      after: (applied) => [
        db
          .update(signingKeys)
          .set(previous)
          .where(
            and(
              eq(signingKeys.purpose, key.purpose),
              lt(signingKeys.generation, key.generation),
              isNull(signingKeys.retiresAt),
              applied,
            ),
          ),
      ],
    }),

    /**
     * Revokes a key for good: its private part is deleted, so that no later edit of the row restores it. Does not apply
     * when the keys changed after the successor was chosen. `at` in ms.
     */
    revoke: (kid: string, successor: Successor, at: number): KeyChange => ({
      before: successor.kind === 'made' ? [insert(successor.key)] : [],
      statement: db
        .update(signingKeys)
        .set({
          revokedAt: at,
          sealed: '',
          retiresAt: sql`coalesce(${signingKeys.retiresAt}, ${at})`,
          removedAt: sql`coalesce(${signingKeys.removedAt}, ${at})`,
        })
        .where(and(eq(signingKeys.kid, kid), isNull(signingKeys.revokedAt), stillThere(successor, at))),
      after: (applied) => promote(successor, at, applied),
    }),
  };

  /** Whether the successor is what it was when it was chosen: of a new one, whether it took its generation. */
  function stillThere(successor: Successor, at: number): SQL | undefined {
    switch (successor.kind) {
      case 'same':
        return undefined;
      case 'made':
        return anyKey(eq(signingKeys.kid, successor.key.kid));
      case 'activated':
        return anyKey(and(eq(signingKeys.kid, successor.kid), isNull(signingKeys.revokedAt)));
      case 'kept':
        return anyKey(
          and(
            eq(signingKeys.kid, successor.kid),
            isNull(signingKeys.revokedAt),
            or(isNull(signingKeys.retiresAt), gt(signingKeys.retiresAt, at)),
          ),
        );
    }
  }

  function promote(successor: Successor, at: number, applied: SQL): Statement[] {
    if (successor.kind !== 'activated' && successor.kind !== 'kept') return [];
    const own = and(eq(signingKeys.kid, successor.kid), applied);
    return successor.kind === 'kept'
      ? [db.update(signingKeys).set({ retiresAt: null, removedAt: null }).where(own)]
      : [
          db
            .update(signingKeys)
            .set({ activatesAt: at })
            .where(and(own, gt(signingKeys.activatesAt, at))),
        ];
  }
}
