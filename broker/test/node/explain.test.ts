import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { idOf, type Office, openOffice, type Person, ROOT } from './admin/office.ts';
import { bodyOf } from './answers.ts';
import { NOW } from './stand.ts';

let office: Office;
const ALICE: Person = { sub: 'alice' };
const explain = (who: Person | undefined, body: object) => office.call(who, 'POST', '/explain', body);
const mint = (who: Person | undefined, body: object) => office.call(who, 'POST', '/tickets', body);
const grant = (body: object) =>
  office.call(ROOT, 'POST', '/admin/grants', { instance: 'main', reason: 'test', ...body });
const Rules = z.array(z.strictObject({ rule: z.string(), holds: z.boolean() }));
const rulesIn = (body: Record<string, unknown>) => Rules.parse(body.rules);

beforeAll(async () => {
  office = await openOffice();
  await grant({ subject: idOf({ sub: 'bob' }), agent: 'counter', role: 'admin', expires_in: 600 });
  await grant({ subject: idOf({ sub: 'bob' }), agent: 'hidden', instance: '*', role: 'viewer' });
});

describe('an explanation', () => {
  it('of what is allowed lists every rule as holding, with role, scope and end', async () => {
    const body = await bodyOf(await explain(ALICE, { agent: 'counter', instance: 'main' }));
    expect(body).toMatchObject({
      principal: idOf(ALICE),
      allowed: true,
      role: 'viewer',
      scope: 'agent:connect agent:state:read agent:rpc:whoami',
      session_expires_at: new Date((NOW + 3600) * 1000).toISOString(),
      would_claim: false,
      grants: [],
    });
    expect(rulesIn(body)).toHaveLength(11);
    expect(rulesIn(body).every(({ holds }) => holds)).toBe(true);
  });

  it('shows the grants that bear on it, and their end', async () => {
    const body = await bodyOf(await explain({ sub: 'bob' }, { agent: 'counter', instance: 'main' }));
    const end = new Date((NOW + 600) * 1000).toISOString();
    expect(body).toMatchObject({
      role: 'admin',
      session_expires_at: end,
      grants: [{ subject: idOf({ sub: 'bob' }), instance: 'main', role: 'admin', expires_at: end }],
    });
  });

  it('of a scope outside the role ends with the rule that refuses', async () => {
    const request = { agent: 'counter', instance: 'main', scope: 'agent:rpc:increment' };
    const answer = await explain(ALICE, request);
    const body = await bodyOf(answer);
    expect([answer.status, body.allowed, body.scope, body.role]).toEqual([200, false, null, null]);
    expect(rulesIn(body).at(-1)).toEqual({ rule: 'the scope lies within the role', holds: false });
    expect((await mint(ALICE, request)).status).toBe(403);
  });

  it('says that a lock stands, and neither why nor by whom', async () => {
    const target = { kind: 'instance', agent: 'counter', instance: 'locked' };
    await office.call(ROOT, 'POST', '/admin/locks', { target, reason: 'incident 7' });
    const answer = await explain(ALICE, { agent: 'counter', instance: 'locked' });
    const text = await answer.clone().text();
    expect(rulesIn(await bodyOf(answer)).at(-1)).toEqual({ rule: 'no lock stands', holds: false });
    expect(text).not.toMatch(/incident|root/);
  });

  it('issues, claims and records nothing', async () => {
    const before = office.stand.events.length;
    await explain(ALICE, { agent: 'diary', instance: 'untouched' });
    expect(office.stand.events).toHaveLength(before);
    expect(await office.ports.grants.ownersEver('diary', 'untouched')).toEqual([]);
  });
});

describe('what is hidden is explained no further than a mint would', () => {
  it.each<[string, object]>([
    ['an unknown agent', { agent: 'nobody' }],
    ['a disabled agent', { agent: 'asleep', instance: 'x' }],
    ['an agent without a grant', { agent: 'hidden', instance: 'main' }],
    ['an instance that is not listed', { agent: 'lobby', instance: 'elsewhere' }],
  ])('%s', async (_what, request) => {
    const [explained, minted] = [await explain(ALICE, request), await mint(ALICE, request)];
    const face = async (answer: Response) => {
      const { code, message } = z.looseObject({}).parse((await bodyOf(answer)).error);
      return [answer.status, code, message];
    };
    expect(await face(explained)).toEqual(await face(minted));
    expect(explained.status).toBe(404);
  });

  it('nothing is explained to a stranger', async () => {
    expect((await explain(undefined, { agent: 'lobby', instance: 'main' })).status).toBe(401);
  });
});

describe('for somebody else', () => {
  const forBob = { agent: 'hidden', instance: 'main', principal: idOf({ sub: 'bob' }) };

  it('it needs explain:any', async () => {
    expect((await explain(ALICE, forBob)).status).toBe(403);
    expect((await explain({ sub: 'op', permissions: ['grants:read'] }, forBob)).status).toBe(403);
    const answer = await explain({ sub: 'op', permissions: ['explain:any'] }, forBob);
    expect(await bodyOf(answer)).toMatchObject({ principal: idOf({ sub: 'bob' }), role: 'viewer' });
  });

  it('the own name needs none', async () => {
    const own = { agent: 'counter', instance: 'main', principal: idOf(ALICE) };
    expect((await explain(ALICE, own)).status).toBe(200);
  });

  it('the caller’s own rights are no part of it', async () => {
    const root = { subject: idOf(ROOT), agent: 'counter', instance: 'roots', role: 'owner' };
    await grant(root);
    const request = { agent: 'counter', instance: 'roots', principal: idOf({ sub: 'carl' }) };
    expect(await bodyOf(await explain(ROOT, request))).toMatchObject({ role: 'viewer', grants: [] });
  });

  it.each<[string, object]>([
    ['a ticket life', { expires_in: 60 }],
    ['a member that is not known', { user: 'x' }],
    ['no agent', { agent: undefined }],
    ['a principal that is no name', { principal: 'bob' }],
    ['a tier that there is not', { tier: 'gold' }],
  ])('a body with %s is refused', async (_what, more) => {
    expect((await explain(ROOT, { ...forBob, ...more })).status).toBe(400);
  });
});

describe('would_claim', () => {
  it.each<[string, object, boolean]>([
    ['is true where there was never an owner', { instance: 'free' }, true],
    ['is false where somebody owns it', { instance: 'taken' }, false],
    [
      'is false for a service',
      { instance: 'free', principal: 'token:5f8f1c9e-3b52-4c0d-9a53-0f1d6a1f7e11', kind: 'service' },
      false,
    ],
    ['is true for another user', { instance: 'free', principal: idOf({ sub: 'bob' }) }, true],
    ['is false on an agent of another kind', { agent: 'counter', instance: 'free' }, false],
  ])('%s', async (_what, request, expected) => {
    await mint({ sub: 'first' }, { agent: 'diary', instance: 'taken' });
    const body = await bodyOf(await explain(ROOT, { agent: 'diary', ...request }));
    expect(body.would_claim).toBe(expected);
  });
});
