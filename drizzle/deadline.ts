import type { D1Database, D1PreparedStatement } from '@cloudflare/workers-types';
import { isSchemaFault, MigrationsMissing } from './outage.ts';

/** A database that does not answer: an outage, by its message. The statement may still be carried out. */
export class DatabaseTimeout extends Error {
  constructor(afterMs: number) {
    super(`database timed out after ${afterMs} ms`);
    this.name = 'DatabaseTimeout';
  }
}

/**
 * How long one statement or batch may take, in ms, where somebody waits for the answer: a database that hangs must
 * become a refusal in time, not a hung request.
 */
export const STATEMENT_DEADLINE_MS = 2_000;

/** The same for what runs beside requests and moves many rows. */
export const BATCH_DEADLINE_MS = 10_000;

/** What `work` answers, or a rejection with {@link DatabaseTimeout} when that takes longer than `ms`. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new DatabaseTimeout(ms)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What of a statement goes to the database. */
const QUESTIONS: readonly unknown[] = ['first', 'run', 'all', 'raw'];

/**
 * A binding on which each statement and each batch rejects when it takes longer than `ms`. D1 has no such limit itself. A
 * table that is missing before anything has succeeded is {@link MigrationsMissing}; later it is a mistake.
 */
export function d1Within(binding: D1Database, ms: number): D1Database {
  let hasServed = false;
  async function answered<T>(work: Promise<T>): Promise<T> {
    try {
      const value = await within(ms, work);
      hasServed = true;
      return value;
    } catch (error) {
      throw !hasServed && isSchemaFault(error) ? new MigrationsMissing(error) : error;
    }
  }
  /** A batch takes real statements only. */
  const real = new WeakMap<D1PreparedStatement, D1PreparedStatement>();
  const wrap = (statement: D1PreparedStatement): D1PreparedStatement => {
    const proxy = new Proxy(statement, {
      get(target, name) {
        if (name === 'bind') return (...values: unknown[]) => wrap(target.bind(...values));
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        if (!QUESTIONS.includes(name)) return member.bind(target);
        return (...args: unknown[]) => answered(Promise.resolve(Reflect.apply(member, target, args)));
      },
    });
    real.set(proxy, statement);
    return proxy;
  };
  return new Proxy(binding, {
    get(target, name) {
      if (name === 'prepare') return (query: string) => wrap(target.prepare(query));
      if (name === 'batch') {
        return (statements: D1PreparedStatement[]) =>
          answered(target.batch(statements.map((statement) => real.get(statement) ?? statement)));
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
