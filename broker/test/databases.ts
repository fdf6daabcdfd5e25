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
export function failing(db: D1Database, fault: (sql: string) => Error | undefined): D1Database {
  const known = new WeakMap<D1PreparedStatement, { statement: D1PreparedStatement; sql: string }>();
  const wrap = (statement: D1PreparedStatement, sql: string): D1PreparedStatement => {
    const proxy = new Proxy(statement, {
      get(from, name) {
        if (name === 'bind') return (...values: unknown[]) => wrap(from.bind(...values), sql);
        const member: unknown = Reflect.get(from, name, from);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          const error = fault(sql);
          return error === undefined ? Reflect.apply(member, from, args) : Promise.reject(error);
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
        return (batch: D1PreparedStatement[]) => {
          const real = batch.map((one) => known.get(one) ?? { statement: one, sql: '' });
          const error = real.map(({ sql }) => fault(sql)).find((one) => one !== undefined);
          return error === undefined
            ? from.batch(real.map(({ statement }) => statement))
            : Promise.reject(error);
        };
      }
      const member: unknown = Reflect.get(from, name, from);
      return typeof member === 'function' ? member.bind(from) : member;
    },
  });
}
