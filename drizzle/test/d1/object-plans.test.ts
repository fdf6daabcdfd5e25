import { describe, expect, it } from 'vitest';
import { backlogStore } from '../../object/backlog.ts';
import { burnStore } from '../../object/burns.ts';
import { callbackStore } from '../../object/callbacks.ts';
import { mcpSessionStore } from '../../object/mcp-sessions.ts';
import { objectRevocationStore } from '../../object/revocations.ts';
import { objectSessionStore } from '../../object/sessions.ts';
import { NOW, revocation } from '../suite/rows.ts';
import { inObject } from './object.ts';

const PRESENTED = { names: ['a', 'b'], rev: 1, iat: 1 };

type Plan = readonly [what: string, work: (sql: SqlStorage) => unknown, by: string | undefined];

/** What each frame, admission and end asks for. What only a sweep does may look at every row. */
const PLANS: readonly Plan[] = [
  ['a ticket is burned', (sql) => burnStore(sql).burn('a', NOW, 'session-1'), undefined],
  ['a showing is counted', (sql) => burnStore(sql).countReplay('a', NOW, 'session-1'), undefined],
  ['a ticket finds whom it let in', (sql) => burnStore(sql).sessionOf('a'), undefined],
  ['held replays are due', (sql) => burnStore(sql).nextReplay(), 'ticket_burns_replay'],
  ['a session is found', (sql) => objectSessionStore(sql).find('a'), undefined],
  ['a session is ended', (sql) => objectSessionStore(sql).end('a', 'client_closed', NOW), undefined],
  ['a ticket finds its session', (sql) => objectSessionStore(sql).findEnd('a'), undefined],
  ['people are counted', (sql) => objectSessionStore(sql).countOpen('a'), 'ticket_sessions_principal'],
  [
    'addresses are counted',
    (sql) => objectSessionStore(sql).openAddresses('a:', 'a;'),
    'ticket_sessions_principal',
  ],
  ['open sessions are listed', (sql) => objectSessionStore(sql).listOpen(), 'ticket_sessions_principal'],
  ['the next sweep is planned', (sql) => objectSessionStore(sql).nextDue(), 'ticket_sessions_principal'],
  ['sessions are handed over', (sql) => objectSessionStore(sql).pending(9), 'ticket_sessions_pending'],
  ['it is asked whether any waits', (sql) => objectSessionStore(sql).isPending(), 'ticket_sessions_pending'],
  [
    'sessions are acknowledged',
    (sql) => objectSessionStore(sql).acknowledge([{ id: 'a', version: 1 }]),
    undefined,
  ],
  [
    'revocations are asked',
    (sql) => objectRevocationStore(sql).whyRefused(PRESENTED, NOW),
    'ticket_revocations_target',
  ],
  ['a revocation is kept', (sql) => objectRevocationStore(sql).apply(revocation()), undefined],
  ['the use of a grant is noted', (sql) => objectRevocationStore(sql).noteOpened('a'), undefined],
  ['the use of a grant is looked up', (sql) => objectRevocationStore(sql).isGrantUsed('a'), undefined],
  ['it is asked whether the object was opened', (sql) => objectRevocationStore(sql).isOpened(), undefined],
  ['the URL of a callback is looked up', (sql) => callbackStore(sql).has('a', NOW), undefined],
  [
    'a session of MCP is noted',
    (sql) => mcpSessionStore(sql).open('a', 'tools', 'owner', NOW, 64),
    'ticket_mcp_sessions_owner',
  ],
  ['a session of MCP is used', (sql) => mcpSessionStore(sql).use('a', 'owner', NOW), undefined],
  ['a delivery is acknowledged', (sql) => backlogStore(sql).removeThrough(1), undefined],
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

/** A walk through a whole table or index, or a sort. The values of a JSON list and a constant row are neither. */
const UNBOUNDED = /^SCAN (?!CONSTANT ROW$|\w+ VIRTUAL TABLE)|^USE TEMP B-TREE/;

/** Where a whole index is the answer. */
const WHOLE_INDEXES: Readonly<Record<string, string>> = {
  'open sessions are listed': 'SCAN ticket_sessions USING INDEX ticket_sessions_principal',
  'sessions are handed over': 'SCAN ticket_sessions USING INDEX ticket_sessions_pending',
  'it is asked whether any waits': 'SCAN ticket_sessions USING INDEX ticket_sessions_pending',
};

const planOf = (work: (sql: SqlStorage) => unknown): Promise<string[]> =>
  inObject((sql) => {
    const plan: string[] = [];
    work(explaining(sql, plan));
    return plan;
  });

describe('query plans in an object', () => {
  it.each(PLANS)('%s without looking at every row', async (what, work, by) => {
    const plan = await planOf(work);
    if (by !== undefined) expect(plan.join('\n')).toContain(`INDEX ${by} `.trimEnd());
    const answers = WHOLE_INDEXES[what];
    expect(plan.filter((step) => UNBOUNDED.test(step))).toEqual(answers === undefined ? [] : [answers]);
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
