import { and, asc, eq, lte, sql } from 'drizzle-orm';
import type { ControlDatabase } from './database.ts';
import { outbox } from './schema.ts';

export type OutboxRow = typeof outbox.$inferSelect;
export type NewCommand = Pick<OutboxRow, 'id' | 'command' | 'before' | 'dueAt'>;

/** For use alone or inside a `batch` with the change that the command carries. */
export const insertCommand = (db: ControlDatabase, command: NewCommand) =>
  db.insert(outbox).values({ ...command, attempts: 0 });

export function outboxQueries(db: ControlDatabase) {
  return {
    async insert(command: NewCommand): Promise<void> {
      await insertCommand(db, command);
    },

    /** Has a command that waits mean what came to be until a later moment, in ms. */
    async reach(id: string, before: number): Promise<void> {
      await db.update(outbox).set({ before }).where(eq(outbox.id, id));
    },

    /** Commands whose time has come, oldest first. */
    due: (now: number, limit: number): Promise<OutboxRow[]> =>
      db.select().from(outbox).where(lte(outbox.dueAt, now)).orderBy(asc(outbox.dueAt)).limit(limit),

    async count(): Promise<number> {
      return db.$count(outbox);
    },

    /**
     * Takes a command for one try and moves its next one to `dueAt`, so that two workers never try it together.
     * Whether this call took it.
     */
    async take(row: Pick<OutboxRow, 'id' | 'attempts'>, dueAt: number): Promise<boolean> {
      const taken = await db
        .update(outbox)
        .set({ attempts: sql`${outbox.attempts} + 1`, dueAt })
        .where(and(eq(outbox.id, row.id), eq(outbox.attempts, row.attempts)))
        .returning({ id: outbox.id });
      return taken.length === 1;
    },

    /** Every object has answered. */
    async done(id: string): Promise<void> {
      await db.delete(outbox).where(eq(outbox.id, id));
    },
  };
}
