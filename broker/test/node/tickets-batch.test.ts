import { decodeJwt } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { MAX_CLAIMS } from '../../src/mint/policy.ts';
import {
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';
import { basic, NOW } from './start-broker.ts';

let broker: OperatorBroker;
beforeEach(async () => {
  broker = await startOperatorBroker();
});

const ALICE: Person = { sub: 'alice' };
const BOB: Person = { sub: 'bob' };

const Answer = z.union([
  z.object({ ticket: z.string(), agent: z.string(), instance: z.string(), jti: z.uuid() }),
  z.strictObject({ error: z.strictObject({ code: z.string(), message: z.string(), request_id: z.uuid() }) }),
]);
type Caller = Parameters<OperatorBroker['call']>[0];

const send = (who: Caller, requests: readonly object[]): Promise<Response> =>
  broker.call(who, 'POST', '/tickets/batch', { requests });

async function answersOf(who: Caller, requests: readonly object[]) {
  const answer = await send(who, requests);
  expect(answer.status).toBe(200);
  return z.strictObject({ answers: z.array(Answer) }).parse(await answer.json()).answers;
}

/** Of each answer: the instance of its ticket, or its code. */
const short = (answers: Awaited<ReturnType<typeof answersOf>>): string[] =>
  answers.map((each) => ('error' in each ? each.error.code : each.instance));

const eventsOf = async (principal: string) =>
  (await broker.ports.record.auditLog.list({ principal }, undefined, 100)).rows;
const counter = (instance: string, more: object = {}) => ({ agent: 'counter', instance, ...more });
const diary = (instance: string) => ({ agent: 'diary', instance });
const many = (count: number) => Array.from({ length: count }, (_, index) => counter(`room-${index}`));

async function signOut(id: string): Promise<void> {
  const [eventId, at] = [crypto.randomUUID(), NOW * 1000];
  const { control } = broker.ports;
  await control.change({
    statement: control.principals.signOut({ id, tokensBefore: at, loginsBefore: null, keptUntil: at + 1 }),
    event: { eventId, at, type: 'login.ended', outcome: 'success' },
    dueAt: Number.MAX_SAFE_INTEGER,
  });
}

describe('a batch', () => {
  it('is answered one by one, in order, refusals too, each with an event of its own', async () => {
    const requests = [
      counter('a'),
      { agent: 'nobody' },
      counter('b', { expires_in: 20 }),
      { agent: 'hidden', instance: 'x' },
      counter('c', { scope: 'agent:state:write' }),
      counter('a'),
    ];
    const answers = await answersOf(ALICE, requests);
    expect(short(answers)).toEqual(['a', 'NOT_FOUND', 'b', 'NOT_FOUND', 'FORBIDDEN', 'a']);
    const events = (await eventsOf(idOf(ALICE))).filter(({ type }) => type.startsWith('ticket.'));
    expect(events).toHaveLength(requests.length);
    for (const [index, answer] of answers.entries()) {
      const jti = 'jti' in answer ? answer.jti : undefined;
      if (jti === undefined) continue;
      const { agent, instance }: { agent?: string; instance?: string } = requests[index] ?? {};
      const claims = decodeJwt('ticket' in answer ? answer.ticket : '');
      expect(claims).toMatchObject({ jti, agent, instance, sub: idOf(ALICE) });
      expect(events.filter((event) => event.jti === jti)).toMatchObject([{ type: 'ticket.issued' }]);
    }
    expect(
      events
        .filter(({ type }) => type === 'ticket.denied')
        .map(({ code }) => code)
        .sort(),
    ).toEqual(['agent_invisible', 'agent_unknown', 'scope_outside_role'].sort());
    expect(new Set(events.map(({ requestId }) => requestId)).size).toBe(1);
  });

  it('of a caller whom a lock names, and of one who signed out, is refused one by one', async () => {
    const lock = { target: { kind: 'principal', id: idOf(BOB) }, reason: 'test' };
    expect((await broker.call(ROOT, 'POST', '/admin/locks', lock)).status).toBe(201);
    expect(short(await answersOf(BOB, many(2)))).toEqual(['FORBIDDEN', 'FORBIDDEN']);
    await signOut(idOf(ALICE));
    expect(short(await answersOf(ALICE, many(2)))).toEqual(['UNAUTHORIZED', 'UNAUTHORIZED']);
  });

  it('names the log line of each refusal by its place', async () => {
    await answersOf(ALICE, [counter('a'), { agent: 'nobody' }]);
    expect(broker.logged).toContainEqual(
      expect.objectContaining({
        event: 'refused',
        path: '/tickets/batch',
        index: 1,
        reason: 'agent_unknown',
      }),
    );
  });

  it('of a service token is by its secret, and by none of another token', async () => {
    const [token, other] = [await broker.makeServiceToken(), await broker.makeServiceToken()];
    expect(short(await answersOf(basic(token.clientId, token.clientSecret), many(20)))).toHaveLength(20);
    expect((await send(basic(token.clientId, other.clientSecret), many(1))).status).toBe(401);
  });
});

describe('the limit', () => {
  it('counts each request, and refuses a batch beyond it as a whole, before anything is decided', async () => {
    for (let batch = 1; batch <= 3; batch += 1) {
      const answer = await send(ALICE, many(19));
      expect([answer.status, answer.headers.get('x-ratelimit-remaining')]).toEqual([
        200,
        String(60 - 19 * batch),
      ]);
    }
    const before = await eventsOf(idOf(ALICE));
    const refused = await send(ALICE, many(4));
    expect([refused.status, (await bodyOf(refused)).error]).toMatchObject([429, { code: 'RATE_LIMITED' }]);
    expect(refused.headers.get('retry-after')).toBe('60');
    expect((await send(ALICE, many(20))).status).toBe(429);
    const after = await eventsOf(idOf(ALICE));
    expect(after.slice(0, after.length - before.length).map(({ type }) => type)).toEqual(['rate.limited']);
  });

  it('is the same for batches and for single requests', async () => {
    await answersOf(ALICE, many(20));
    const single = await broker.call(ALICE, 'POST', '/tickets', counter('x'));
    expect(single.headers.get('x-ratelimit-remaining')).toBe('39');
  });

  it('on names of instances holds for each name', async () => {
    const names = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => counter(`name-${from + index}`));
    expect(short(await answersOf(ALICE, names(0, 15)))).not.toContain('RATE_LIMITED');
    const codes = short(await answersOf(ALICE, names(10, 15)));
    expect(codes.slice(0, 10)).not.toContain('RATE_LIMITED');
    expect(codes.slice(10)).toEqual(Array(5).fill('RATE_LIMITED'));
  });
});

describe('of instances that belong to their first user a batch', () => {
  it('claims one, and refuses the others with an event', async () => {
    const answers = await answersOf(ALICE, [diary('one'), diary('two'), counter('a'), diary('three')]);
    expect(short(answers)).toEqual(['one', 'FORBIDDEN', 'a', 'FORBIDDEN']);
    expect(await broker.claimsOf(idOf(ALICE))).toBe(1);
    expect((await eventsOf(idOf(ALICE))).filter(({ code }) => code === 'claim_limit_reached')).toHaveLength(
      2,
    );
    expect(short(await answersOf(BOB, [diary('two')]))).toEqual(['two']);
  });

  it('may have several tickets of the one that it claims, and of those that the caller has', async () => {
    expect(short(await answersOf(ALICE, [diary('mine')]))).toEqual(['mine']);
    const answers = await answersOf(ALICE, [diary('new'), diary('new'), diary('mine'), diary('new')]);
    expect(short(answers)).toEqual(['new', 'new', 'mine', 'new']);
    expect(await broker.claimsOf(idOf(ALICE))).toBe(2);
  });

  it('resolves one claim that may lapse', async () => {
    for (const name of ['one', 'two']) await broker.mint(BOB, 'diary', name);
    broker.clock.now = NOW + 601;
    expect(short(await answersOf(ALICE, [diary('one'), diary('two')]))).toEqual(['one', 'FORBIDDEN']);
    expect((await broker.commandsSent()).map(({ op }) => op)).toEqual(['lapse', 'revoke']);
  });

  it('is not a way around the number of claims', async () => {
    const carol = { sub: 'carol', permissions: ['tier:admin'] };
    for (let index = 0; index < MAX_CLAIMS; index += 1)
      expect(await broker.mint(carol, 'diary', `held-${index}`)).toBe(201);
    expect(short(await answersOf(carol, [diary('more')]))).toEqual(['FORBIDDEN']);
  });
});

it('a key that was rotated meanwhile costs nothing but a hop', async () => {
  await answersOf(ALICE, [counter('a')]);
  expect((await broker.call(ROOT, 'POST', '/admin/keys/rotate', { activate: 'now' })).status).toBe(201);
  expect(short(await answersOf(ALICE, many(3)))).toEqual(['room-0', 'room-1', 'room-2']);
  const answer = await send(ALICE, many(3));
  expect(answer.headers.get('x-ratelimit-remaining')).toBe('53');
});

describe('a batch is refused as a whole', () => {
  it.each<[what: string, body: object, field: string | undefined]>([
    ['none', { requests: [] }, 'requests'],
    ['more than twenty', { requests: many(21) }, 'requests'],
    ['something else than a list', { requests: counter('a') }, 'requests'],
    ['a request of one ticket', counter('a'), 'requests'],
    ['a bad name', { requests: [counter('a'), counter('b c')] }, 'requests.1.instance'],
    ['no agent', { requests: [counter('a'), counter('b'), {}] }, 'requests.2.agent'],
    ['a life that is too long', { requests: [counter('a', { expires_in: 301 })] }, 'requests.0.expires_in'],
    ['a member that is not known', { requests: [counter('a'), counter('b', { ttl: 1 })] }, 'requests.1'],
    [
      'a text that looks like a credential',
      { requests: [counter('a'), counter(`atk_${'a'.repeat(22)}_${'b'.repeat(49)}`)] },
      'requests.1.instance',
    ],
  ])('for %s', async (_what, body, field) => {
    const before = await eventsOf(idOf(ALICE));
    const answer = await broker.call(ALICE, 'POST', '/tickets/batch', body);
    const { error } = z
      .object({ error: z.object({ code: z.string(), message: z.string() }) })
      .parse(await answer.json());
    expect([answer.status, error.code]).toEqual([400, 'BAD_REQUEST']);
    expect(error.message).toMatch(new RegExp(`: ${field?.replaceAll('.', '\\.')}( |$)`));
    expect(await eventsOf(idOf(ALICE))).toEqual(before);
  });

  it.each<[what: string, who: () => Caller | Promise<Caller>]>([
    ['without a credential', () => undefined],
    ['with a wrong secret', async () => basic((await broker.makeServiceToken()).clientId, 'wrong')],
  ])('%s', async (_what, who) => {
    for (const requests of [[{ agent: 'lobby', instance: 'main' }], []])
      expect((await send(await who(), requests)).status).toBe(401);
  });

  it('with a credential that ends too soon for a ticket', async () => {
    const token = await broker.makeServiceToken({ expiresAt: NOW + 4 });
    expect((await send(basic(token.clientId, token.clientSecret), many(1))).status).toBe(401);
  });
});
