import { and, eq, sql } from 'drizzle-orm';
import type { Statement } from '../database.ts';
import type { ControlDatabase } from './change.ts';
import { auditSeal } from './schema.ts';

/** Where the audit log ended: checkpoint `n` covers the events up to `through`, and the head of the log was `hash`. */
export type Seal = Pick<typeof auditSeal.$inferSelect, 'n' | 'through' | 'hash'>;

const ONLY_ROW = 1;
const columns = { n: auditSeal.n, through: auditSeal.through, hash: auditSeal.hash };

export function auditSealStore(db: ControlDatabase) {
  return {
    /** `undefined` before the first checkpoint. */
    async read(): Promise<Seal | undefined> {
      const [row] = await db.select(columns).from(auditSeal).where(eq(auditSeal.id, ONLY_ROW));
      return row;
    },

    /** Notes a checkpoint, unless the same or a later one is noted. */
    async note({ n, through, hash }: Seal): Promise<void> {
      await db
        .insert(auditSeal)
        .values({ id: ONLY_ROW, n, through, hash })
        .onConflictDoUpdate({
          target: auditSeal.id,
          set: { n, through, hash },
          setWhere: sql`excluded.n > ${auditSeal.n}`,
        });
    },

    /** The statement that puts another seal, also an earlier one, in the place of exactly this one. */
    replace: (noted: Seal, { n, through, hash }: Seal): Statement =>
      db
        .update(auditSeal)
        .set({ n, through, hash })
        .where(and(eq(auditSeal.id, ONLY_ROW), eq(auditSeal.n, noted.n), eq(auditSeal.hash, noted.hash))),
  };
}
