import type { Row, Sqlite } from './databases.ts';
import type { Life, Link, World } from './world.ts';

/** Codes of SQLite that D1 appends to its messages. */
const CODES: Readonly<Record<number, string>> = {
  1: 'SQLITE_ERROR',
  18: 'SQLITE_TOOBIG',
  19: 'SQLITE_CONSTRAINT',
  20: 'SQLITE_MISMATCH',
};

/** An error of SQLite as D1 reports it. */
function reported(error: unknown): Error {
  if (!(error instanceof Error) || !('errcode' in error)) return new Error(String(error), { cause: error });
  const code = CODES[Number(error.errcode) & 0xff] ?? 'SQLITE_UNKNOWN';
  return new Error(`D1_ERROR: ${error.message}: ${code}`, { cause: error });
}

interface Query {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** One database, as seen by the machines that have a binding for it. */
export interface D1 {
  readonly sqlite: Sqlite;
  readonly link: Link;
  readonly life: Life;
  isAway: boolean;
  /** Called after each transaction, in the same turn. */
  onWritten: () => void;
}

export function createD1(world: World, name: string, sqlite: Sqlite): D1 {
  const d1: D1 = {
    sqlite,
    life: world.startLife(name),
    isAway: false,
    onWritten: () => {},
    link: {
      name,
      usualMs: 12,
      lost: () => new Error('D1_ERROR: Network connection lost.'),
      isAway: () => d1.isAway,
    },
  };
  return d1;
}

/** The beginning of each statement, which identifies it in the trace. */
const labelOf = (queries: readonly Query[]): string =>
  queries.map(({ sql }) => sql.slice(0, 60).replace(/\s+/g, ' ')).join('; ');

/** All or nothing, as D1 runs a batch. */
function transact<Rows>({ sqlite, onWritten }: D1, work: (sqlite: Sqlite) => Rows): Rows {
  sqlite.exec('BEGIN IMMEDIATE');
  try {
    const rows = work(sqlite);
    sqlite.exec('COMMIT');
    onWritten();
    return rows;
  } catch (error) {
    sqlite.exec('ROLLBACK');
    throw reported(error);
  }
}

const META = {
  duration: 0,
  changes: 0,
  last_row_id: 0,
  changed_db: false,
  size_after: 0,
  rows_read: 0,
  rows_written: 0,
};
const resultOf = (results: Row[]) => ({ results, success: true, meta: META });

/** The binding of a worker. Each query or batch is one call over the network. */
export function bindD1(world: World, d1: D1) {
  const ask = <Rows>(queries: readonly Query[], work: (sqlite: Sqlite) => Rows): Promise<Rows> =>
    world.call(
      d1.link,
      labelOf(queries),
      () => d1.life,
      () => transact(d1, work),
    );
  const rowsOf = (query: Query): Promise<Row[]> =>
    ask([query], (sqlite) => sqlite.all(query.sql, query.values));

  const statement = (query: Query) => ({
    query,
    bind: (...values: readonly unknown[]) => statement({ ...query, values }),
    all: async () => resultOf(await rowsOf(query)),
    run: async () => resultOf(await rowsOf(query)),
    raw: () => ask([query], (sqlite) => sqlite.lists(query.sql, query.values)),
    first: async () => (await rowsOf(query))[0] ?? null,
  });
  return {
    prepare: (sql: string) => statement({ sql, values: [] }),
    async batch(statements: readonly { readonly query: Query }[]) {
      const queries = statements.map(({ query }) => query);
      const rows = await ask(queries, (sqlite) => queries.map(({ sql, values }) => sqlite.all(sql, values)));
      return rows.map(resultOf);
    },
  };
}
