import { REVOCATION_KEPT_MS } from '@agent-ticket/shared/revocation.ts';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { bodyOf } from '../answers.ts';
import { basic, NOW } from '../start-broker.ts';
import { idOf, type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

let broker: OperatorBroker;
const OWNER: Person = { sub: 'owner' };
const BOB: Person = { sub: 'bob' };
const GUEST: Person = { sub: 'guest' };
const NOBODY: Person = { sub: 'nobody' };
const READER: Person = { sub: 'reader', permissions: ['grants:read'] };

const GRANT = { subject: idOf(BOB), agent: 'counter', instance: 'mine', role: 'viewer', reason: 'test' };
const create = (who: Person | undefined, body: object = {}) =>
  broker.call(who, 'POST', '/admin/grants', { ...GRANT, ...body });
const idIn = async (answer: Response): Promise<string> => z.string().parse((await bodyOf(answer)).id);
const list = (who: Person, query: string) => broker.call(who, 'GET', `/admin/grants?${query}`);
const Page = z.object({
  items: z.array(z.looseObject({ id: z.string(), subject: z.string(), instance: z.string() })),
  next_cursor: z.string().nullable(),
});
const pageOf = async (answer: Response) => Page.parse(await answer.json());

beforeAll(async () => {
  broker = await startOperatorBroker();
  await create(ROOT, { subject: idOf(OWNER), role: 'owner' });
});

describe('who may write grants', () => {
  it.each<[string, Person | undefined, object, number]>([
    ['an operator anywhere', ROOT, { instance: 'elsewhere' }, 201],
    ['an operator on every instance', ROOT, { instance: '*' }, 201],
    ['an operator for an agent that there is not', ROOT, { agent: 'nobody' }, 201],
    ['an owner on the own instance', OWNER, {}, 201],
    ['an owner, another owner', OWNER, { subject: idOf(NOBODY), instance: 'mine', role: 'admin' }, 201],
    ['an owner not on another instance', OWNER, { instance: 'other' }, 403],
    ['an owner not on another agent', OWNER, { agent: 'lobby' }, 403],
    ['an owner not on every instance', OWNER, { instance: '*' }, 403],
    ['an owner no address', OWNER, { subject: 'email:bob@tenant.test' }, 403],
    ['an owner no domain', OWNER, { subject: 'email:*@tenant.test' }, 403],
    ['an owner no group', OWNER, { subject: 'group:https://tenant.test/:staff' }, 403],
    ['a reader not', READER, {}, 403],
    ['somebody without rights not', NOBODY, { instance: 'other' }, 403],
    ['somebody without rights not, for an agent that there is not', NOBODY, { agent: 'nobody' }, 403],
    ['an anonymous caller not', undefined, {}, 401],
  ])('%s', async (_what, who, body, status) => {
    expect((await create(who, body)).status).toBe(status);
  });

  it('an admin of the instance is no owner', async () => {
    const admin: Person = { sub: 'only-admin' };
    await create(ROOT, { subject: idOf(admin), role: 'admin' });
    expect((await create(admin)).status).toBe(403);
  });

  it('an owner whose grant has ended is none', async () => {
    const late: Person = { sub: 'late-owner' };
    await create(ROOT, { subject: idOf(late), role: 'owner', instance: 'lent', expires_in: 60 });
    expect((await create(late, { instance: 'lent' })).status).toBe(201);
    broker.clock.now += 60;
    expect((await create(late, { instance: 'lent' })).status).toBe(403);
    broker.clock.now = NOW;
  });

  it('a service token that is limited to agents is limited here too', async () => {
    const { call } = broker;
    const token = await broker.makeServiceToken({ agents: ['lobby'] });
    await broker.grant(`token:${token.id}`, 'counter', 'owner');
    const who = { authorization: basic(token.clientId, token.clientSecret).authorization ?? '' };
    expect((await call(who, 'POST', '/admin/grants', GRANT)).status).toBe(403);
  });
});

describe('a body is refused', () => {
  it.each<[string, object]>([
    ['with a subject that is no name', { subject: 'bob' }],
    ['with an anonymous principal as its subject', { subject: 'anonymous:192.0.2.1' }],
    ['with an address without a domain', { subject: 'email:bob@' }],
    ['with two @ in an address', { subject: 'email:a@b@tenant.test' }],
    ['with a wildcard in the middle of an address', { subject: 'email:b*@tenant.test' }],
    ['with a wildcard domain', { subject: 'email:bob@*' }],
    ['with a group without an issuer', { subject: 'group:staff' }],
    ['with an instance that no agent could have', { instance: 'a/b' }],
    ['with the name of sub-agents as its instance', { instance: 'sub' }],
    ['with a role that there is not', { role: 'god' }],
    ['without a reason', { reason: '   ' }],
    ['with an end in less than a minute', { expires_in: 59 }],
    ['with a member that is not known', { expires: 60 }],
  ])('%s', async (_what, body) => {
    expect((await create(ROOT, body)).status).toBe(400);
  });
});

describe('a grant', () => {
  it('is answered as stored, and recorded with its author', async () => {
    const subject = idOf({ sub: 'recorded' });
    const answer = await create(OWNER, { subject, expires_in: 3600 });
    const body = await bodyOf(answer);
    expect(body).toEqual({
      ...GRANT,
      subject,
      id: expect.any(String),
      created_by: idOf(OWNER),
      created_at: new Date(NOW * 1000).toISOString(),
      expires_at: new Date((NOW + 3600) * 1000).toISOString(),
    });
    expect(broker.events.at(-1)).toMatchObject({
      type: 'grant.created',
      principal: idOf(OWNER),
      agent: 'counter',
      instance: 'mine',
      details: { grant: body.id, subject, role: 'viewer', reason: 'test' },
    });
  });

  it('is made once: the same again is refused, names it, and changes nothing', async () => {
    const same = { subject: idOf({ sub: 'once' }) };
    const id = await idIn(await create(ROOT, { ...same, expires_in: 60 }));
    for (const [who, again] of [
      [ROOT, same],
      [OWNER, { ...same, reason: 'another' }],
    ] as const) {
      const answer = await create(who, again);
      expect([answer.status, await bodyOf(answer)]).toMatchObject([
        409,
        { error: { code: 'CONFLICT', message: expect.stringContaining(id) } },
      ]);
    }
    const { items } = await pageOf(await list(ROOT, `subject=${encodeURIComponent(same.subject)}`));
    expect(items).toMatchObject([{ id, reason: 'test' }]);
    expect((await create(ROOT, { ...same, role: 'admin' })).status).toBe(201);
    broker.clock.now += 60;
    expect((await create(ROOT, same)).status).toBe(201);
    broker.clock.now = NOW;
  });

  it('cannot be made by an owner beyond a hundred on the instance, while operators go on', async () => {
    const full = { agent: 'counter', instance: 'full' };
    await create(ROOT, { ...full, subject: idOf(OWNER), role: 'owner' });
    for (let n = 1; n <= 98; n += 1) await create(ROOT, { ...full, subject: idOf({ sub: `guest-${n}` }) });
    const tries = await Promise.all(
      ['last', 'more'].map((sub) => create(OWNER, { ...full, subject: idOf({ sub }) })),
    );
    expect(tries.map(({ status }) => status).sort()).toEqual([201, 403]);
    const refused = await create(OWNER, { ...full, subject: idOf({ sub: 'again' }) });
    expect(await bodyOf(refused)).toMatchObject({
      error: { code: 'FORBIDDEN', message: expect.stringContaining('100') },
    });
    expect((await create(ROOT, { ...full, subject: idOf({ sub: 'by-operator' }) })).status).toBe(201);
  });
});

describe('DELETE', () => {
  it.each<[string, object]>([
    ['of a principal on one instance', { subject: idOf(GUEST), instance: 'mine' }],
    ['of a principal on every instance', { subject: idOf(GUEST), instance: '*' }],
    ['of an address', { subject: 'email:bob@tenant.test', instance: 'mine' }],
    ['of a group', { subject: 'group:https://tenant.test/:staff', instance: '*' }],
  ])('%s revokes that grant, and nothing else', async (_what, grant) => {
    const id = await idIn(await create(ROOT, grant));
    const answer = await broker.call(ROOT, 'DELETE', `/admin/grants/${id}`);
    expect(answer.status).toBe(200);
    expect(await bodyOf(answer)).toMatchObject({ id, receipt: { pending: 0, closed: 2 } });
    expect(await broker.lastCommand()).toEqual({
      op: 'revoke',
      revocation: {
        id: `any grant:${id}`,
        rev: expect.any(Number),
        target: `grant:${id}`,
        kind: 'any',
        until: broker.clock.now * 1000 + REVOCATION_KEPT_MS,
        code: 'rights_changed',
      },
    });
    expect(await broker.changesWaiting()).toBe(0);
    expect((await broker.call(ROOT, 'DELETE', `/admin/grants/${id}`)).status).toBe(404);
  });

  it.each([
    ['an address that nobody has', 'email:nobody@tenant.test'],
    ['a group without a member', 'group:https://tenant.test/:nobody'],
  ])('of %s on every instance ends no session but those that rest on it', async (_what, subject) => {
    const [id, other] = [
      await idIn(await create(ROOT, { subject, instance: '*' })),
      await idIn(await create(ROOT, { subject: subject.replace('nobody', 'somebody'), instance: '*' })),
    ];
    for (const grantId of [null, other])
      await broker.openSession({ agent: 'counter', instance: crypto.randomUUID(), grantId });
    await broker.call(ROOT, 'DELETE', `/admin/grants/${id}`);
    const command = await broker.lastCommand();
    if (command.op !== 'revoke') throw new Error(`${command.op} is no revocation`);
    const live = () =>
      broker.ports.record.revocations.liveObjects('agents.test', command.revocation, undefined, 10);
    expect(await live()).toEqual([]);
    await broker.openSession({ agent: 'counter', instance: 'resting', grantId: id });
    expect(await live()).toEqual([{ agent: 'counter', instance: 'resting' }]);
  });

  it('takes the right at once, and the command waits while the worker is down', async () => {
    const carol: Person = { sub: 'carol' };
    const id = await idIn(await create(ROOT, { subject: idOf(carol), agent: 'hidden' }));
    expect(await broker.mint(carol, 'hidden', 'mine')).toBe(201);
    const up = broker.worker.answer;
    broker.worker.answer = async () => Promise.reject(new TypeError('down'));
    const answer = await broker.call(ROOT, 'DELETE', `/admin/grants/${id}`);
    broker.worker.answer = up;
    expect(answer.status).toBe(202);
    expect(await bodyOf(answer)).toMatchObject({ receipt: { pending: 1 } });
    expect(await broker.mint(carol, 'hidden', 'mine')).toBe(404);
    const [row] = await broker.ports.control.outbox.due(Number.MAX_SAFE_INTEGER, 10);
    expect(JSON.parse(row?.command ?? '{}')).toEqual({ op: 'revoke', ids: [`any grant:${id}`] });
    await broker.ports.control.outbox.done(row?.id ?? '');
  });

  it.each<[string, Person, number, number]>([
    ['an operator learns that there is none', ROOT, 404, 400],
    ['an owner learns nothing', OWNER, 403, 403],
    ['a reader learns nothing', READER, 403, 403],
  ])('of a grant that there is not: %s', async (_what, who, unknown, invalid) => {
    const statusOf = async (id: string) => (await broker.call(who, 'DELETE', `/admin/grants/${id}`)).status;
    expect([await statusOf(crypto.randomUUID()), await statusOf('nonsense')]).toEqual([unknown, invalid]);
  });

  it('by an owner reaches the own instance only, and every refusal is the same', async () => {
    // The owner's changes of the last minute are as many as a minute allows.
    broker.clock.now += 60;
    const [own, foreign, wide] = await Promise.all(
      ['mine', 'other', '*'].map(async (instance) =>
        idIn(await create(ROOT, { subject: idOf(GUEST), instance })),
      ),
    );
    const refusals = await Promise.all(
      [foreign, wide, crypto.randomUUID()].map(async (id) => {
        const answer = await broker.call(OWNER, 'DELETE', `/admin/grants/${id}`);
        const error = z.looseObject({}).parse((await bodyOf(answer)).error);
        return JSON.stringify([answer.status, error.code, error.message]);
      }),
    );
    expect([...new Set(refusals)]).toEqual([expect.stringContaining('403')]);
    expect((await broker.call(OWNER, 'DELETE', `/admin/grants/${own}`)).status).toBe(200);
    broker.clock.now = NOW;
  });
});

describe('GET', () => {
  const people = ['one', 'two', 'three'].map((sub): Person => ({ sub }));
  beforeAll(async () => {
    for (const [i, person] of people.entries()) {
      broker.clock.now = NOW + 100 + i;
      await create(ROOT, { subject: idOf(person), instance: 'listed' });
    }
    await create(ROOT, { subject: 'email:list@tenant.test', instance: '*' });
    await create(ROOT, { subject: idOf(BOB), instance: 'listed', expires_in: 60 });
    broker.clock.now = NOW + 1000;
  });

  it('shows the grants in force on an instance, newest first', async () => {
    const { items, next_cursor } = await pageOf(await list(ROOT, 'agent=counter&instance=listed'));
    expect(items.map(({ subject }) => subject)).toEqual(people.map(idOf).reverse());
    expect(next_cursor).toBeNull();
  });

  it.each<[string, string, number]>([
    ['subject', `subject=${encodeURIComponent(idOf({ sub: 'one' }))}`, 1],
    ['subject and agent', `agent=lobby&subject=${encodeURIComponent(idOf({ sub: 'one' }))}`, 0],
    ['a subject that is an address', 'subject=email:list@tenant.test', 1],
    ['an agent that has none', 'agent=lobby', 0],
  ])('filters by %s', async (_what, query, count) => {
    expect((await pageOf(await list(ROOT, query))).items).toHaveLength(count);
  });

  it('goes on where a page ended, without gap or repetition', async () => {
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query = `agent=counter&instance=listed&limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const page: z.infer<typeof Page> = await pageOf(await list(ROOT, query));
      seen.push(...page.items.map(({ subject }) => subject));
      cursor = page.next_cursor;
    }
    expect(seen).toEqual(people.map(idOf).reverse());
  });

  it.each<[string, Person, string, number]>([
    ['a reader sees all', READER, '', 200],
    ['an owner sees the own instance', OWNER, 'agent=counter&instance=mine', 200],
    ['an owner sees no other instance', OWNER, 'agent=counter&instance=listed', 403],
    ['an owner sees no whole agent', OWNER, 'agent=counter', 403],
    ['an owner sees no grants on every instance', OWNER, 'agent=counter&instance=*', 403],
    ['an owner does not see all', OWNER, '', 403],
    ['who has no rights sees nothing', NOBODY, 'agent=nobody&instance=x', 403],
    ['no page is longer than 200', READER, 'limit=201', 400],
    ['no page is empty', READER, 'limit=0', 400],
    ['a cursor of somebody’s invention is refused', READER, 'cursor=eyJpZCI6MX0', 400],
  ])('%s', async (_what, who, query, status) => {
    expect((await list(who, query)).status).toBe(status);
  });
});
