import type { AuditType } from '@agent-ticket/shared/audit-event.ts';
import { err } from '@agent-ticket/shared/outcome.ts';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { CLAIM_LAPSES_MS, MAX_CLAIMS } from '../../src/mint/policy.ts';
import { runScheduled } from '../../src/runtime/scheduled.ts';
import {
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { ticketIn } from './answers.ts';
import { basic, NOW } from './start-broker.ts';

let broker: OperatorBroker;
const ALICE: Person = { sub: 'alice' };
const BOB: Person = { sub: 'bob' };
const LAPSE_SECONDS = CLAIM_LAPSES_MS / 1000;

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const diary = (who: Person, instance = 'room') => broker.mint(who, 'diary', instance);
const events = async (filter: { type: AuditType; agent?: string; instance?: string }) =>
  (await broker.ports.record.auditLog.list(filter, undefined, 50)).rows;
const created = (instance = 'room') => events({ agent: 'diary', instance, type: 'grant.created' });
const owners = (instance = 'room') => broker.ownersOf('diary', instance);

describe('the first user to ask', () => {
  it('owns the instance, and nobody else gets in', async () => {
    const answer = await broker.call(ALICE, 'POST', '/tickets', { agent: 'diary', instance: 'room' });
    expect(await ticketIn(answer)).toMatchObject({ sub: idOf(ALICE), role: 'owner', instance: 'room' });
    expect(await diary(BOB)).toBe(403);
    expect(await diary(ALICE)).toBe(201);
    expect(await owners()).toMatchObject([{ subject: idOf(ALICE), claimed: true, openedAt: null }]);
  });

  it('of twenty at once is one', async () => {
    const people = Array.from({ length: 20 }, (_, i): Person => ({ sub: `user-${i}` }));
    const statuses = await Promise.all(people.map((person) => diary(person)));
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 403)).toHaveLength(19);
    const winner = people[statuses.indexOf(201)];
    const subject = winner === undefined ? '' : idOf(winner);
    const claims = await owners();
    expect(claims).toMatchObject([{ subject }]);
    expect(await created()).toMatchObject([{ userId: subject, details: { grant: claims[0]?.id, subject } }]);
  });

  it('that asks twenty times at once owns it once', async () => {
    const statuses = await Promise.all(Array.from({ length: 20 }, () => diary(ALICE)));
    expect(new Set(statuses)).toEqual(new Set([201]));
    expect(await owners()).toHaveLength(1);
    expect(await created()).toHaveLength(1);
  });

  it('must name the instance', async () => {
    expect(await broker.mint(ALICE, 'diary')).toBe(400);
    expect(await owners('default')).toEqual([]);
    expect(await broker.mint(ALICE, 'counter')).toBe(201);
  });

  it.each([
    ['too long for a ticket', 1010],
    ['too long by what always stays in it', 1024],
  ])('does not own it by a scope that is %s', async (_what, length) => {
    const methods = Array.from({ length: 13 }, (_, n) => `agent:rpc:${'m'.repeat(60)}${n}`).join(' ');
    const scope = `${methods} agent:rpc:`.padEnd(length, 'm');
    const sub = length === 1010 ? 'alice'.padEnd(200, '-') : 'alice';
    const ask = () => broker.call({ sub }, 'POST', '/tickets', { agent: 'diary', instance: 'room', scope });
    const first = await ask();
    expect(first.status).toBe(400);
    expect(await owners()).toEqual([]);
    expect(await diary({ sub })).toBe(201);
    const third = await ask();
    expect(third.status).toBe(400);
    const remaining = [first, third].map(({ headers }) => Number(headers.get('x-ratelimit-remaining')));
    expect(remaining).toEqual([remaining[0], Number(remaining[0]) - 2]);
    expect(remaining[0]).toBeGreaterThan(2);
  });

  it('may be a user only', async () => {
    const token = await broker.makeServiceToken();
    const service = { authorization: basic(token.clientId, token.clientSecret).authorization ?? '' };
    const body = { agent: 'diary', instance: 'room' };
    expect((await broker.call(service, 'POST', '/tickets', body)).status).toBe(403);
    expect((await broker.call({ sub: 'app@clients' }, 'POST', '/tickets', body)).status).toBe(403);
    expect((await broker.call(undefined, 'POST', '/tickets', body)).status).toBe(401);
    expect(await owners()).toEqual([]);
  });

  it.each([['counter'], ['hidden']])('is nobody on the agent %s', async (agent) => {
    await broker.mint(ALICE, agent, 'room');
    expect(await broker.ownersOf(agent, 'room')).toEqual([]);
  });

  it.each([
    ['a scope outside that of an owner', { scope: 'agent:rpc:whoami agent:nothing' }, 400],
    ['a transport that is not offered', { agent: 'letters', transport: 'websocket' }, 403],
  ])('owns nothing by asking for %s', async (_what, more, status) => {
    const body = { agent: 'diary', instance: 'room', ...more };
    expect((await broker.call(ALICE, 'POST', '/tickets', body)).status).toBe(status);
    expect(await broker.ownersOf(body.agent, 'room')).toEqual([]);
  });

  it('is in the audit log, with the grant that it came by', async () => {
    await diary(ALICE);
    const [owner] = await owners();
    expect(broker.events.filter(({ type }) => type === 'grant.created')).toMatchObject([
      {
        principal: idOf(ALICE),
        agent: 'diary',
        instance: 'room',
        details: { grant: owner?.id, subject: idOf(ALICE), role: 'owner', reason: 'first user' },
      },
    ]);
  });

  it('owns nothing while a lock is in force', async () => {
    const target = { kind: 'agent', agent: 'diary' };
    await broker.call(ROOT, 'POST', '/admin/locks', { target, reason: 'test' });
    expect(await diary(ALICE)).toBe(403);
    expect(await owners()).toEqual([]);
  });

  it('comes too late where an operator named the owner', async () => {
    const grant = { subject: idOf(BOB), agent: 'diary', instance: 'room', role: 'owner', reason: 'test' };
    await broker.call(ROOT, 'POST', '/admin/grants', grant);
    expect([await diary(ALICE), await diary(BOB)]).toEqual([403, 201]);
  });
});

describe('what one user may claim', () => {
  it(`is ${MAX_CLAIMS} instances, and another user is not held to that`, async () => {
    const statuses: number[] = [];
    for (let i = 0; i < MAX_CLAIMS - 1; i += 1) {
      // A free principal mints sixty times a minute.
      if (i === 50) broker.clock.now += 60;
      statuses.push(await diary(ALICE, `room-${i}`));
    }
    expect(new Set(statuses)).toEqual(new Set([201]));
    const last = await Promise.all(['a', 'b', 'c', 'd'].map((name) => diary(ALICE, name)));
    expect(last.sort()).toEqual([201, 403, 403, 403]);
    expect(await broker.claimsOf(idOf(ALICE))).toBe(MAX_CLAIMS);
    expect(await diary(BOB, 'one-more')).toBe(201);
    expect(await diary(ALICE, 'room-0')).toBe(201);
  });
});

describe('an instance whose owner', () => {
  const claimId = async () => z.string().parse((await owners())[0]?.id);

  it('was taken away stays closed, to that user too, however long', async () => {
    await diary(ALICE);
    await broker.call(ROOT, 'DELETE', `/admin/grants/${await claimId()}`);
    broker.clock.now = NOW + LAPSE_SECONDS * 3;
    expect([await diary(BOB), await diary(ALICE)]).toEqual([403, 403]);
  });

  it('deleted it is open to the next, whose claim may lapse again although it was opened before', async () => {
    await diary(ALICE);
    broker.worker.used.add('diary/room');
    await broker.call(ALICE, 'DELETE', '/api/agents/diary/room');
    broker.worker.used.clear();
    broker.clock.now = NOW + 60;
    expect(await diary(ALICE)).toBe(201);
    broker.clock.now = NOW + 60 + LAPSE_SECONDS + 1;
    expect([await diary(BOB), await diary(ALICE)]).toEqual([201, 403]);
  });

  it('deleted it is open to the next', async () => {
    await diary(ALICE);
    expect((await broker.call(ALICE, 'DELETE', '/api/agents/diary/room')).status).toBe(200);
    expect([await diary(BOB), await diary(ALICE)]).toEqual([201, 403]);
  });
});

describe('the event of a claim', () => {
  it('is written with it, and arrives once, also where the ticket that it was for never was', async () => {
    vi.spyOn(broker.ports.record.rates, 'write').mockRejectedValueOnce(new Error('Network connection lost.'));
    expect(await diary(ALICE)).toBe(503);
    const [owner] = await owners();
    expect(owner).toMatchObject({ subject: idOf(ALICE) });
    expect([await created(), await broker.changesWaiting()]).toEqual([[], 1]);

    expect(await diary(ALICE)).toBe(201);
    await runScheduled(broker.ports);
    await runScheduled(broker.ports);
    expect(await created()).toMatchObject([{ details: { grant: owner?.id } }]);
    expect(await broker.changesWaiting()).toBe(0);
  });

  it('is not there, nor the claim, where the caller could not be counted', async () => {
    vi.spyOn(broker.ports.record.rates, 'count').mockRejectedValueOnce(new Error('Network connection lost.'));
    expect(await diary(ALICE)).toBe(503);
    expect([await owners(), await broker.changesWaiting()]).toEqual([[], 0]);
  });
});

describe('a request that is refused claims nothing', () => {
  it('when the caller is over the limit, and is counted once when it is not', async () => {
    const [first, second] = [await ask('room-0'), await ask('room-1')];
    expect([first.status, second.status]).toEqual([201, 201]);
    const remaining = [first, second].map(({ headers }) => Number(headers.get('x-ratelimit-remaining')));
    expect(remaining).toEqual([59, 58]);
    const rest = await Promise.all(Array.from({ length: 60 }, (_, at) => ask(`more-${at}`)));
    expect(rest.filter(({ status }) => status === 429)).toHaveLength(2);
    const refused = rest.flatMap(({ status }, at) => (status === 429 ? [`more-${at}`] : []));
    expect((await Promise.all(refused.map(owners))).flat()).toEqual([]);
    expect((await Promise.all(refused.map(created))).flat()).toEqual([]);
    expect(await events({ type: 'rate.limited' })).toMatchObject([
      { userId: idOf(ALICE), details: { wanted: 'grant.created' } },
    ]);
  });

  it('when there is no key to sign with', async () => {
    const away = vi.spyOn(broker.ports.keyring, 'lastSigner');
    away.mockResolvedValue(err('signing_key_missing', { retryAfter: 5 }));
    expect((await ask('room')).status).toBe(503);
    expect(await owners()).toEqual([]);
    away.mockRestore();
    expect((await ask('room')).status).toBe(201);
  });
});

const ask = (instance: string) => broker.call(ALICE, 'POST', '/tickets', { agent: 'diary', instance });
