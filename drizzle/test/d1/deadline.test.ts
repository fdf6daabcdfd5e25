import { env } from 'cloudflare:workers';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { openControl } from '../../control/open-d1.ts';
import { isOutage } from '../../outage.ts';
import { openRecord } from '../../record/open-d1.ts';
import { door } from './faulty-record.ts';

const DEADLINE_MS = 20;

/** A binding on which everything that was asked waits at a door. */
function hanging(binding: D1Database) {
  const gate = door();
  const slow = (statement: D1PreparedStatement): D1PreparedStatement =>
    new Proxy(statement, {
      get(target, name) {
        if (name === 'bind') return (...values: unknown[]) => slow(target.bind(...values));
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return async (...args: unknown[]) => {
          await gate.opened;
          return Reflect.apply(member, target, args);
        };
      },
    });
  const proxy = new Proxy(binding, {
    get(target, name) {
      if (name === 'prepare') return (query: string) => slow(target.prepare(query));
      if (name === 'batch') return () => gate.opened;
      return Reflect.get(target, name, target);
    },
  });
  return { proxy, open: gate.open };
}

const failureOf = async (work: PromiseLike<unknown>): Promise<unknown> => {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('it was answered');
};

it.each([
  ['control', () => hanging(env.CONTROL), openControl],
  ['record', () => hanging(env.RECORD), openRecord],
] as const)('a %s database that hangs is an outage in bounded time', async (_name, make, open) => {
  const { proxy, open: letGo } = make();
  const db = open(proxy, DEADLINE_MS);
  for (const work of [
    () => db.all(sql`SELECT 1`),
    () => db.run(sql`SELECT 1`),
    () => db.values(sql`SELECT 1`),
    () => db.batch([db.run(sql`SELECT 1`)]),
  ]) {
    const failure = await failureOf(work());
    expect(isOutage(failure), String(failure)).toBe(true);
  }
  letGo();
});

it('a database that answers does as without a deadline', async () => {
  const db = openControl(env.CONTROL);
  expect(await db.all(sql`SELECT ${7} AS n`)).toEqual([{ n: 7 }]);
  expect(await db.get(sql`SELECT 8 AS n`)).toEqual({ n: 8 });
  expect(await db.batch([db.all(sql`SELECT 1 AS n`), db.all(sql`SELECT 2 AS n`)])).toEqual([
    [{ n: 1 }],
    [{ n: 2 }],
  ]);
  await expect(db.all(sql`SELECT nothing`)).rejects.toThrow();
});
