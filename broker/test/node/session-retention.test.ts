import { beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { purgeSessions, runScheduled } from '../../src/runtime/scheduled.ts';
import {
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';
import { NOW, SETTINGS } from './start-broker.ts';

let broker: OperatorBroker;
const ALICE: Person = { sub: 'alice' };
const BOB: Person = { sub: 'bob' };
const DAY = 86_400_000;
const now = NOW * 1000;

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const listed = async () => {
  const body = await bodyOf(await broker.call(ROOT, 'GET', '/admin/agents/sessions'));
  return Array.isArray(body.items) ? body.items.map(({ id }) => id) : [];
};
const ended = (daysAgo: number) => ({
  principal: idOf(ALICE),
  startedAt: now - (daysAgo + 1) * DAY,
  endedAt: now - daysAgo * DAY,
  endReason: 'client_closed',
});

it('sessions of an agent worker that is not configured any more end once they must be over', async () => {
  const open = (audience: string, daysAgo: number) =>
    broker.openSession({ audience, startedAt: now - daysAgo * DAY });
  const over = await open('former.test', 2);
  const kept = [await open('former.test', 0.5), await open('agents.test', 2)];
  await runScheduled(broker.ports);
  await runScheduled(broker.ports);
  const found = await Promise.all([over, ...kept].map((id) => broker.ports.record.sessions.find(id)));
  expect(found.map((row) => row?.endReason)).toEqual(['connection_lost', null, null]);
  expect(found[0]?.endedAt).toBe(now);
});

describe('retention', () => {
  it('deletes sessions so long after their end, and never a live one', async () => {
    await broker.openSession(ended(401));
    const kept = await broker.openSession(ended(399));
    const live = await broker.openSession({ principal: idOf(ALICE), startedAt: now - 900 * DAY });
    const gone = await Promise.all([purgeSessions(broker.ports, now), purgeSessions(broker.ports, now)]);
    expect(gone.reduce((a, b) => a + b)).toBe(1);
    expect(await listed()).toEqual([kept, live]);
  });

  it('deletes in batches of a bounded size, and no more than so many a run', async () => {
    const limits: number[] = [];
    const purge = async (_before: number, limit: number) => {
      limits.push(limit);
      return limit;
    };
    const { config, record } = broker.ports;
    const sessions = { ...record.sessions, purge };
    const invocations = { ...record.invocations, purge: async () => 0 };
    expect(await purgeSessions({ config, record: { sessions, invocations } }, now)).toBe(10_000);
    expect(new Set(limits)).toEqual(new Set([500]));
  });

  it('does not free an instance whose owner’s sessions it deleted', async () => {
    expect(await broker.mint(ALICE, 'diary', 'room')).toBe(201);
    await broker.openSession({
      principal: idOf(ALICE),
      agent: 'diary',
      instance: 'room',
      startedAt: now,
      endedAt: now + 1,
      endReason: 'client_closed',
    });
    broker.worker.used.add('diary/room');
    const later = NOW + 401 * 86_400;
    broker.clock.now = later;
    const bob = { ...BOB, iat: later - 60, exp: later + 3_600 };
    expect(await purgeSessions(broker.ports, later * 1000)).toBe(1);
    expect(await broker.mint(bob, 'diary', 'room')).toBe(403);
    expect(await broker.ownersOf('diary', 'room')).toMatchObject([{ subject: idOf(ALICE) }]);
  });

  it('of invocations is no longer than that of the sessions that they belong to', () => {
    expect(() => readConfig({ ...SETTINGS, SESSION_RETENTION_DAYS: '30' })).toThrow(
      'INVOCATION_RETENTION_DAYS',
    );
    expect(
      readConfig({ ...SETTINGS, SESSION_RETENTION_DAYS: '30', INVOCATION_RETENTION_DAYS: '7' }),
    ).toMatchObject({
      sessionRetentionMs: 30 * DAY,
      invocationRetentionMs: 7 * DAY,
    });
  });
});
