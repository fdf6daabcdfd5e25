import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { createObjectTables } from '../../object/tables.ts';

/** Runs `work` on the storage of an object that nobody used before, with its tables made. */
export const inObject = <T>(work: (sql: SqlStorage) => T | Promise<T>): Promise<T> =>
  inSameObject(newObject(), work);

export const newObject = () => env.DESTINATION.get(env.DESTINATION.newUniqueId());

export const inSameObject = <T>(
  object: ReturnType<typeof newObject>,
  work: (sql: SqlStorage) => T | Promise<T>,
): Promise<T> =>
  runInDurableObject(object, (_instance, state) => {
    createObjectTables(state.storage.sql);
    return work(state.storage.sql);
  });
