/**
 * Counts the units that Cloudflare bills, from the figures of the runtime: rows by the `meta` of each answer of D1 and by the
 * cursor of each statement in an object, alarms, and calls to objects. All objects of the local runtime share this module.
 */

export interface Counts {
  readonly [what: string]: number;
}

const counts = new Map<string, number>();
/** A cursor has its count only after its rows were read, so the counts are read later. */
const cursors: { readonly kind: string; readonly cursor: object }[] = [];
const kinds = new WeakMap<object, string>();
const patched = new WeakSet<object>();

export const count = (what: string, by = 1): void => void counts.set(what, (counts.get(what) ?? 0) + by);

const memberOf = (from: unknown, name: string): unknown =>
  typeof from === 'object' && from !== null ? Reflect.get(from, name) : undefined;
const numberOf = (from: unknown, name: string): number => {
  const value = memberOf(from, name);
  return typeof value === 'number' ? value : 0;
};

/** Replaces a method of a prototype once. The new method gets the object and the result of the old method. */
function watch(object: object, name: string, seen: (self: object, answer: unknown) => void): void {
  const prototype: object = Object.getPrototypeOf(object);
  const method: unknown = Reflect.get(prototype, name);
  if (typeof method !== 'function') throw new TypeError(`${name} is no method: the runtime has changed`);
  if (patched.has(method)) return;
  const counting = function (this: object, ...args: unknown[]): unknown {
    const answer: unknown = Reflect.apply(method, this, args);
    if (answer instanceof Promise) answer.then((value: unknown) => seen(this, value)).catch(() => {});
    else seen(this, answer);
    return answer;
  };
  patched.add(counting);
  Reflect.set(prototype, name, counting);
}

/** Counts rows of a D1 database, under a name. Every context of the runtime has another binding object. */
export function countDatabase(database: D1Database, name: string): void {
  const session = memberOf(database.prepare('SELECT 1'), 'dbSession');
  if (typeof session !== 'object' || session === null) throw new TypeError('the runtime has changed');
  kinds.set(session, name);
  watch(session, '_sendOrThrow', (self, answer) => {
    const kind = kinds.get(self);
    if (kind === undefined) return;
    count(`${kind}.trips`);
    for (const result of Array.isArray(answer) ? answer : [answer]) {
      const meta = memberOf(result, 'meta');
      count(`${kind}.written`, numberOf(meta, 'rows_written'));
      count(`${kind}.read`, numberOf(meta, 'rows_read'));
    }
  });
}

/** Counts rows and alarms of an object, under a name. */
export function countObject({ storage }: DurableObjectState, kind: string): void {
  const { sql } = storage;
  kinds.set(sql, kind);
  kinds.set(storage, kind);
  watch(sql, 'exec', (self, cursor) => {
    if (typeof cursor === 'object' && cursor !== null)
      cursors.push({ kind: kinds.get(self) ?? kind, cursor });
  });
  watch(storage, 'setAlarm', (self) => count(`${kinds.get(self) ?? kind}.alarms_set`));
}

/** All counts since the start of the worker. */
export function readCounts(): Counts {
  for (const { kind, cursor } of cursors.splice(0)) {
    count(`${kind}.written`, numberOf(cursor, 'rowsWritten'));
    count(`${kind}.read`, numberOf(cursor, 'rowsRead'));
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => a.localeCompare(b)));
}
