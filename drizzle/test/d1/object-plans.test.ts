import { describe, expect, it } from 'vitest';
import { backlogQueries } from '../../object/backlog.ts';
import { burnQueries } from '../../object/burns.ts';
import { objectLockQueries } from '../../object/locks.ts';
import { objectSessionQueries } from '../../object/sessions.ts';
import { NOW } from '../suite/rows.ts';
import { inObject } from './object.ts';

type Plan = readonly [what: string, work: (sql: SqlStorage) => unknown, by: string | undefined];

/** What each frame, admission and end asks for. What only a sweep does may look at every row. */
const PLANS: readonly Plan[] = [
  ['a ticket is burned', (sql) => burnQueries(sql).burn('a', NOW, 'session-1'), undefined],
  ['a showing is counted', (sql) => burnQueries(sql).countReplay('a'), undefined],
  ['a ticket finds whom it let in', (sql) => burnQueries(sql).sessionOf('a'), undefined],
  ['held replays are due', (sql) => burnQueries(sql).nextReplay(), 'ticket_burns_replay'],
  ['a session is found', (sql) => objectSessionQueries(sql).find('a'), undefined],
  ['a session is ended', (sql) => objectSessionQueries(sql).end('a', 'client_closed', NOW), undefined],
  ['a ticket finds its session', (sql) => objectSessionQueries(sql).isOver('a'), 'ticket_sessions_jti'],
  ['people are counted', (sql) => objectSessionQueries(sql).countOpen('a'), 'ticket_sessions_principal'],
  ['open sessions are listed', (sql) => objectSessionQueries(sql).listOpen(), 'ticket_sessions_open'],
  ['the next sweep is planned', (sql) => objectSessionQueries(sql).nextDue(), 'ticket_sessions_open'],
  ['locks are asked', (sql) => objectLockQueries(sql).stands(['a', 'b'], NOW), undefined],
  ['a delivery is acknowledged', (sql) => backlogQueries(sql).removeThrough(1), undefined],
];

/** The storage, with the plan of each statement written down before it runs. */
const explaining = (sql: SqlStorage, plan: string[]): SqlStorage =>
  new Proxy(sql, {
    get: (target, name) =>
      name === 'exec'
        ? (query: string, ...values: SqlStorageValue[]) => {
            const steps = target.exec<{ detail: string }>(`EXPLAIN QUERY PLAN ${query}`, ...values);
            plan.push(...steps.toArray().map(({ detail }) => detail));
            return target.exec(query, ...values);
          }
        : Reflect.get(target, name),
  });

const planOf = (work: Plan[1]): Promise<string[]> =>
  inObject((sql) => {
    const plan: string[] = [];
    work(explaining(sql, plan));
    return plan;
  });

describe('query plans in an object', () => {
  it.each(PLANS)('%s without looking at every row', async (_what, work, by) => {
    const plan = await planOf(work);
    if (by !== undefined) expect(plan.join('\n')).toContain(`INDEX ${by} `.trimEnd());
    expect(plan.filter((step) => /^SCAN (?!.* INDEX )|^USE TEMP B-TREE/.test(step))).toEqual([]);
  });

  it('use every index, or it has not earned its place', () =>
    inObject((sql) => {
      const indexes = sql
        .exec<{ name: string }>(
          "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
        )
        .toArray()
        .map(({ name }) => name);
      expect(indexes).toEqual([...new Set(PLANS.flatMap(([, , by]) => by ?? []))].sort());
    }));
});
