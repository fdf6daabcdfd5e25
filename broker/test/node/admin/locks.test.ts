import { AgentSlug, CallbackId, InstanceName, PrincipalId, SessionId } from '@agent-ticket/shared/names.ts';
import { type LockTarget, targetName, targetNameOfParty } from '@agent-ticket/shared/target.ts';
import { decodeJwt } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { flushOutbox } from '../../../src/revocation/outbox.ts';
import { bodyOf } from '../answers.ts';
import { basic, NOW } from '../start-broker.ts';
import {
  CLEAN,
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './operator-broker.ts';

let broker: OperatorBroker;
const ALICE: Person = { sub: 'alice' };
const COUNTER: LockTarget = { kind: 'agent', agent: AgentSlug.parse('counter') };
const ALICES: LockTarget = { kind: 'principal', id: PrincipalId.parse(idOf(ALICE)) };

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const lock = (target: LockTarget, more: object = {}) =>
  broker.call(ROOT, 'POST', '/admin/locks', { target, reason: 'incident 7', ...more });
const lift = (id: string) => broker.call(ROOT, 'DELETE', `/admin/locks/${id}`);
const idIn = async (answer: Response): Promise<string> => z.string().parse((await bodyOf(answer)).id);
const down = async () => Promise.reject(new TypeError('down'));
/** How many commands the flush after so many seconds sent. */
const flushAfter = async (seconds: number): Promise<number> => {
  const before = broker.worker.tokens.length;
  broker.clock.now += seconds;
  await flushOutbox(broker.ports);
  return broker.worker.tokens.length - before;
};
/** Whether agent workers refuse tickets of a target, whatever their age. */
const isLockedAtWorkers = async (target: LockTarget): Promise<boolean> =>
  (await broker.whyRevoked({ names: [targetName(target)], rev: Number.MAX_SAFE_INTEGER })) === 'locked';
const commandOf = (target: LockTarget, until: number | null, id: unknown = expect.any(String)) => ({
  op: 'revoke',
  revocation: {
    id,
    rev: expect.any(Number),
    target: targetName(target),
    kind: 'any',
    until,
    code: 'locked',
  },
});

describe('from its 201 on no ticket is made', () => {
  it.each<[string, LockTarget]>([
    ['a principal', ALICES],
    ['an agent', COUNTER],
    ['an instance', { kind: 'instance', agent: COUNTER.agent, instance: InstanceName.parse('main') }],
    ['everything', { kind: 'everything' }],
  ])('for %s, until it is lifted', async (_what, target) => {
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(201);
    const made = await lock(target);
    expect(made.status).toBe(201);
    const body = await bodyOf(made);
    expect(body).toMatchObject({ target, reason: 'incident 7', created_by: idOf(ROOT), receipt: CLEAN });
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(403);
    expect(await broker.lastCommand()).toEqual(commandOf(target, null, body.id));
    broker.clock.now += 1;
    expect((await lift(z.string().parse(body.id))).status).toBe(200);
    expect(await broker.lastCommand()).toEqual(commandOf(target, (NOW + 1) * 1000, body.id));
    const [first, last] = await broker.commandsSent();
    expect(revOf(last)).toBeGreaterThan(revOf(first));
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(201);
  });

  it('for a service token', async () => {
    const token = await broker.makeServiceToken();
    const who = { authorization: basic(token.clientId, token.clientSecret).authorization ?? '' };
    const mint = async () =>
      (await broker.call(who, 'POST', '/tickets', { agent: 'counter', instance: 'main' })).status;
    expect(await mint()).toBe(201);
    await lock({ kind: 'service-token', id: token.id });
    expect(await mint()).toBe(403);
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(201);
  });

  it.each<[string, LockTarget]>([
    ['a session', { kind: 'session', id: SessionId.parse(crypto.randomUUID()) }],
    ['the URL of a callback', { kind: 'callback', id: CallbackId.parse(crypto.randomUUID()) }],
    ['another principal', { kind: 'principal', id: PrincipalId.parse(idOf({ sub: 'bob' })) }],
    ['another agent', { kind: 'agent', agent: AgentSlug.parse('lobby') }],
    ['another instance', { kind: 'instance', agent: COUNTER.agent, instance: InstanceName.parse('other') }],
  ])('but a lock on %s refuses nobody else', async (_what, target) => {
    expect((await lock(target)).status).toBe(201);
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(201);
    expect(await isLockedAtWorkers(target)).toBe(true);
  });
});

describe('a lock on a ticket', () => {
  it('is for one that was not used, and lasts until no session can have it', async () => {
    const jti = crypto.randomUUID();
    const made = await broker.call(ROOT, 'POST', '/admin/locks', {
      ...{ target: { kind: 'ticket', jti: jti.toUpperCase() }, reason: 'sent to the wrong person' },
    });
    const body = await bodyOf(made);
    expect([made.status, body.target]).toEqual([201, { kind: 'ticket', jti }]);
    expect(body.expires_at).toBe(new Date((NOW + 3610) * 1000).toISOString());
    expect(await broker.whyRevoked({ names: [`ticket:${jti}`], rev: 9 })).toBe('locked');
    expect((await lift(z.string().parse(body.id))).status).toBe(200);
  });

  it('is not for a credential that is limited to some agents: a ticket’s agent is not known here', async () => {
    const made = await broker.call(ROOT, 'POST', '/admin/service-tokens', {
      ...{ name: 'limited', agents: ['counter'], permissions: ['locks:write'] },
    });
    const who = { authorization: `Bearer ${(await bodyOf(made)).client_secret}` };
    const target = { kind: 'ticket', jti: crypto.randomUUID() };
    expect((await broker.call(who, 'POST', '/admin/locks', { target, reason: 'x' })).status).toBe(403);
  });
});

const revOf = (command: Awaited<ReturnType<OperatorBroker['lastCommand']>> | undefined): number =>
  command?.op === 'revoke' ? command.revocation.rev : 0;

describe('a lock on a service token', () => {
  const names: readonly [string, (id: string) => LockTarget][] = [
    ['as such', (id) => ({ kind: 'service-token', id })],
    ['as a principal', (id) => ({ kind: 'principal', id: PrincipalId.parse(`token:${id}`) })],
  ];
  /** By the name under which tickets have it, as their subject and as the OAuth client beside one. */
  const isPartyLocked = async (id: string): Promise<boolean> =>
    (await broker.whyRevoked({ names: [targetNameOfParty(PrincipalId.parse(`token:${id}`))], rev: 9 })) ===
    'locked';

  it.each(names)('%s is one on the token, also where it is the client', async (_how, targetOf) => {
    const { id } = await broker.makeServiceToken();
    const target = { kind: 'service-token', id } as const;
    const made = await lock(targetOf(id));
    expect(await broker.commandsSent()).toEqual([commandOf(target, null)]);
    const body = await bodyOf(made);
    expect(body).toMatchObject({ target, receipt: CLEAN });
    expect(await isPartyLocked(id)).toBe(true);
    await lift(z.string().parse(body.id));
    expect((await broker.commandsSent()).slice(1)).toEqual([commandOf(target, NOW * 1000)]);
    expect(await isPartyLocked(id)).toBe(false);
  });

  it('under both its names keeps it locked until both are lifted', async () => {
    const { id } = await broker.makeServiceToken();
    const ids: string[] = [];
    for (const [, targetOf] of names) ids.push(await idIn(await lock(targetOf(id))));
    await lift(ids[0] ?? '');
    expect(await isPartyLocked(id)).toBe(true);
    await lift(ids[1] ?? '');
    expect(await isPartyLocked(id)).toBe(false);
  });

  it('whose worker is down is one change that waits', async () => {
    const { id } = await broker.makeServiceToken();
    const up = broker.worker.answer;
    broker.worker.answer = down;
    expect(await bodyOf(await lock({ kind: 'service-token', id }))).toMatchObject({
      receipt: { pending: 1 },
    });
    broker.worker.answer = up;
    expect(await broker.changesWaiting()).toBe(1);
    await flushAfter(5);
    expect(await broker.changesWaiting()).toBe(0);
  });
});

describe('a lock whose worker', () => {
  it.each<[string, () => Promise<Response>]>([
    ['is down', down],
    ['fails', async () => new Response('no', { status: 500 })],
    ['refuses the command', async () => new Response('no', { status: 401 })],
    ['answers something else', async () => Response.json({ ok: true })],
    ['answers no JSON', async () => new Response('<html>')],
    ['answers without an end', async () => new Response('x'.repeat(5000))],
    ['has more to do', async () => Response.json({ ...CLEAN, pending: 3 }, { status: 202 })],
  ])('%s answers 202, is in force at once, and is delivered later', async (_what, answer) => {
    const up = broker.worker.answer;
    broker.worker.answer = answer;
    const made = await lock(ALICES);
    expect(made.status).toBe(202);
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(403);
    expect(await isLockedAtWorkers(ALICES)).toBe(true);
    expect(await broker.changesWaiting()).toBe(1);
    broker.worker.answer = up;
    expect(await flushAfter(4)).toBe(0);
    expect(await flushAfter(1)).toBe(1);
    expect(await broker.lastCommand()).toEqual(commandOf(ALICES, null));
    expect(decodeJwt(broker.worker.tokens.at(-1) ?? '').iat).toBe(NOW + 5);
    expect(await broker.changesWaiting()).toBe(0);
  });

  it('left one object unasked keeps the change', async () => {
    broker.worker.answer = async () => Response.json({ ...CLEAN, unreachable: 1 });
    await lock(ALICES);
    expect(await broker.changesWaiting()).toBe(1);
  });

  it('stays down is tried at growing distances, up to a minute', async () => {
    broker.worker.answer = down;
    await lock(ALICES);
    const tries: number[] = [];
    for (let second = 1; second <= 240; second += 1) if ((await flushAfter(1)) > 0) tries.push(second);
    expect(tries.slice(0, 8)).toEqual([5, 6, 8, 12, 20, 36, 68, 128]);
    expect(tries.slice(8)).toEqual([188]);
  });

  it('is flushed from many places at once is sent the command once', async () => {
    const up = broker.worker.answer;
    broker.worker.answer = down;
    await lock(ALICES);
    broker.worker.answer = up;
    const before = broker.worker.tokens.length;
    broker.clock.now += 5;
    await Promise.all(Array.from({ length: 8 }, () => flushOutbox(broker.ports)));
    expect(broker.worker.tokens).toHaveLength(before + 1);
    expect(await broker.changesWaiting()).toBe(0);
  });

  it('comes back after the lock was lifted learns that the target is free', async () => {
    const up = broker.worker.answer;
    broker.worker.answer = down;
    const id = await idIn(await lock(ALICES));
    expect((await lift(id)).status).toBe(202);
    broker.worker.answer = up;
    expect(await flushAfter(5)).toBe(2);
    // The command of the lock, too, is sent as the lock is by then.
    expect((await broker.commandsSent()).slice(-2)).toEqual(Array(2).fill(commandOf(ALICES, NOW * 1000, id)));
    expect(await isLockedAtWorkers(ALICES)).toBe(false);
  });
});

describe('two locks on one target', () => {
  it.each<[string, number | undefined, number | undefined, number | undefined]>([
    ['the other goes on for ever', 100, undefined, undefined],
    ['the other goes on for its time', undefined, 100, 100],
    ['the other is the shorter one', 200, 100, 100],
    ['the other is the longer one', 100, 200, 200],
  ])('when one is lifted %s', async (_what, first, second, seconds = 100_000) => {
    const ends = (expires: number | undefined) => (expires === undefined ? {} : { expires_in: expires });
    const id = await idIn(await lock(ALICES, ends(first)));
    await lock(ALICES, ends(second));
    await lift(id);
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(403);
    broker.clock.now = NOW + seconds - 1;
    expect(await isLockedAtWorkers(ALICES)).toBe(true);
    broker.clock.now = NOW + seconds;
    expect(await isLockedAtWorkers(ALICES)).toBe(second === undefined);
  });

  it('the longer one decides, whichever came last', async () => {
    await lock(ALICES, { expires_in: 200 });
    await lock(ALICES, { expires_in: 100 });
    broker.clock.now = NOW + 199;
    expect([await isLockedAtWorkers(ALICES), await broker.mint(ALICE, 'counter', 'main')]).toEqual([
      true,
      403,
    ]);
    broker.clock.now = NOW + 200;
    expect([await isLockedAtWorkers(ALICES), await broker.mint(ALICE, 'counter', 'main')]).toEqual([
      false,
      201,
    ]);
  });
});

describe('a lock with an end', () => {
  it('ends by itself, everywhere', async () => {
    const id = await idIn(await lock(ALICES, { expires_in: 10 }));
    broker.clock.now += 9;
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(403);
    broker.clock.now += 1;
    expect(await broker.mint(ALICE, 'counter', 'main')).toBe(201);
    expect(await isLockedAtWorkers(ALICES)).toBe(false);
    expect(await bodyOf(await broker.call(ROOT, 'GET', '/admin/locks'))).toMatchObject({ items: [] });
    expect((await lift(id)).status).toBe(404);
  });

  it('whose worker was down past the end is sent with its end, so that it hits nothing', async () => {
    const up = broker.worker.answer;
    broker.worker.answer = down;
    await lock(ALICES, { expires_in: 3 });
    broker.worker.answer = up;
    await flushAfter(5);
    expect(await broker.lastCommand()).toEqual(commandOf(ALICES, (NOW + 3) * 1000));
    expect(await isLockedAtWorkers(ALICES)).toBe(false);
  });
});

describe('the list and the trail', () => {
  it('shows the locks in force, newest first, page by page', async () => {
    const ids: string[] = [];
    for (const target of [COUNTER, ALICES, { kind: 'everything' } as const]) {
      broker.clock.now += 1;
      ids.unshift(await idIn(await lock(target)));
    }
    const Page = z.object({
      items: z.array(z.looseObject({ id: z.string() })),
      next_cursor: z.string().nullable(),
    });
    const page = async (query: string) =>
      Page.parse(await (await broker.call(ROOT, 'GET', `/admin/locks?${query}`)).json());
    const first = await page('limit=2');
    const rest = await page(`limit=2&cursor=${first.next_cursor}`);
    expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(ids);
    expect(rest.next_cursor).toBeNull();
  });

  it.each([
    ['an agent', { kind: 'agent', agent: 'conuter' }],
    ['an instance of an agent', { kind: 'instance', agent: 'conuter', instance: 'main' }],
  ])('on %s that there is not is refused with the names of those that there are', async (_what, target) => {
    const answer = await broker.call(ROOT, 'POST', '/admin/locks', { target, reason: 'incident 7' });
    expect([answer.status, JSON.stringify(await answer.json())]).toEqual([
      400,
      expect.stringMatching(/: target\.agent \(agents are: counter, .*asleep/),
    ]);
    expect(await bodyOf(await broker.call(ROOT, 'GET', '/admin/locks'))).toMatchObject({ items: [] });
  });

  it('on an agent that is disabled is kept', async () => {
    const target = { kind: 'agent', agent: 'asleep' };
    expect((await broker.call(ROOT, 'POST', '/admin/locks', { target, reason: 'x' })).status).toBe(201);
  });

  it('both acts are recorded, and a lock is lifted once', async () => {
    const id = await idIn(await lock(ALICES));
    await lift(id);
    expect((await lift(id)).status).toBe(404);
    expect(broker.events.filter(({ type }) => type.startsWith('lock.'))).toMatchObject([
      { type: 'lock.created', principal: idOf(ROOT), details: { lock: id, reason: 'incident 7' } },
      { type: 'lock.lifted', principal: idOf(ROOT), details: { lock: id } },
    ]);
  });

  it('no other revocation is a lock: it is not listed, and not lifted', async () => {
    const session = await broker.openSession({});
    await broker.call(ROOT, 'DELETE', `/admin/agents/sessions/${session}`);
    expect(await bodyOf(await broker.call(ROOT, 'GET', '/admin/locks'))).toMatchObject({ items: [] });
    expect((await lift(session)).status).toBe(404);
  });

  it('the reason never travels to the worker', async () => {
    await lock(ALICES);
    expect(JSON.stringify(await broker.lastCommand())).not.toContain('incident');
  });

  it.each<[string, 'GET' | 'POST' | 'DELETE', string, string[], number]>([
    ['reading needs the permission', 'GET', '/admin/locks', ['locks:write'], 403],
    ['making needs the permission', 'POST', '/admin/locks', ['locks:read'], 403],
    ['lifting needs the permission', 'DELETE', `/admin/locks/${crypto.randomUUID()}`, ['locks:read'], 403],
    ['an unknown lock', 'DELETE', `/admin/locks/${crypto.randomUUID()}`, ['locks:write'], 404],
    ['a lock that is no id', 'DELETE', '/admin/locks/x', ['locks:write'], 400],
  ])('%s', async (_what, method, path, permissions, status) => {
    const body = method === 'POST' ? { target: ALICES, reason: 'x' } : undefined;
    expect((await broker.call({ sub: 'op', permissions }, method, path, body)).status).toBe(status);
  });
});
