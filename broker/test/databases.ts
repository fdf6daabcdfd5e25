import { env } from 'cloudflare:workers';
import { inShards } from './record.ts';

/** The full content of both databases and of the mint shards as text, and databases that fail. */

const tablesOf = async (db: D1Database): Promise<string[]> => {
  const { results } = await db
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
    .all<{ name: string }>();
  return results.map(({ name }) => name).filter((name) => !/^(_cf_|sqlite_|d1_)/.test(name));
};

/** Every row of every table. */
export async function everyRow(): Promise<string[]> {
  const rows: unknown[] = [];
  for (const db of [env.CONTROL, env.RECORD]) {
    for (const table of await tablesOf(db)) {
      const { results } = await db.prepare(`SELECT * FROM ${table}`).all();
      rows.push(...results.map((row) => ({ table, ...row })));
    }
  }
  const names = new Set(
    (await inShards("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*'")).map(
      ({ name }) => String(name),
    ),
  );
  for (const table of names) rows.push(...(await inShards(`SELECT * FROM ${table}`)));
  return rows.map((row) => JSON.stringify(row));
}

/** Forgets every key there is, for brokers that were not started yet. */
export const forgetKeys = () => env.CONTROL.prepare('DELETE FROM signing_keys').run();

/** A database in which each statement fails for which `fault` has an error. A batch fails with any of its statements. */
export const failing = (db: D1Database, fault: (sql: string) => Error | undefined): D1Database =>
  watched(db, (trip) => {
    const error = trip.statements.map(fault).find((one) => one !== undefined);
    return error === undefined ? Promise.resolve() : Promise.reject(error);
  });

/** One question to a database. */
export interface Trip {
  readonly how: 'batch' | 'alone';
  readonly statements: readonly string[];
}

/** A database that is asked after `before` has resolved, and not where it rejects. */
export function watched(db: D1Database, before: (trip: Trip) => Promise<void>): D1Database {
  const known = new WeakMap<D1PreparedStatement, { statement: D1PreparedStatement; sql: string }>();
  const wrap = (statement: D1PreparedStatement, sql: string): D1PreparedStatement => {
    const proxy = new Proxy(statement, {
      get(from, name) {
        if (name === 'bind') return (...values: unknown[]) => wrap(from.bind(...values), sql);
        const member: unknown = Reflect.get(from, name, from);
        if (typeof member !== 'function') return member;
        return async (...args: unknown[]): Promise<unknown> => {
          await before({ how: 'alone', statements: [sql] });
          return Reflect.apply(member, from, args);
        };
      },
    });
    known.set(proxy, { statement, sql });
    return proxy;
  };
  return new Proxy(db, {
    get(from, name) {
      if (name === 'prepare') return (sql: string) => wrap(from.prepare(sql), sql);
      if (name === 'batch') {
        return async (batch: D1PreparedStatement[]) => {
          const real = batch.map((one) => known.get(one) ?? { statement: one, sql: '' });
          await before({ how: 'batch', statements: real.map(({ sql }) => sql) });
          return from.batch(real.map(({ statement }) => statement));
        };
      }
      const member: unknown = Reflect.get(from, name, from);
      return typeof member === 'function' ? member.bind(from) : member;
    },
  });
}
