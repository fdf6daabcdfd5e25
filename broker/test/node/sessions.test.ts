import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  CLEAN,
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';
import { NOW } from './start-broker.ts';

let broker: OperatorBroker;
const ALICE: Person = { sub: 'alice' };
const BOB: Person = { sub: 'bob' };
const OWN = '/sessions';
const ADMIN = '/admin/agents/sessions';

beforeEach(async () => {
  broker = await startOperatorBroker();
});

const Page = z.object({
  items: z.array(z.looseObject({ id: z.string() })),
  next_cursor: z.string().nullable(),
});
const list = async (who: Person, path: string) =>
  Page.parse(await (await broker.call(who, 'GET', path)).json());
const idsOf = async (who: Person, path: string) => (await list(who, path)).items.map(({ id }) => id);
const of = (who: Person) => ({ principal: idOf(who) });
const ALICE_S = of(ALICE);
/** So many seconds from now. */
const time = (seconds: number) => new Date((NOW + seconds) * 1000).toISOString();
const TOKEN = `svc_${'1'.repeat(22)}`;
const ended = { endedAt: NOW * 1000, endReason: 'closed' };

describe('GET /sessions', () => {
  it('lists the caller’s own live ones, newest first, page by page', async () => {
    const old = await broker.openSession({ ...of(ALICE), startedAt: 1 });
    const recent = await broker.openSession({ ...of(ALICE), startedAt: 2 });
    await broker.openSession(of(BOB));
    await broker.openSession({ ...of(ALICE), ...ended });
    expect(await idsOf(ALICE, OWN)).toEqual([recent, old]);
    const first = await list(ALICE, `${OWN}?limit=1`);
    expect(first.items).toMatchObject([{ id: recent, principal: idOf(ALICE), agent: 'counter' }]);
    expect(await idsOf(ALICE, `${OWN}?limit=1&cursor=${first.next_cursor}`)).toEqual([old]);
  });

  it('no query shows another’s', async () => {
    await broker.openSession(of(BOB));
    expect(await idsOf(ALICE, OWN)).toEqual([]);
    for (const query of [`principal=${encodeURIComponent(idOf(BOB))}`, 'active=false'])
      expect((await broker.call(ALICE, 'GET', `${OWN}?${query}`)).status).toBe(400);
  });
});

describe('GET /admin/agents/sessions', () => {
  it.each<[string, string, number | undefined]>([
    ['all', '', 3],
    ['live ones', 'active=true', 2],
    ['ended ones', 'active=false', 1],
    ['those of a principal', `principal=${encodeURIComponent(idOf(BOB))}`, 1],
    ['those of an agent', 'agent=counter', 2],
    ['those of an instance', 'agent=counter&instance=main', 1],
    ['no instance without its agent', 'instance=main', undefined],
    ['no other word for active', 'active=yes', undefined],
    ['no cursor of another list', 'cursor=eyJhIjoxfQ', undefined],
  ])('shows %s', async (_what, query, count) => {
    await broker.openSession({ ...of(ALICE), agent: 'counter', instance: 'main' });
    await broker.openSession({ ...of(BOB), agent: 'counter', instance: 'other' });
    await broker.openSession({ ...of(ALICE), agent: 'lobby', ...ended });
    const answer = await broker.call(ROOT, 'GET', `${ADMIN}?${query}`);
    expect(answer.status).toBe(count === undefined ? 400 : 200);
    if (count !== undefined) expect(Page.parse(await answer.json()).items).toHaveLength(count);
  });

  it.each<[query: string, found: readonly string[] | undefined]>([
    // Its own, and that of somebody else in which it was the client.
    [`service_token=${TOKEN}`, ['newest', 'token']],
    [`service_token=${TOKEN}&limit=1`, ['newest']],
    [`service_token=${TOKEN}&ip_address=192.0.2.7`, ['token']],
    [`principal=token:${TOKEN}`, ['token']],
    [`service_token=${TOKEN}&principal=a`, undefined],
    ['service_token=token:svc_1', undefined],
    ['ip_address=192.0.2.7', ['token']],
    ['ip_address=2001:DB8:0:0::7', ['newest']],
    ['ip_address=192.0.2', undefined],
    [`at=${time(-600)}`, ['oldest']],
    [`at=${time(-3_000)}`, []],
    [`at=${time(0)}`, ['newest', 'token']],
    [`at=${time(-300)}`, []],
    ['at=2027-01-15T09:50:00%2B02:00', ['oldest']],
    [`from=${time(-600)}&to=${time(-59)}`, ['token', 'oldest']],
    [`from=${time(-600)}&to=${time(-60)}`, ['oldest']],
    [`from=${time(-300)}`, ['newest', 'token']],
    [`to=${time(-600)}`, ['oldest']],
    [`active=true&at=${time(-1)}`, ['token']],
    [`from=${time(0)}&to=${time(0)}`, undefined],
    [`at=${time(0)}&to=${time(1)}`, undefined],
    ['at=2027-01-15T08:00:00', undefined],
  ])('finds by ?%s: %j', async (query, found) => {
    const startedAt = (seconds: number) => ({ startedAt: (NOW + seconds) * 1000 });
    const ids = new Map([
      [
        await broker.openSession({ ...startedAt(-900), endedAt: (NOW - 300) * 1000, endReason: 'closed' }),
        'oldest',
      ],
      [
        await broker.openSession({ ...startedAt(-60), principal: `token:${TOKEN}`, ipAddress: '192.0.2.7' }),
        'token',
      ],
      [
        await broker.openSession({
          ...startedAt(0),
          parties: [`token:${TOKEN}`],
          ipAddress: '2001:db8::7',
        }),
        'newest',
      ],
    ]);
    const answer = await broker.call(ROOT, 'GET', `${ADMIN}?${query}`);
    const { items } = answer.status === 200 ? Page.parse(await answer.json()) : { items: undefined };
    expect(items?.map(({ id }) => ids.get(id))).toEqual(found);
  });

  it('shows one with its invocations', async () => {
    const id = await broker.openSession(of(ALICE));
    const body = await bodyOf(await broker.call(ROOT, 'GET', `${ADMIN}/${id}`));
    expect(body).toMatchObject({ id, ended_at: null, invocations: { items: [], next_cursor: null } });
  });
});

describe('the invocations of a session', () => {
  const of = async (id: string, query = '') => {
    const answer = await broker.call(ROOT, 'GET', `${ADMIN}/${id}${query}`);
    return { status: answer.status, body: await bodyOf(answer) };
  };
  const Detail = z.object({
    invocations: z.object({
      items: z.array(
        z.strictObject({
          id: z.uuid(),
          method: z.string(),
          started_at: z.iso.datetime(),
          duration_ms: z.int(),
          outcome: z.string(),
          code: z.string().nullable(),
        }),
      ),
      next_cursor: z.string().nullable(),
    }),
  });

  it('come newest first, page by page, each once, also those of one moment, and no other session’s', async () => {
    const [id, other] = [await broker.openSession(ALICE_S), await broker.openSession(ALICE_S)];
    const calls = Array.from({ length: 7 }, (_, n) => ({
      method: `m${n}`,
      startedAt: NOW * 1000 + Math.floor(n / 3),
    }));
    for (const call of calls) await broker.invoke(id, call);
    await broker.invoke(other, { method: 'elsewhere', startedAt: NOW * 1000 });
    const methods: string[] = [];
    const sizes: number[] = [];
    for (let query: string | undefined = '?limit=3'; query !== undefined; ) {
      const { invocations } = Detail.parse((await of(id, query)).body);
      methods.push(...invocations.items.map(({ method }) => method));
      sizes.push(invocations.items.length);
      query = invocations.next_cursor === null ? undefined : `?limit=3&cursor=${invocations.next_cursor}`;
    }
    expect(sizes).toEqual([3, 3, 1]);
    expect(methods[0]).toBe('m6');
    expect(methods.toSorted()).toEqual(calls.map(({ method }) => method));
  });

  it.each(['?cursor=x', '?cursor=eyJhIjoxfQ', '?limit=0', '?limit=201'])(
    '%s is a bad request',
    async (query) => {
      expect((await of(await broker.openSession(ALICE_S), query)).status).toBe(400);
    },
  );

  it.each([
    ['x', 400],
    ['00000000-0000-0000-0000-00000000000', 400],
    [crypto.randomUUID(), 404],
  ])('of the session %s are a %d', async (id, status) => {
    expect((await of(id)).status).toBe(status);
  });
});

describe.each<[string, Person, string]>([
  ['an own session', ALICE, OWN],
  ['any session, by an operator', ROOT, ADMIN],
])('ending %s', (_what, who, path) => {
  it('closes it and answers with a receipt', async () => {
    const id = await broker.openSession(of(ALICE));
    const answer = await broker.call(who, 'DELETE', `${path}/${id}`);
    expect(answer.status).toBe(200);
    expect(await bodyOf(answer)).toMatchObject({
      id,
      ended_at: new Date(NOW * 1000).toISOString(),
      end_reason: 'session_terminated',
      receipt: CLEAN,
    });
    expect(await broker.lastCommand()).toMatchObject({
      op: 'revoke',
      revocation: { target: `session:${id}`, kind: 'any', code: 'session_terminated' },
    });
    expect(await broker.whyRevoked({ names: [`session:${id}`], rev: 9 })).toBe('session_terminated');
    expect(await broker.changesWaiting()).toBe(0);
    expect(broker.events.find(({ type }) => type === 'session.terminated')).toMatchObject({
      type: 'session.terminated',
      principal: idOf(who),
      sessionId: id,
    });
  });

  it('is 202 while the worker is down, and the command waits', async () => {
    const id = await broker.openSession(of(ALICE));
    broker.worker.answer = async () => Promise.reject(new TypeError('down'));
    const answer = await broker.call(who, 'DELETE', `${path}/${id}`);
    expect([answer.status, await broker.changesWaiting()]).toEqual([202, 1]);
    expect(await bodyOf(answer)).toMatchObject({ ended_at: null, end_reason: null });
  });

  it.each<[string, () => Promise<string>, number]>([
    ['a conflict when it has ended', () => broker.openSession({ ...of(ALICE), ...ended }), 409],
    ['a 404 where there is none', async () => crypto.randomUUID(), 404],
    ['a 400 where the id is none', async () => 'x', 400],
  ])('is %s', async (_how, id, status) => {
    expect((await broker.call(who, 'DELETE', `${path}/${await id()}`)).status).toBe(status);
    expect(broker.worker.tokens).toEqual([]);
  });
});

describe('another’s session', () => {
  it.each([
    ['live', {}],
    ['ended', ended],
  ])('(%s) is as one that there is not, and stays', async (_what, fact) => {
    const id = await broker.openSession({ ...of(BOB), ...fact });
    const face = async (path: string) => {
      const answer = await broker.call(ALICE, 'DELETE', path);
      const { code, message } = z.looseObject({}).parse((await bodyOf(answer)).error);
      return [answer.status, code, message];
    };
    expect(await face(`${OWN}/${id}`)).toEqual(await face(`${OWN}/${crypto.randomUUID()}`));
    expect((await face(`${OWN}/${id}`))[0]).toBe(404);
    expect(broker.worker.tokens).toEqual([]);
  });

  it.each<['GET' | 'DELETE', string, string[]]>([
    ['GET', ADMIN, ['sessions:terminate']],
    ['GET', `${ADMIN}/x`, ['sessions:terminate']],
    ['DELETE', `${ADMIN}/x`, ['sessions:read']],
  ])('needs the permission: %s %s', async (method, path, permissions) => {
    expect((await broker.call({ sub: 'op', permissions }, method, path)).status).toBe(403);
  });
});
