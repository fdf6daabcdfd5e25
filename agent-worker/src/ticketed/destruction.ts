import { backlogStore } from '@agent-ticket/drizzle/object/backlog.ts';
import { burnStore } from '@agent-ticket/drizzle/object/burns.ts';
import { objectRevocationStore } from '@agent-ticket/drizzle/object/revocations.ts';
import type { SessionRows } from '@agent-ticket/drizzle/object/sessions.ts';
import { copyObjectTables, createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import type { Audit } from './audit.ts';
import type { Sessions } from './sessions.ts';
import type { Streams } from './streams.ts';
import { unexpiredFrom } from './sweep.ts';

interface DestructionPorts {
  readonly rows: SessionRows;
  readonly sessions: Pick<Sessions, 'listOpen' | 'end' | 'terminate'>;
  readonly audit: Pick<Audit, 'releaseReplays' | 'releaseCalls'>;
  readonly streams: Pick<Streams, 'cut'>;
  readonly ctx: Pick<DurableObjectState, 'storage' | 'abort'>;
  readonly clock: () => number;
  /** Ends the sessions of MCP, which are objects of their own. */
  readonly endMcpSessions: () => Promise<void>;
  /** The agent's own `destroy`, which ends in the SDK's. */
  readonly destroy: () => Promise<void>;
  /** Whether the tables outlive a deletion of all data by agent code; otherwise nothing is to stay. */
  readonly keepsTables: boolean;
}

/** Destroys one object, once at a time, and leaves what is to outlive it. */
export function createDestruction(ports: DestructionPorts) {
  const { rows, sessions, audit, streams, ctx, clock, endMcpSessions, destroy, keepsTables } = ports;
  const { storage } = ctx;
  /** The storage after the construction of the object, where it was empty before. */
  let made: string | undefined;
  // After the constructors of the agent's own classes, which make tables as well, and before any event.
  if (blank.has(ctx))
    queueMicrotask(() => {
      made = contentsOf(storage);
    });
  const deleteAll = storage.deleteAll.bind(storage);
  if (keepsTables) keepThroughDeletions(storage, deleteAll, rows);
  let isErased = false;
  let isStarted = false;
  let isUnderWay = false;
  /** Until the SDK ends this life of the object. */
  let isDeleted = false;
  let running: Promise<number> | undefined;
  /** The deletion for which the broker commanded the destruction that is under way. */
  let commandedBy: Revocation | undefined;

  async function run(): Promise<number> {
    isUnderWay = true;
    let closed = 0;
    for (const { id } of sessions.listOpen())
      if (commandedBy !== undefined) closed += sessions.terminate(id, 'session_terminated');
      else {
        streams.cut(id);
        sessions.end(id, 'destroyed');
      }
    await endMcpSessions();
    audit.releaseReplays(Number.POSITIVE_INFINITY);
    audit.releaseCalls();
    keepAfterDeletion(storage, deleteAll, rows, clock(), () => {
      isDeleted = true;
      return commandedBy;
    });
    await destroy();
    return closed;
  }

  /** A call while it is under way waits for the same. One that failed can be tried again. */
  function start(): Promise<number> {
    running ??= run().finally(() => {
      isUnderWay = false;
      running = undefined;
      commandedBy = undefined;
    });
    return running;
  }

  return {
    async start(): Promise<void> {
      await start();
    },

    /** The object runs no code of the agent but its `destroy`: what starts the SDK would meet tables that are gone. */
    isUnderWay: () => isUnderWay || isDeleted,

    /**
     * Deletes the tables that the construction of the object made, if the storage was empty before and nothing was written
     * since: nobody opened this object, and nothing can be lost.
     */
    async eraseBlank(): Promise<void> {
      // An alarm leaves no row. A call that has begun may leave none yet either, but then the SDK has started.
      if (isStarted || (await storage.getAlarm()) !== null) return;
      if (made === undefined || isStarted || contentsOf(storage) !== made) return;
      isErased = true;
      await deleteAll();
      await storage.sync();
      // After the answer.
      setTimeout(() => ctx.abort('nobody opened this object'), 0);
    },

    /** The SDK starts the agent: its code may run from now on. */
    noteStarted(): void {
      isStarted = true;
    },

    /** Whether this life of the object ends at once and has no tables. A caller that asks again makes the object anew. */
    isErased: () => isErased,

    /** Whether the object was destroyed for this deletion or a newer version of it. */
    isDoneFor: ({ id, rev }: Revocation): boolean =>
      objectRevocationStore(storage.sql)
        .all()
        .some((row) => row.id === doneId(id) && row.rev >= rev),

    /**
     * Destroys the object for a deletion that the broker commanded. Answers how many sockets and streams it closed.
     */
    startFor(deletion: Revocation): Promise<number> {
      commandedBy = deletion;
      return start();
    },
  };
}
export type Destruction = ReturnType<typeof createDestruction>;

const blank = new WeakSet<object>();
/** Notes an object that has nothing, before its constructor makes tables. */
export function noteBlank(ctx: DurableObjectState): void {
  const { sql, kv } = ctx.storage;
  // Without counting rows, since this runs at each wake of each object.
  if (tablesOf(sql, 1).length === 0 && [...kv.list({ limit: 1 })].length === 0) blank.add(ctx);
}
export const isBlank = (ctx: DurableObjectState): boolean => blank.has(ctx);

/** The most keys that are read: a storage with more is not that of a new object. */
const KEYS = 16;

/** The runtime's own tables are not among them. */
const tablesOf = (sql: SqlStorage, limit = -1): string[] =>
  sql
    .exec<{ name: string }>(
      `SELECT name FROM sqlite_master
       WHERE type = 'table' AND name NOT GLOB '_cf_*' AND name NOT GLOB 'sqlite_*' LIMIT ?`,
      limit,
    )
    .toArray()
    .map(({ name }) => name);

/** The tables of a storage with the number of their rows, and its keys. */
const contentsOf = ({ sql, kv }: DurableObjectStorage): string =>
  [
    ...tablesOf(sql).map((name) => `${name} ${sql.exec(`SELECT count(*) AS n FROM "${name}"`).one().n}`),
    ...[...kv.list({ limit: KEYS })].map(([key]) => key),
  ].join();

/** Id of the row by which a repeated command finds that its destruction was done. */
const doneId = (id: string): string => `destroyed:${id}`;

/**
 * Agent code may delete all data without an end of the object. Its sessions are open as before, so what ends them stays, and
 * so does what is burned.
 */
function keepThroughDeletions(
  storage: DurableObjectStorage,
  deleteAll: DurableObjectStorage['deleteAll'],
  rows: SessionRows,
): void {
  storage.deleteAll = async (options) => {
    rows.write();
    const restore = copyObjectTables(storage.sql);
    await deleteAll(options);
    restore();
  };
}

/** How soon after its end an object wakes to deliver the facts that it left. */
const DELIVERY_MS = 5_000;

/**
 * Has the next `deleteAll` of this storage leave the object's revocations, its end among them, the burns of tickets that
 * have not expired, the facts that wait for the record database, and those that it refused. The SDK deletes everything in
 * the middle of `destroy()` and aborts the object right after, so what is to outlive it must be written, and on disk, before
 * its call of `deleteAll` returns.
 */
function keepAfterDeletion(
  storage: DurableObjectStorage,
  deleteAll: DurableObjectStorage['deleteAll'],
  sessions: SessionRows,
  destroyedAt: number,
  deletion: () => Revocation | undefined,
): void {
  const revocations = objectRevocationStore(storage.sql);
  const backlog = backlogStore(storage.sql);
  const burns = burnStore(storage.sql);
  const { deleteAll: byAgent } = storage;
  storage.deleteAll = async (options) => {
    storage.deleteAll = byAgent;
    const kept = revocations.all();
    const [waiting, aside] = [backlog.all(), backlog.listAside()];
    const exp = unexpiredFrom(destroyedAt);
    const [ended, burned] = [sessions.kept(exp), burns.unexpired(exp)];
    await deleteAll(options);
    createObjectTables(storage.sql);
    for (const row of kept) revocations.restore(row);
    const done = deletion();
    // Of tickets that were never used: a commanded deletion refuses those from before it by `rev`; otherwise only their
    // `iat` tells, which may be that far ahead of this clock.
    revocations.noteDestroyed(done === undefined ? destroyedAt + CLOCK_SKEW_SECONDS * 1000 : 0);
    // For good: a retry may come late, and must not destroy what came to be since.
    if (done !== undefined) revocations.apply({ ...done, id: doneId(done.id), kind: 'before', until: null });
    for (const item of waiting) backlog.restore(item);
    for (const fact of aside) backlog.keepAside(fact);
    for (const row of ended) sessions.restore(row);
    for (const row of burned) burns.restore(row);
    // No client may ever come back to this object, and what waits must still be delivered.
    if (waiting.length > 0 || sessions.isPending()) await storage.setAlarm(destroyedAt + DELIVERY_MS);
    await storage.sync();
  };
}
