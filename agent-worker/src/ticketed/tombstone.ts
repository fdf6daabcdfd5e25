import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import { tombstoneQueries } from '@agent-ticket/drizzle/object/tombstone.ts';

/** How soon after its end an object wakes for the facts that it left. */
const DELIVERY_MS = 5_000;

/**
 * Has the next `deleteAll` of this storage leave a tombstone and the facts that wait for the record database. The SDK
 * deletes everything in the middle of `destroy()` and aborts the object right after, so what is to outlive it must be
 * written, and on disk, before its call of `deleteAll` returns.
 */
export function keepTombstone(storage: DurableObjectStorage, destroyedAt: number): void {
  const deleteAll = storage.deleteAll.bind(storage);
  storage.deleteAll = async (options) => {
    storage.deleteAll = deleteAll;
    const waiting = backlogQueries(storage.sql).all();
    await deleteAll(options);
    createObjectTables(storage.sql);
    tombstoneQueries(storage.sql).set(destroyedAt);
    for (const item of waiting) backlogQueries(storage.sql).restore(item);
    // Nobody may ever come back to this object, and what waits must still be delivered.
    if (waiting.length > 0) await storage.setAlarm(destroyedAt + DELIVERY_MS);
    await storage.sync();
  };
}
