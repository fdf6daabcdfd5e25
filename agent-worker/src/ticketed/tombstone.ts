import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import { tombstoneQueries } from '@agent-ticket/drizzle/object/tombstone.ts';

/**
 * Has the next `deleteAll` of this storage leave a tombstone and the facts that wait for the record database. The SDK
 * deletes everything in the middle of `destroy()` and aborts the object right after, so what is to outlive it must be
 * written, and on disk, before its call of `deleteAll` returns.
 */
export function keepTombstone(storage: DurableObjectStorage, destroyedAt: number): void {
  const deleteAll = storage.deleteAll.bind(storage);
  storage.deleteAll = async (options) => {
    const waiting = backlogQueries(storage.sql).all();
    await deleteAll(options);
    createObjectTables(storage.sql);
    tombstoneQueries(storage.sql).set(destroyedAt);
    for (const item of waiting) backlogQueries(storage.sql).restore(item);
    await storage.sync();
  };
}
