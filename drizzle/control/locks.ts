import { and, desc, eq, gt, inArray, isNull, or, sql } from 'drizzle-orm';
import type { ControlDatabase } from './database.ts';
import { insertCommand, type NewCommand } from './outbox.ts';
import type { LockRow } from './policy.ts';
import { locks } from './schema.ts';

export interface LockPlace {
  readonly createdAt: number;
  readonly id: string;
}

export function lockQueries(db: ControlDatabase) {
  return {
    /** Writes a lock and the command that carries it to live sockets, both or neither. */
    async insert(lock: Omit<LockRow, 'liftedAt'>, command: NewCommand): Promise<void> {
      await db.batch([db.insert(locks).values(lock), insertCommand(db, command)]);
    },

    async find(id: string): Promise<LockRow | undefined> {
      const [row] = await db
        .select()
        .from(locks)
        .where(and(eq(locks.id, id), isNull(locks.liftedAt)));
      return row;
    },

    /** Standing locks, newest first. `now` in ms. */
    list: (now: number, after: LockPlace | undefined, limit: number): Promise<LockRow[]> =>
      db
        .select()
        .from(locks)
        .where(
          and(
            isNull(locks.liftedAt),
            or(isNull(locks.expiresAt), gt(locks.expiresAt, now)),
            after === undefined
              ? undefined
              : sql`(${locks.createdAt}, ${locks.id}) < (${after.createdAt}, ${after.id})`,
          ),
        )
        .orderBy(desc(locks.createdAt), desc(locks.id))
        .limit(limit),

    /** Standing locks on any of the targets. One target may have several. `now` in ms. */
    onTargets: (targets: readonly string[], now: number): Promise<LockRow[]> =>
      db
        .select()
        .from(locks)
        .where(
          and(
            inArray(locks.target, sql`(SELECT value FROM json_each(${JSON.stringify(targets)}))`),
            isNull(locks.liftedAt),
            or(isNull(locks.expiresAt), gt(locks.expiresAt, now)),
          ),
        ),

    /** Lifts a lock. Whether this call did. */
    async lift(id: string, now: number): Promise<boolean> {
      const lifted = await db
        .update(locks)
        .set({ liftedAt: now })
        .where(and(eq(locks.id, id), isNull(locks.liftedAt)))
        .returning({ id: locks.id });
      return lifted.length === 1;
    },
  };
}
