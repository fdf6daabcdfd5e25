import { and, eq, isNull, lte } from 'drizzle-orm';
import type { ControlDatabase } from './database.ts';
import { grants, locks, outbox } from './schema.ts';

/** A deletion of one instance on its way: a command, and a lock of the same id that keeps the instance closed. */
export interface Deletion {
  readonly id: string;
  readonly agent: string;
  readonly instance: string;
  /** When it was asked for, in ms: grants made later are for the instance that comes after. */
  readonly before: number;
}

export function deletionQueries(db: ControlDatabase) {
  return {
    /**
     * The object is gone: drops the grants of before, deleted ones too, and opens the instance, which is as if it
     * had never been. One batch, so that it is never open with what it was.
     */
    async finish({ id, agent, instance, before }: Deletion, now: number): Promise<void> {
      await db.batch([
        db
          .delete(grants)
          .where(
            and(eq(grants.agentSlug, agent), eq(grants.instanceId, instance), lte(grants.createdAt, before)),
          ),
        db
          .update(locks)
          .set({ liftedAt: now })
          .where(and(eq(locks.id, id), isNull(locks.liftedAt))),
        db.delete(outbox).where(eq(outbox.id, id)),
      ]);
    },
  };
}
