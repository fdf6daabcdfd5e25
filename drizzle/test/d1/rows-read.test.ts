import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { openControl } from '../../control/open-d1.ts';
import { MAX_EXAMINED } from '../../database.ts';
import { openRecord } from '../../record/open-d1.ts';
import { combinationsOf } from '../suite/plan-table.ts';
import { ALICE, AUDIENCE, BOB, MINUTE, NOW, revocation } from '../suite/rows.ts';
import { openD1 } from './open.ts';

/** Work is counted, not timed: the rows that the database read for a question, with few rows and with ten times as many. */

const [FEW, MANY] = [1_500, 15_000];
const MALLORY = 'auth0:people.test:mallory';

/** A binding that counts the rows of every answer. */
function counting(binding: D1Database) {
  let read = 0;
  const real = new WeakMap<D1PreparedStatement, D1PreparedStatement>();
  const wrap = (statement: D1PreparedStatement): D1PreparedStatement => {
    const proxy = new Proxy(statement, {
      get(target, name) {
        if (name === 'bind') return (...values: unknown[]) => wrap(target.bind(...values));
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return async (...args: unknown[]) => {
          // Only these answers say how many rows were read.
          if (name === 'raw') read += (await target.all()).meta.rows_read;
          return Reflect.apply(member, target, args);
        };
      },
    });
    real.set(proxy, statement);
    return proxy;
  };
  const proxy = new Proxy(binding, {
    get(target, name) {
      if (name === 'prepare') return (query: string) => wrap(target.prepare(query));
      if (name !== 'batch') return Reflect.get(target, name);
      return async (statements: D1PreparedStatement[]) => {
        const results = await target.batch(statements.map((each) => real.get(each) ?? each));
        for (const { meta } of results) read += meta.rows_read;
        return results;
      };
    },
  });
  return {
    proxy,
    async during(work: () => Promise<unknown>): Promise<number> {
      read = 0;
      await work();
      return read;
    },
  };
}

const control = counting(env.CONTROL);
const record = counting(env.RECORD);
const stores = { control: openControl(control.proxy), record: openRecord(record.proxy) };

/** As many rows as asked for, by one statement. `i` counts them. */
const seed = (database: D1Database, rows: number, insert: string) =>
  database
    .prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows}) ${insert} FROM n`,
    )
    .run();

const GRANT =
  'INSERT INTO grants (id, subject, agent_slug, instance_id, role, reason, created_by, created_at';

/** Of everything as much as asked for: around Alice, and in the place that the questions are about. */
async function seedAll(rows: number): Promise<void> {
  await openD1();
  for (const insert of [
    `${GRANT}) SELECT 'a' || i, '${ALICE}', 'counter', 'i' || i, 'viewer', 'r', 'c', ${NOW} + i`,
    `${GRANT}) SELECT 'b' || i, 'user-' || i, 'counter', 'main', 'viewer', 'r', 'c', ${NOW} + i`,
    `${GRANT}, deleted_at) SELECT 'c' || i, 'user-' || i, 'counter', 'main', 'owner', 'r', 'c', ${NOW}, ${NOW}`,
    `${GRANT}, claimed) SELECT 'd' || i, '${ALICE}', 'diary', 'i' || i, 'owner', 'r', 'c', ${NOW} - 1, 1`,
    `INSERT INTO revocations SELECT 'l' || i, i, 'instance:counter/i' || i, 'any', NULL, 'locked', 'r', 'c', ${NOW} + i`,
    `INSERT INTO revocations SELECT 'm' || i, ${MANY} + i, 'agent:counter', 'any', NULL, 'locked', 'r', 'c', ${NOW} + i`,
    `INSERT INTO revocations SELECT 'n' || i, ${2 * MANY} + i, 'principal:${ALICE}', 'any', ${NOW}, 'locked', 'r', 'c', ${2 * NOW}`,
    `INSERT INTO service_tokens SELECT 't' || i, 'n', NULL, '[]', 'free', 'c', ${NOW} + i, NULL, NULL, NULL`,
  ])
    await seed(env.CONTROL, rows, insert);
  for (const insert of [
    `INSERT INTO audit_events (event_id, at, type, outcome, user_id, agent_slug, instance_id) SELECT 'e' || i, ${NOW} + i, 'ticket.issued', 'success', '${ALICE}', 'counter', 'main'`,
    `INSERT INTO agent_sessions SELECT 's' || i, '${ALICE}', 'counter', 'main', '${AUDIENCE}', 'viewer', 's', ${NOW} + i, ${NOW} + i, 'client_closed', '192.0.2.7', NULL, 'j' || i, 'k', 1, NULL, NULL`,
    `INSERT INTO agent_invocations SELECT 'v' || i, 's1', 'm', ${NOW} + i, 1, 'success', NULL`,
  ])
    await seed(env.RECORD, rows, insert);
}

const AT = { agent: 'counter', instance: 'main' };
const POLICY = {
  ...{ principal: ALICE, subjects: [ALICE, 'group:auth0:people.test:staff'], claimsSince: NOW, now: NOW },
  targets: ['everything:', `principal:${ALICE}`, 'agent:counter', 'instance:counter/main'],
};
const FEW_LOCKED = { ...POLICY, agents: [{ slug: 'counter' }, { slug: 'diary' }], lastsUntil: NOW };
const hasAgent = ({ agent, instance }: { agent?: string; instance?: string }) =>
  instance === undefined || agent !== undefined;

const QUESTIONS: readonly [what: string, counted: typeof control, ask: () => Promise<unknown>][] = [
  ['a mint', control, () => stores.control.readPolicy({ ...POLICY, at: AT })],
  [
    'a mint elsewhere',
    control,
    () => stores.control.readPolicy({ ...POLICY, at: { ...AT, instance: 'i7' } }),
  ],
  ['the agents of a caller', control, () => stores.control.readAgentRights(FEW_LOCKED)],
  ['whether a caller is locked', control, () => stores.control.readCaller(ALICE, POLICY.targets, NOW)],
  ['whether a subject has a grant', control, () => stores.control.grants.anyOf([MALLORY, ALICE], NOW)],
  ['locks', control, () => stores.control.revocations.listLocks(NOW, undefined, 51)],
  ['service tokens', control, () => stores.control.serviceTokens.list(undefined, 51)],
  ...[ALICE, BOB].flatMap((subject) =>
    combinationsOf({ ...AT, subject }).map((filter): (typeof QUESTIONS)[number] => [
      `grants by ${JSON.stringify(filter)}`,
      control,
      () => stores.control.grants.list({ ...filter, now: NOW }, undefined, 51),
    ]),
  ),
  ...([ALICE, MALLORY] as const).flatMap((principal) =>
    (['success', 'denied'] as const).flatMap((outcome) =>
      combinationsOf({ principal, ...AT, type: 'ticket.denied', outcome, from: NOW } as const)
        .filter(hasAgent)
        .map((filter): (typeof QUESTIONS)[number] => [
          `events by ${JSON.stringify(filter)}`,
          record,
          () => stores.record.auditLog.list(filter, undefined, 51),
        ]),
    ),
  ),
  ...([ALICE, MALLORY] as const).flatMap((principal) =>
    [true, false].flatMap((active) =>
      combinationsOf({
        ...{ principal, agent: 'counter', instance: 'side', active },
        ...{ ipAddress: '192.0.2.7', from: NOW - MINUTE, to: NOW + 2 * MANY },
      })
        .filter(hasAgent)
        .map((filter): (typeof QUESTIONS)[number] => [
          `sessions by ${JSON.stringify(filter)}`,
          record,
          () => stores.record.sessions.list(filter, undefined, 51),
        ]),
    ),
  ),
  ['calls of a session', record, () => stores.record.invocations.ofSession('s1', undefined, 51)],
  ['the bounds of the log', record, () => stores.record.auditLog.bounds()],
  ['a page of arrivals', record, () => stores.record.auditLog.arrivals(700, 250)],
  [
    'objects that a lock of a principal closes',
    record,
    () =>
      stores.record.revocations.liveObjects(
        AUDIENCE,
        revocation({ target: `principal:${ALICE}` }),
        undefined,
        100,
      ),
  ],
];

describe('rows read', () => {
  const read = new Map<string, number[]>();
  it('are counted with few rows and with many', async () => {
    for (const rows of [FEW, MANY]) {
      await seedAll(rows);
      for (const [what, counted, ask] of QUESTIONS)
        read.set(what, [...(read.get(what) ?? []), await counted.during(ask)]);
    }
    expect(read.size).toBeGreaterThan(100);
  });

  it.each(QUESTIONS.map(([what]) => what))('do not grow with the data: %s', (what) => {
    const [few = 0, many = Number.POSITIVE_INFINITY] = read.get(what) ?? [];
    expect(many).toBeLessThanOrEqual(1.2 * few + 2);
    expect(many).toBeLessThanOrEqual(4 * MAX_EXAMINED);
  });
});
