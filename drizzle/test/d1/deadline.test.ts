import { env } from 'cloudflare:workers';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/d1';
import { expect, it } from 'vitest';
import { openControl } from '../../control/open-d1.ts';
import { d1Within } from '../../deadline.ts';
import { isOutage } from '../../outage.ts';
import { openRecord } from '../../record/open-d1.ts';
import { ALICE, auditEvent, NOW } from '../suite/rows.ts';
import { barrier } from './faulty-record.ts';

const DEADLINE_MS = 20;

/** A binding on which everything that was asked waits at a barrier. */
function hanging(binding: D1Database) {
  const gate = barrier();
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

const STATEMENTS: readonly ((db: ReturnType<typeof drizzle>) => PromiseLike<unknown>)[] = [
  (db) => db.all(sql`SELECT 1`),
  (db) => db.run(sql`SELECT 1`),
  (db) => db.values(sql`SELECT 1`),
  (db) => db.batch([db.run(sql`SELECT 1`)]),
];

it.each(STATEMENTS)('a statement that hangs is an outage in bounded time: %s', async (work) => {
  const { proxy, open: letGo } = hanging(env.CONTROL);
  const failure = await failureOf(work(drizzle(d1Within(proxy, DEADLINE_MS))));
  expect(isOutage(failure), String(failure)).toBe(true);
  letGo();
});

const QUESTION = {
  ...{ principal: ALICE, subjects: [], targets: [], claimsSince: NOW, now: NOW },
  at: { agent: 'counter', instance: 'main' },
};

it.each<[string, (proxy: D1Database) => Promise<unknown>, D1Database]>([
  ['control', (proxy) => openControl(proxy, DEADLINE_MS).grants.find('a'), env.CONTROL],
  ['control', (proxy) => openControl(proxy, DEADLINE_MS).readPolicy(QUESTION), env.CONTROL],
  ['record', (proxy) => openRecord(proxy, DEADLINE_MS).sessions.find('a'), env.RECORD],
  ['record', (proxy) => openRecord(proxy, DEADLINE_MS).deliverChange(auditEvent(), []), env.RECORD],
])('a %s database that hangs is an outage in bounded time', async (_name, work, binding) => {
  const { proxy, open: letGo } = hanging(binding);
  const failure = await failureOf(work(proxy));
  expect(isOutage(failure), String(failure)).toBe(true);
  letGo();
});

it('a database that answers does as without a deadline', async () => {
  const db = drizzle(d1Within(env.CONTROL, 60_000));
  expect(await db.all(sql`SELECT ${7} AS n`)).toEqual([{ n: 7 }]);
  expect(await db.get(sql`SELECT 8 AS n`)).toEqual({ n: 8 });
  expect(await db.batch([db.all(sql`SELECT 1 AS n`), db.all(sql`SELECT 2 AS n`)])).toEqual([
    [{ n: 1 }],
    [{ n: 2 }],
  ]);
  await expect(db.all(sql`SELECT nothing`)).rejects.toThrow();
});
