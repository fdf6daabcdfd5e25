import type { D1Database, D1PreparedStatement } from '@cloudflare/workers-types';
import { within } from './deadline.ts';

/** What of a statement goes to the database. */
const QUESTIONS: readonly unknown[] = ['first', 'run', 'all', 'raw'];

/** A binding on which each statement and each batch rejects when it takes longer than `ms`. D1 has no such limit itself. */
export function d1Within(binding: D1Database, ms: number): D1Database {
  /** A batch takes real statements only. */
  const real = new WeakMap<D1PreparedStatement, D1PreparedStatement>();
  const wrap = (statement: D1PreparedStatement): D1PreparedStatement => {
    const proxy = new Proxy(statement, {
      get(target, name) {
        if (name === 'bind') return (...values: unknown[]) => wrap(target.bind(...values));
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        if (!QUESTIONS.includes(name)) return member.bind(target);
        return (...args: unknown[]) => within(ms, Promise.resolve(Reflect.apply(member, target, args)));
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
          within(ms, target.batch(statements.map((statement) => real.get(statement) ?? statement)));
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
