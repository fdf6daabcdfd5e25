import { env, exports } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';
import { startBroker } from './broker.ts';
import { call } from './call.ts';
import { NOW, setClock } from './clock.ts';
import { failing } from './databases.ts';
import { delivered } from './record.ts';

/** The part of `/readyz` about agents' objects that cannot deliver. */

const objectOf = (n: number): string =>
  (n * 2_654_435_761).toString(16).padStart(16, '0').slice(-8) + n.toString(16).padStart(56, '0');

const report = (n: number, waiting: number, since = NOW * 1000) => ({ object: objectOf(n), waiting, since });

const post = (body: unknown): Promise<Response> =>
  exports.Backlog.fetch('https://broker.invalid/', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

const send = async (...reports: object[]): Promise<void> => {
  const answers = await Promise.all(reports.map(post));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
};

/** What a broker that has not looked yet says. */
const looked = async (options: Parameters<typeof startBroker>[0] = {}) => {
  const reply = await call('/readyz', { front: startBroker(options).front });
  return { status: reply.status, ...JSON.parse(reply.text) };
};

/** Moves the clock until all reports have lapsed. */
beforeEach(async () => {
  setClock(60);
  await looked();
  setClock(0);
  await delivered();
});

const NOTHING = { agent_events_waiting: 0, agent_objects_waiting: 0, waiting_age: null };

describe('/readyz', () => {
  it('contains the backlog of agents’ objects: its size, the number of objects and its age', async () => {
    expect(await looked()).toMatchObject(NOTHING);
    await send(report(1, 5, (NOW - 30) * 1000), report(2, 2, (NOW - 90) * 1000), report(1, 6));
    expect(await looked()).toMatchObject({
      status: 'ready',
      agent_events_waiting: 8,
      agent_objects_waiting: 2,
      waiting_age: 90,
    });
    await send(report(1, 0), report(2, 0));
    expect(await looked()).toMatchObject(NOTHING);
  });

  it('adds up a thousand objects without a row read or written', async () => {
    for (let n = 0; n < 1_000; n += 50)
      await send(...Array.from({ length: 50 }, (_, at) => report(n + at, 3)));
    expect(await looked()).toMatchObject({ agent_events_waiting: 3_000, agent_objects_waiting: 1_000 });
    setClock(60);
    expect(await looked()).toMatchObject(NOTHING);
  });

  it('contains it also while the record database is away', async () => {
    const record = failing(env.RECORD, () => new Error('D1_ERROR: Network connection lost.'));
    await send(report(1, 5, (NOW - 30) * 1000));
    expect(await looked({ record })).toMatchObject({
      status: 'ready',
      record: false,
      events_waiting: 0,
      agent_events_waiting: 5,
      agent_objects_waiting: 1,
      waiting_age: 30,
    });
  });

  it('is 503 without figures where the mint shards are away as well', async () => {
    const record = failing(env.RECORD, () => new Error('D1_ERROR: Network connection lost.'));
    const lost = () => Promise.reject(new Error('Network connection lost.'));
    const shard = { mint: lost, mintBatch: lost, count: lost, waiting: lost };
    const seen = await looked({ record, runtime: { shard } });
    expect(Object.keys(seen).toSorted()).toEqual([
      'agents_in_rollout',
      'error',
      'key_sets_unusable',
      'mint',
      'record',
      'status',
      'verify',
      'workers_differing',
      'workers_unanswered',
    ]);
    expect(seen).toMatchObject({ status: 503, mint: false, verify: true, record: false });
  });
});

describe('a report', () => {
  it.each([
    ['no object', { waiting: 1, since: 1 }],
    ['another object than there can be', { ...report(1, 1), object: 'room-1' }],
    ['less than nothing', report(1, -1)],
    ['more than it should', { ...report(1, 1), instance: 'room-1' }],
    ['nothing', null],
  ])('that names %s is refused and counts for nothing', async (_what, body) => {
    expect((await post(body)).status).toBe(400);
    expect(await looked()).toMatchObject(NOTHING);
  });

  it('finds no way in over the network', async () => {
    for (const path of ['/', '/backlog', '/Backlog', '/readyz'])
      expect((await call(path, { json: report(1, 1) })).status).toBeGreaterThanOrEqual(404);
    expect(await looked()).toMatchObject(NOTHING);
  });
});
