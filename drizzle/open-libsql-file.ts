import { setImmediate, setTimeout } from 'node:timers/promises';
import Connection from 'libsql';
import AsyncConnection from 'libsql/promise';
import { isBusy } from './outage.ts';

/** A statement as drizzle builds it. */
export interface Query {
  readonly sql: string;
  readonly params: readonly unknown[];
}

/** The rows of one statement, each the values of its columns in order. */
export type Rows = unknown[][];

/**
 * A libSQL file on one connection whose calls are synchronous, but for the commit, which waits for the disk on a thread of
 * the driver. Statements stay prepared. Reading needs no lock and happens at once, unless a commit is on its way. Writing
 * waits for the end of the event loop's next turn: the batches of two turns share one commit, which costs as much as the
 * commit of a single one.
 */
export interface LibsqlFile {
  /** One batch, all or nothing. Resolves after its commit, which `synchronous = FULL` makes durable. */
  batch(queries: readonly Query[]): Promise<Rows[]>;
  /** One batch of migrations: without foreign keys, since tables may be made anew (https://sqlite.org/lang_altertable.html). */
  migrate(statements: readonly string[]): Promise<void>;
  /**
   * Commits what was asked for, or rejects it where another process has the lock; the file takes nothing meanwhile and
   * afterwards. Resolves when the file is closed.
   */
  close(): Promise<void>;
}

/** A batch that waits for its commit. */
interface Waiting {
  readonly queries: readonly Query[];
  readonly resolve: (rows: Rows[]) => void;
  readonly reject: (error: unknown) => void;
  /** When a lock of another process is not waited for any longer, by `performance.now()`. */
  readonly until: number;
}

/** Batches of which nothing was written, and the error that says who has the lock. */
interface Locked {
  readonly error: unknown;
  readonly group: readonly Waiting[];
}

interface Prepared {
  readonly statement: Connection.Statement;
  readonly hasRows: boolean;
}

/** Distinct texts are few: queries are built by the code, and their lists are one parameter. */
const MAX_PREPARED = 500;

/** A commit of more batches than these would keep requests waiting that could be answered already. */
const MAX_GROUP = 200;

const LONGEST_PAUSE_MS = 50;

const READS = /^\s*select\b/i;

/**
 * @param url `file:` and a path.
 * @param deadlineMs how long to wait for a lock of another process, per batch.
 */
export async function openLibsqlFile(url: string, deadlineMs: number): Promise<LibsqlFile> {
  const connection = new Connection(pathOf(url));
  const prepared = new Map<string, Prepared>();
  let queue: Waiting[] = [];
  let flushing: Promise<void> | undefined;
  let committing: Promise<void> | undefined;
  let isClosed = false;

  function prepare(sql: string): Prepared {
    const known = prepared.get(sql);
    if (known !== undefined) return known;
    const statement = connection.prepare(sql);
    const entry = { statement, hasRows: statement.reader };
    if (entry.hasRows) statement.raw(true);
    const [oldest] = prepared.size < MAX_PREPARED ? [] : prepared.keys();
    if (oldest !== undefined) prepared.delete(oldest);
    prepared.set(sql, entry);
    return entry;
  }

  function run({ sql, params }: Query): Rows {
    const { statement, hasRows } = prepare(sql);
    const values = params.map(bindable);
    if (hasRows) return statement.all(values).map(toRow);
    statement.run(values);
    return [];
  }

  const execute = (sql: string): void => {
    run({ sql, params: [] });
  };

  /** Begins a transaction and does the work. Where that fails, nothing of it was done. */
  function begin<T>(how: 'BEGIN' | 'BEGIN IMMEDIATE', work: () => T): T {
    // Not prepared: a statement that failed at a lock stays open until it is finalized, and nothing commits beside it.
    connection.exec(how);
    return orUndone(work);
  }

  function orUndone<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      undo();
      throw error;
    }
  }

  /** A full disk or a failed read ends the transaction by itself. */
  function undo(): void {
    if (connection.inTransaction) execute('ROLLBACK');
  }

  /** All of `work` or nothing. */
  function transact<T>(how: 'BEGIN' | 'BEGIN IMMEDIATE', work: () => T): T {
    const result = begin(how, work);
    orUndone(() => execute('COMMIT'));
    return result;
  }

  /**
   * Commits on a thread of the driver: the disk takes a sixth of the time of a busy process, in which others are served. The
   * two classes of the driver differ only in where their calls run, and both call the same handle.
   */
  async function commitBeside(): Promise<void> {
    committing = AsyncConnection.prototype.exec.call(connection, 'COMMIT');
    try {
      await committing;
    } catch (error) {
      undo();
      throw error;
    } finally {
      committing = undefined;
    }
  }

  /** Other processes may write between two statements: several read in one transaction, from one state. */
  const read = (queries: readonly Query[]): Rows[] =>
    queries.length === 1 ? queries.map(run) : transact('BEGIN', () => queries.map(run));

  /** One batch inside the transaction of its group. Answers what to tell its caller once that is committed. */
  function runWaiting({ queries, resolve, reject }: Waiting): () => void {
    // SQLite itself undoes a single statement that fails.
    const isOne = queries.length === 1;
    if (!isOne) execute('SAVEPOINT batch');
    try {
      const rows = queries.map(run);
      if (!isOne) execute('RELEASE batch');
      return () => resolve(rows);
    } catch (error) {
      if (!connection.inTransaction || isBusy(error)) throw error;
      if (!isOne) {
        execute('ROLLBACK TO batch');
        execute('RELEASE batch');
      }
      return () => reject(error);
    }
  }

  /**
   * Writes a group and answers its callers. Where it fails as a whole, by one batch that is too large for the disk or that
   * only the commit refuses, its halves are written by themselves. Answers what waits for the lock of another process.
   */
  async function commit(group: readonly Waiting[]): Promise<Locked | undefined> {
    if (group.length === 0) return undefined;
    try {
      const answers = begin('BEGIN IMMEDIATE', () => group.map(runWaiting));
      await commitBeside();
      for (const answer of answers) answer();
    } catch (error) {
      if (isBusy(error)) return { error, group };
      if (group.length <= 1) {
        for (const { reject } of group) reject(error);
        return undefined;
      }
      const middle = Math.ceil(group.length / 2);
      const [first, second] = [group.slice(0, middle), group.slice(middle)];
      const locked = await commit(first);
      return locked === undefined
        ? commit(second)
        : { error: locked.error, group: [...locked.group, ...second] };
    }
    return undefined;
  }

  /** Rejects batches that waited for the lock as long as they may. */
  function expire(error: unknown, at: number): void {
    const late = queue.filter(({ until }) => until < at);
    queue = queue.filter(({ until }) => until >= at);
    for (const { reject } of late) reject(error);
  }

  /** Waits for a lock here, since the waiting of SQLite itself would stop the process. Who closes the file does not wait. */
  async function flush(): Promise<void> {
    for (let pauseMs = 0; queue.length > 0; ) {
      await (pauseMs === 0 ? turns(2) : pause(pauseMs));
      const group = queue.splice(0, MAX_GROUP);
      const locked = await commit(group);
      if (locked === undefined) {
        pauseMs = 0;
      } else {
        pauseMs = longer(pauseMs);
        queue = [...locked.group, ...queue];
        expire(locked.error, isClosed ? Number.POSITIVE_INFINITY : performance.now() + pauseMs);
      }
    }
    flushing = undefined;
  }

  function write(queries: readonly Query[]): Promise<Rows[]> {
    const written = new Promise<Rows[]>((resolve, reject) => {
      queue.push({ queries, resolve, reject, until: performance.now() + deadlineMs });
    });
    flushing ??= flush();
    return written;
  }

  /** For what needs no turn of its own. */
  async function whileBusy<T>(work: () => T): Promise<T> {
    const until = performance.now() + deadlineMs;
    for (let pauseMs = 0; ; ) {
      // Where it fails, its halves are committed by themselves, which may have begun before this goes on.
      while (committing !== undefined) await committing.catch(() => {});
      if (isClosed) throw new Error('the database was closed');
      try {
        return work();
      } catch (error) {
        pauseMs = longer(pauseMs);
        if (!isBusy(error) || performance.now() + pauseMs > until) throw error;
      }
      await pause(pauseMs);
    }
  }

  const file: LibsqlFile = {
    async batch(queries) {
      if (isClosed) throw new Error('the database was closed');
      const isReading = queries.length > 0 && queries.every(({ sql }) => READS.test(sql));
      return isReading ? whileBusy(() => read(queries)) : write(queries);
    },
    async migrate(statements) {
      await whileBusy(() => {
        connection.exec('PRAGMA foreign_keys = OFF');
        try {
          transact('BEGIN IMMEDIATE', () => connection.exec(statements.join(';\n')));
        } finally {
          connection.exec('PRAGMA foreign_keys = ON');
        }
      });
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      await flushing;
      prepared.clear();
      connection.close();
    },
  };

  try {
    await whileBusy(() => connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL'));
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

/** The next pause of one who waits, in ms. */
const longer = (pauseMs: number): number => Math.min(Math.max(1, 2 * pauseMs), LONGEST_PAUSE_MS);

/** Of an idle process they take no time; a busy one gathers more in two than in one. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await setImmediate();
}

/** Up to `ms`, so that processes that wait for each other do not keep step. */
const pause = (ms: number): Promise<void> => setTimeout(ms * (0.5 + Math.random() / 2));

/** Spaces and the like may be percent-encoded. A host would be another machine's file, which SQLite cannot open. */
function pathOf(url: string): string {
  const [, host = '', path = ''] = /^file:(?:\/\/([^/?#]*))?([^?#]*)$/.exec(url) ?? [];
  if (path === '' || !['', 'localhost'].includes(host))
    throw new Error(`not a file URL of this machine: ${url}`);
  return path === ':memory:' ? path : decodeURIComponent(path);
}

function toRow(row: unknown): unknown[] {
  if (!Array.isArray(row)) throw new TypeError('a row is a list of values');
  return row;
}

/** A value as the driver takes it: anything else would end the process. */
function bindable(value: unknown): string | number | bigint | null | Uint8Array {
  if (typeof value === 'string' || typeof value === 'bigint' || value === null) return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Uint8Array) return Buffer.from(value);
  throw new TypeError(`a value of type ${typeof value} cannot be stored`);
}
