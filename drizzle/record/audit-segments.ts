import { and, asc, desc, eq, gt, isNull, sql } from 'drizzle-orm';
import { type AuditEventRow, arrivalsAfter } from './audit-log.ts';
import type { RecordDatabase } from './revocations.ts';
import { auditCheckpoints, auditSegments } from './schema.ts';

export type SegmentRow = typeof auditSegments.$inferSelect;

/** The segments of the audit log that are in the archive. */
export function segmentStore(db: RecordDatabase) {
  const { n, through, purgedAt } = auditSegments;
  // An attacker who writes a row with other numbers must not hide events that are in the database.
  const endsWithCheckpoint = sql`EXISTS (SELECT 1 FROM ${auditCheckpoints}
    WHERE ${auditCheckpoints.n} = ${n} AND ${auditCheckpoints.through} = ${through})`;
  return {
    /** The last one that ends with a checkpoint, also while it is being deleted. */
    async newest(): Promise<SegmentRow | undefined> {
      const [row] = await db
        .select()
        .from(auditSegments)
        .where(and(gt(n, 0), endsWithCheckpoint))
        .orderBy(desc(n))
        .limit(1);
      return row;
    },

    /** The first one, also while it is being deleted. */
    async oldest(): Promise<SegmentRow | undefined> {
      const [row] = await db.select().from(auditSegments).where(gt(n, 0)).orderBy(asc(n)).limit(1);
      return row;
    },

    /**
     * The events that follow a number: the first segment that has one of them and ends with a checkpoint, or else rows of
     * the database. Both are read in one batch, so that no event is in neither while a segment is noted and its rows are
     * deleted.
     */
    async following(
      after: number,
      limit: number,
    ): Promise<{ readonly segment: SegmentRow | undefined; readonly rows: AuditEventRow[] }> {
      const [[segment], rows] = await db.batch([
        db
          .select()
          .from(auditSegments)
          .where(and(gt(through, after), isNull(purgedAt), endsWithCheckpoint))
          .orderBy(asc(through), asc(n))
          .limit(1),
        arrivalsAfter(db, after, limit),
      ]);
      return { segment, rows };
    },

    /** Notes that a segment is in the archive, unless another instance did. From then on it is read in place of its rows. */
    async insert(segment: SegmentRow): Promise<void> {
      await db.insert(auditSegments).values(segment).onConflictDoNothing();
    },

    /** Nothing reads it any more. `now` in ms. */
    async endReading(number: number, now: number): Promise<void> {
      await db.update(auditSegments).set({ purgedAt: now }).where(eq(n, number));
    },

    async delete(number: number): Promise<void> {
      await db.delete(auditSegments).where(eq(n, number));
    },
  };
}
