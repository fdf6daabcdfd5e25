import { CLOCK_SKEW_SECONDS } from '@agent-ticket/shared/limits.ts';
import { AgentSlug, InstanceName, PrincipalId, SessionId } from '@agent-ticket/shared/names.ts';
import { type Target, targetName } from '@agent-ticket/shared/target.ts';
import { clientParty } from '@agent-ticket/shared/ticket.ts';
import { decodeJwt } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { flushOutbox } from '../../../src/revocation/termination.ts';
import { bodyOf } from '../answers.ts';
import { basic, NOW } from '../start-broker.ts';
import { CLEAN, idOf, type Office, openOffice, type Person, ROOT } from './office.ts';

let office: Office;
const ALICE: Person = { sub: 'alice' };
const COUNTER: Target = { kind: 'agent', agent: AgentSlug.parse('counter') };
const ALICES: Target = { kind: 'principal', id: PrincipalId.parse(idOf(ALICE)) };

beforeEach(async () => {
  office = await openOffice();
});

const lock = (target: Target, more: object = {}) =>
  office.call(ROOT, 'POST', '/admin/locks', { target, reason: 'incident 7', ...more });
const lift = (id: string) => office.call(ROOT, 'DELETE', `/admin/locks/${id}`);
const idIn = async (answer: Response): Promise<string> => z.string().parse((await bodyOf(answer)).id);
const down = async () => Promise.reject(new TypeError('down'));
const flushAfter = (seconds: number) => {
  office.stand.clock.now += seconds;
  return flushOutbox(office.ports.termination);
};

/** From now on a second passes whenever somebody looks at the clock. */
const tick = () => {
  let { now } = office.stand.clock;
  Object.defineProperty(office.stand.clock, 'now', { get: () => (now += 1) });
};

describe('from its 201 on no ticket is made', () => {
  it.each<[string, Target]>([
    ['a principal', ALICES],
    ['an agent', COUNTER],
    ['an instance', { kind: 'instance', agent: COUNTER.agent, instance: InstanceName.parse('main') }],
    ['everything', { kind: 'everything' }],
  ])('for %s, until it is lifted', async (_what, target) => {
    expect(await office.mint(ALICE, 'counter', 'main')).toBe(201);
    const made = await lock(target);
    expect(made.status).toBe(201);
    const body = await bodyOf(made);
    expect(body).toMatchObject({ target, reason: 'incident 7', created_by: idOf(ROOT), receipt: CLEAN });
    expect(await office.mint(ALICE, 'counter', 'main')).toBe(403);
    expect((await office.lastCommand()).cmd).toEqual({ op: 'lock', target, until: null });
    expect((await lift(z.string().parse(body.id))).status).toBe(200);
    expect((await office.lastCommand()).cmd).toEqual({ op: 'unlock', target });
    expect(await office.mint(ALICE, 'counter', 'main')).toBe(201);
  });

  it('not on an OAuth client by its name in tickets: that is what a lock on its service token says as well', async () => {
    const answer = await lock({ kind: 'principal', id: clientParty('svc_0123456789') });
    expect([answer.status, await bodyOf(answer)]).toEqual([
      400,
      { error: expect.objectContaining({ message: expect.stringContaining('target.id') }) },
    ]);
  });

  it('means sessions that open while it is written, and those of a clock ahead of this one', async () => {
    await lock(ALICES);
    expect((await office.lastCommand()).before).toBe((NOW + CLOCK_SKEW_SECONDS) * 1000);
  });

  it('for a service token', async () => {
    const token = await office.stand.makeServiceToken();
    const who = { authorization: basic(token.clientId, token.clientSecret).authorization ?? '' };
    const mint = async () =>
      (await office.call(who, 'POST', '/tickets', { agent: 'counter', instance: 'main' })).status;
    expect(await mint()).toBe(201);
    await lock({ kind: 'service-token', id: token.id });
    expect(await mint()).toBe(403);
    expect(await office.mint(ALICE, 'counter', 'main')).toBe(201);
  });

  it.each<[string, Target]>([
    ['a session', { kind: 'session', id: SessionId.parse(crypto.randomUUID()) }],
    ['another principal', { kind: 'principal', id: PrincipalId.parse(idOf({ sub: 'bob' })) }],
    ['another agent', { kind: 'agent', agent: AgentSlug.parse('lobby') }],
    ['another instance', { kind: 'instance', agent: COUNTER.agent, instance: InstanceName.parse('other') }],
  ])('but a lock on %s keeps nobody else out', async (_what, target) => {
    expect((await lock(target)).status).toBe(201);
    expect(await office.mint(ALICE, 'counter', 'main')).toBe(201);
    expect(await office.lockedAtWorkers([targetName(target)])).toHaveLength(1);
  });
});

describe('a lock on a service token', () => {
  const commands = async () => office.worker.tokens.splice(0).map((token) => decodeJwt(token).cmd);
  const names: readonly [string, (id: string) => Target][] = [
    ['as such', (id) => ({ kind: 'service-token', id })],
    ['as a principal', (id) => ({ kind: 'principal', id: PrincipalId.parse(`token:${id}`) })],
  ];

  it.each(names)('%s reaches sessions in which it is the client, too', async (_how, targetOf) => {
    const { id, clientId } = await office.stand.makeServiceToken();
    const target = targetOf(id);
    const client = { kind: 'principal', id: `client:${clientId}` };
    const made = await lock(target);
    expect(await commands()).toEqual(
      [target, client].map((each) => ({ op: 'lock', target: each, until: null })),
    );
    const lockId = await idIn(made.clone());
    expect(await bodyOf(made)).toMatchObject({ receipt: { closed: 4, objects: 2 } });
    const copies = [targetName(target), `principal:client:${clientId}`];
    expect(await office.lockedAtWorkers(copies)).toHaveLength(2);
    await lift(lockId);
    expect(await commands()).toEqual([target, client].map((each) => ({ op: 'unlock', target: each })));
    expect(await office.lockedAtWorkers(copies)).toEqual([]);
  });

  it('under both its names keeps it locked as a client until both are lifted', async () => {
    const { id, clientId } = await office.stand.makeServiceToken();
    const ids: string[] = [];
    for (const [, targetOf] of names) ids.push(await idIn(await lock(targetOf(id))));
    const copies = async () => (await office.lockedAtWorkers([`principal:client:${clientId}`])).length;
    await lift(ids[0] ?? '');
    expect(await copies()).toBe(1);
    await lift(ids[1] ?? '');
    expect(await copies()).toBe(0);
  });

  it('whose worker is down is one command that waits', async () => {
    const { id } = await office.stand.makeServiceToken();
    const up = office.worker.answer;
    office.worker.answer = down;
    expect(await bodyOf(await lock({ kind: 'service-token', id }))).toMatchObject({
      receipt: { pending: 1 },
    });
    office.worker.answer = up;
    expect(await office.commandsWaiting()).toBe(1);
    await flushAfter(5);
    expect(await office.commandsWaiting()).toBe(0);
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
  ])('%s answers 202, stands at once, and is carried out later', async (_what, answer) => {
    const up = office.worker.answer;
    office.worker.answer = answer;
    const made = await lock(ALICES);
    expect(made.status).toBe(202);
    expect(await office.mint(ALICE, 'counter', 'main')).toBe(403);
    expect(await office.lockedAtWorkers([targetName(ALICES)])).toEqual([
      { target: targetName(ALICES), until: null },
    ]);
    expect(await office.commandsWaiting()).toBe(1);
    office.worker.answer = up;
    expect(await flushAfter(4)).toBe(0);
    expect(await flushAfter(1)).toBe(1);
    expect(await office.lastCommand()).toMatchObject({
      cmd: { op: 'lock', target: ALICES, until: null },
      before: (NOW + 5 + CLOCK_SKEW_SECONDS) * 1000,
      iat: NOW + 5,
    });
    expect(await office.commandsWaiting()).toBe(0);
  });

  it('is asked late means everybody who came in until then', async () => {
    tick();
    const { created_at: asked } = await bodyOf(await lock(ALICES));
    const { before } = await office.lastCommand();
    expect(before).toBeGreaterThan(Date.parse(z.string().parse(asked)));
  });

  it('left one object unasked keeps the command', async () => {
    office.worker.answer = async () => Response.json({ ...CLEAN, unreachable: 1 });
    await lock(ALICES);
    expect(await office.commandsWaiting()).toBe(1);
  });

  it('stays down is tried at growing distances, up to a minute', async () => {
    office.worker.answer = down;
    await lock(ALICES);
    const tries: number[] = [];
    for (let second = 1; second <= 240; second += 1) if ((await flushAfter(1)) > 0) tries.push(second);
    expect(tries.slice(0, 8)).toEqual([5, 6, 8, 12, 20, 36, 68, 128]);
    expect(tries.slice(8)).toEqual([188]);
  });

  it('is flushed from many places at once is sent the command once', async () => {
    office.worker.answer = down;
    await lock(ALICES);
    office.worker.answer = async () => Response.json(CLEAN);
    const before = office.worker.tokens.length;
    office.stand.clock.now += 5;
    const counts = await Promise.all(Array.from({ length: 8 }, () => flushOutbox(office.ports.termination)));
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(1);
    expect(office.worker.tokens).toHaveLength(before + 1);
  });

  it('comes back after the lock was lifted hears that the target is free', async () => {
    const up = office.worker.answer;
    office.worker.answer = down;
    const id = await idIn(await lock(ALICES));
    expect((await lift(id)).status).toBe(200);
    office.worker.answer = up;
    expect(await flushAfter(5)).toBe(2);
    expect((await office.lastCommand()).cmd).toEqual({ op: 'unlock', target: ALICES });
    expect(await office.lockedAtWorkers([targetName(ALICES)])).toEqual([]);
  });
});

describe('two locks on one target', () => {
  it.each<[string, number | undefined, number | undefined, number | null]>([
    ['the other goes on for ever', 100, undefined, null],
    ['the other goes on for its time', undefined, 100, (NOW + 100) * 1000],
    ['the other is the shorter one', 200, 100, (NOW + 100) * 1000],
    ['the other is the longer one', 100, 200, (NOW + 200) * 1000],
  ])('when one is lifted %s', async (_what, first, second, until) => {
    const ends = (seconds: number | undefined) => (seconds === undefined ? {} : { expires_in: seconds });
    const id = await idIn(await lock(ALICES, ends(first)));
    await lock(ALICES, ends(second));
    await lift(id);
    expect((await office.lastCommand()).cmd).toEqual({ op: 'lock', target: ALICES, until });
    expect(await office.lockedAtWorkers([targetName(ALICES)])).toEqual([
      { target: targetName(ALICES), until },
    ]);
    expect(await office.mint(ALICE, 'counter', 'main')).toBe(403);
  });

  it('the longer one is told, whichever came last', async () => {
    await lock(ALICES, { expires_in: 200 });
    await lock(ALICES, { expires_in: 100 });
    expect((await office.lastCommand()).cmd).toMatchObject({ until: (NOW + 200) * 1000 });
  });
});

describe('a lock with an end', () => {
  it('ends by itself, everywhere', async () => {
    await lock(ALICES, { expires_in: 10 });
    office.stand.clock.now += 9;
    expect(await office.mint(ALICE, 'counter', 'main')).toBe(403);
    office.stand.clock.now += 1;
    expect(await office.mint(ALICE, 'counter', 'main')).toBe(201);
    expect(await office.lockedAtWorkers([targetName(ALICES)])).toEqual([]);
    expect(await bodyOf(await office.call(ROOT, 'GET', '/admin/locks'))).toMatchObject({ items: [] });
  });

  it('whose worker was down past the end is told as lifted', async () => {
    const up = office.worker.answer;
    office.worker.answer = down;
    await lock(ALICES, { expires_in: 3 });
    office.worker.answer = up;
    await flushAfter(5);
    expect((await office.lastCommand()).cmd).toEqual({ op: 'unlock', target: ALICES });
  });
});

describe('the list and the trail', () => {
  it('shows those that stand, newest first, page by page', async () => {
    const ids: string[] = [];
    for (const target of [COUNTER, ALICES, { kind: 'everything' } as const]) {
      office.stand.clock.now += 1;
      ids.unshift(await idIn(await lock(target)));
    }
    const Page = z.object({
      items: z.array(z.looseObject({ id: z.string() })),
      next_cursor: z.string().nullable(),
    });
    const page = async (query: string) =>
      Page.parse(await (await office.call(ROOT, 'GET', `/admin/locks?${query}`)).json());
    const first = await page('limit=2');
    const rest = await page(`limit=2&cursor=${first.next_cursor}`);
    expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(ids);
    expect(rest.next_cursor).toBeNull();
  });

  it('both deeds are recorded, and a lock is lifted once', async () => {
    const id = await idIn(await lock(ALICES));
    await lift(id);
    expect((await lift(id)).status).toBe(404);
    expect(office.stand.events.filter(({ type }) => type.startsWith('lock.'))).toMatchObject([
      { type: 'lock.created', principal: idOf(ROOT), details: { lock: id, reason: 'incident 7' } },
      { type: 'lock.lifted', principal: idOf(ROOT), details: { lock: id } },
    ]);
  });

  it('the reason never travels to the worker', async () => {
    await lock(ALICES);
    expect(JSON.stringify(await office.lastCommand())).not.toContain('incident');
  });

  it.each<[string, 'GET' | 'POST' | 'DELETE', string, string[], number]>([
    ['reading needs the permission', 'GET', '/admin/locks', ['locks:write'], 403],
    ['making needs the permission', 'POST', '/admin/locks', ['locks:read'], 403],
    ['lifting needs the permission', 'DELETE', `/admin/locks/${crypto.randomUUID()}`, ['locks:read'], 403],
    ['an unknown lock', 'DELETE', `/admin/locks/${crypto.randomUUID()}`, ['locks:write'], 404],
    ['a lock that is no id', 'DELETE', '/admin/locks/x', ['locks:write'], 400],
  ])('%s', async (_what, method, path, permissions, status) => {
    const body = method === 'POST' ? { target: ALICES, reason: 'x' } : undefined;
    expect((await office.call({ sub: 'op', permissions }, method, path, body)).status).toBe(status);
  });
});
