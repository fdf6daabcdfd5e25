import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CLAIM_LAPSES_MS, MAX_CLAIMS } from '../../src/mint/policy.ts';
import {
  CLEAN,
  idOf,
  type OperatorBroker,
  type Person,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { NOW } from './start-broker.ts';

let broker: OperatorBroker;
const ALICE: Person = { sub: 'alice' };
const BOB: Person = { sub: 'bob' };
const LAPSE_SECONDS = CLAIM_LAPSES_MS / 1000;

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const diary = (who: Person, instance = 'room') => broker.mint(who, 'diary', instance);
const created = async () =>
  (await broker.ports.record.auditLog.list({ agent: 'diary', type: 'grant.created' }, undefined, 50)).rows;
const owners = () => broker.ownersOf('diary', 'room');

/** The claim of a first user: it is final once its grant was used, and may lapse before. */

describe('a claim that nobody opened', () => {
  beforeEach(async () => {
    await diary(ALICE);
  });

  it.each([
    ['is kept for ten minutes', LAPSE_SECONDS, 403],
    ['is free after them', LAPSE_SECONDS + 1, 201],
  ])('%s', async (_what, seconds, status) => {
    broker.clock.now = NOW + seconds;
    expect(await diary(BOB)).toBe(status);
  });

  it('is lost to who comes first, the earlier owner too', async () => {
    broker.clock.now = NOW + LAPSE_SECONDS + 1;
    expect([await diary(BOB), await diary(ALICE)]).toEqual([201, 403]);
    expect(await owners()).toMatchObject([{ subject: idOf(BOB) }]);
  });

  it('goes to one of twenty that come at once', async () => {
    broker.clock.now = NOW + LAPSE_SECONDS + 1;
    const people = Array.from({ length: 20 }, (_, i): Person => ({ sub: `user-${i}` }));
    const statuses = await Promise.all(people.map((person) => diary(person)));
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(await owners()).toHaveLength(1);
    expect(await created()).toHaveLength(2);
  });

  it('is made anew by its owner, who asks again before anybody else', async () => {
    const [before] = await owners();
    broker.clock.now = NOW + LAPSE_SECONDS * 2;
    expect([await diary(ALICE), await diary(BOB)]).toEqual([201, 403]);
    const [after, ...others] = await owners();
    expect(others).toEqual([]);
    expect(after).toMatchObject({ subject: idOf(ALICE), createdAt: broker.clock.now * 1000 });
    expect(after?.id).not.toBe(before?.id);
  });

  it('lapses although somebody else had a session there', async () => {
    await broker.openSession({ principal: idOf({ sub: 'eve' }), agent: 'diary', instance: 'room' });
    broker.clock.now = NOW + LAPSE_SECONDS + 1;
    expect(await diary(BOB)).toBe(201);
  });

  it('lapses only when its object was asked: then it is dropped, and a ticket that was kept opens nothing', async () => {
    const [claim] = await owners();
    broker.clock.now = NOW + LAPSE_SECONDS + 1;
    expect(await diary(BOB)).toBe(201);
    const [asked, revoked] = await broker.commandsSent();
    const target = `grant:${claim?.id}`;
    const revocation = { id: `any ${target}`, target, kind: 'any', code: 'rights_changed' };
    expect(asked).toMatchObject({ op: 'lapse', agent: 'diary', instance: 'room', revocation });
    expect(revoked).toMatchObject({ op: 'revoke', revocation });
    expect(await broker.whyRevoked({ names: [target], rev: Number.MAX_SAFE_INTEGER })).toBe('rights_changed');
    const { rows: log } = await broker.ports.record.auditLog.list({ type: 'grant.deleted' }, undefined, 50);
    expect(log).toMatchObject([
      { userId: idOf(BOB), details: { grant: claim?.id, subject: idOf(ALICE), reason: 'the claim lapsed' } },
    ]);
    // The next owner's claim is another one, and is kept.
    const [next] = await owners();
    expect(await broker.whyRevoked({ names: [`grant:${next?.id}`], rev: 0 })).toBeUndefined();
  });

  it.each<[string, () => Promise<Response>]>([
    ['is out of reach', async () => Promise.reject(new Error('network'))],
    ['fails', async () => new Response(null, { status: 503 })],
    ['answers without saying so', async () => Response.json(CLEAN)],
  ])('is kept while the worker %s: 503, and nothing lapses', async (_what, answer) => {
    const claims = await owners();
    const up = broker.worker.answer;
    broker.worker.answer = answer;
    broker.clock.now = NOW + LAPSE_SECONDS + 1;
    const refused = await broker.call(BOB, 'POST', '/tickets', { agent: 'diary', instance: 'room' });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await owners()).toEqual(claims);
    expect(await broker.changesWaiting()).toBe(0);
    expect(await broker.ports.control.revocations.newestRev()).toBe(0);
    broker.worker.answer = up;
    expect(await diary(BOB)).toBe(201);
  });

  it('is counted once, however often the request that asked about it comes again', async () => {
    broker.clock.now = NOW + LAPSE_SECONDS + 1;
    const answer = await broker.call(BOB, 'POST', '/tickets', { agent: 'diary', instance: 'room' });
    expect([answer.status, answer.headers.get('x-ratelimit-remaining')]).toEqual([201, '59']);
  });

  it('does not count against what one user may claim', async () => {
    for (let i = 1; i < MAX_CLAIMS; i += 1) {
      if (i === 50) broker.clock.now += 60;
      await diary(ALICE, `room-${i}`);
    }
    expect([await broker.claimsOf(idOf(ALICE)), await diary(ALICE, 'next')]).toEqual([MAX_CLAIMS, 403]);
    broker.clock.now += LAPSE_SECONDS + 1;
    expect([await broker.claimsOf(idOf(ALICE)), await diary(ALICE, 'next')]).toEqual([0, 201]);
  });
});

it('that others win and leave again and again is a refusal with that name, which says when to come back', async () => {
  vi.spyOn(broker.ports.control, 'change').mockResolvedValue(undefined);
  const refused = await broker.call(BOB, 'POST', '/tickets', { agent: 'diary', instance: 'contended' });
  vi.restoreAllMocks();
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  expect(broker.logged.at(-1)).toMatchObject({ event: 'refused', reason: 'claim_contended' });
  expect(await diary(BOB, 'contended')).toBe(201);
});

describe('a claim that was opened', () => {
  it.each([
    ['and is open', null],
    ['and was closed again', (NOW + 5) * 1000],
  ])('%s is kept, and not asked about again', async (_what, endedAt) => {
    await diary(ALICE);
    await broker.openSession({ agent: 'diary', instance: 'room', endedAt });
    broker.worker.used.add('diary/room');
    broker.clock.now = NOW + LAPSE_SECONDS + 1;
    expect(await diary(BOB)).toBe(403);
    expect(await owners()).toMatchObject([{ subject: idOf(ALICE), openedAt: broker.clock.now * 1000 }]);
    expect(await broker.ports.control.revocations.newestRev()).toBe(0);
    expect(await diary(ALICE)).toBe(201);
    expect((await broker.commandsSent()).map(({ op }) => op)).toEqual(['lapse']);
  });

  it('counts against what one user may claim, however old', async () => {
    await diary(ALICE);
    broker.worker.used.add('diary/room');
    broker.clock.now = NOW + LAPSE_SECONDS + 1;
    await diary(ALICE);
    expect(await broker.claimsOf(idOf(ALICE))).toBe(1);
  });
});
