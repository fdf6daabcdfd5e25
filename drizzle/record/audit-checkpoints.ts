import { asc, desc, eq, gt, gte, lt, lte } from 'drizzle-orm';
import type { RecordDatabase } from './revocations.ts';
import { auditCheckpoints } from './schema.ts';

export type CheckpointRow = typeof auditCheckpoints.$inferSelect;

export function checkpointStore(db: RecordDatabase) {
  const { n, at, through } = auditCheckpoints;
  /** By a column that grows with the number, so that its index finds the row at once. */
  const newestBy = async (column: typeof at | typeof through, limit: number) => {
    const [row] = await db
      .select()
      .from(auditCheckpoints)
      .where(lte(column, limit))
      .orderBy(desc(column), desc(n))
      .limit(1);
    return row;
  };

  return {
    async newest(): Promise<CheckpointRow | undefined> {
      const [row] = await db.select().from(auditCheckpoints).where(gt(n, 0)).orderBy(desc(n)).limit(1);
      return row;
    },

    async find(number: number): Promise<CheckpointRow | undefined> {
      const [row] = await db.select().from(auditCheckpoints).where(eq(n, number));
      return row;
    },

    /** The newest that covers no event after a number. */
    covering: (seq: number): Promise<CheckpointRow | undefined> => newestBy(through, seq),

    /** The first that covers an event. */
    async reaching(seq: number): Promise<CheckpointRow | undefined> {
      const [row] = await db
        .select()
        .from(auditCheckpoints)
        .where(gte(through, seq))
        .orderBy(asc(through), asc(n))
        .limit(1);
      return row;
    },

    /** The newest that was written at or before a moment, in ms. */
    writtenBy: (ms: number): Promise<CheckpointRow | undefined> => newestBy(at, ms),

    /** Writes the next checkpoint unless another sealer took its number. Whether this call did. */
    async insert(checkpoint: CheckpointRow): Promise<boolean> {
      const made = await db
        .insert(auditCheckpoints)
        .values(checkpoint)
        .onConflictDoNothing()
        .returning({ n });
      return made.length === 1;
    },

    /** Newest first, before a number. */
    list: (before: number | undefined, limit: number): Promise<CheckpointRow[]> =>
      db
        .select()
        .from(auditCheckpoints)
        .where(lt(n, before ?? Number.MAX_SAFE_INTEGER))
        .orderBy(desc(n))
        .limit(limit),

    /** In the order in which they were written, after a number. */
    following: (after: number, limit: number): Promise<CheckpointRow[]> =>
      db.select().from(auditCheckpoints).where(gt(n, after)).orderBy(asc(n)).limit(limit),
  };
}
