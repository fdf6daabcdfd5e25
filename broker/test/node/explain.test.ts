import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { CLAIM_LAPSES_MS, MAX_CLAIMS, RULE_NAMES } from '../../src/mint/policy.ts';
import {
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
  TENANT,
} from './admin/operator-broker.ts';
import { bodyOf } from './answers.ts';
import { basic, NOW } from './start-broker.ts';

let broker: OperatorBroker;
const ALICE: Person = { sub: 'alice' };
const explain = (who: Person | undefined, body: object) => broker.call(who, 'POST', '/explain', body);
const mint = (who: Person | undefined, body: object) => broker.call(who, 'POST', '/tickets', body);
const grant = (body: object) =>
  broker.call(ROOT, 'POST', '/admin/grants', { instance: 'main', reason: 'test', ...body });
const Rules = z.array(z.strictObject({ rule: z.string(), holds: z.boolean() }));
const rulesIn = (body: Record<string, unknown>) => Rules.parse(body.rules);

beforeAll(async () => {
  broker = await startOperatorBroker();
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
    expect(rulesIn(body)).toHaveLength(RULE_NAMES.length);
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

  it('says that a lock is in force, and neither its reason nor its author', async () => {
    const target = { kind: 'instance', agent: 'counter', instance: 'locked' };
    await broker.call(ROOT, 'POST', '/admin/locks', { target, reason: 'incident 7' });
    const answer = await explain(ALICE, { agent: 'counter', instance: 'locked' });
    const text = await answer.clone().text();
    expect(rulesIn(await bodyOf(answer)).at(-1)).toEqual({ rule: 'no lock is in force', holds: false });
    expect(text).not.toMatch(/incident|root/);
  });

  it('issues, claims and records nothing', async () => {
    const before = broker.events.length;
    await explain(ALICE, { agent: 'diary', instance: 'untouched' });
    expect(broker.events).toHaveLength(before);
    expect(await broker.ownersOf('diary', 'untouched')).toEqual([]);
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

  it('nothing is explained to an anonymous caller', async () => {
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

  it.each<[string, object, string]>([
    [
      'a grant that is missing',
      { agent: 'hidden', instance: 'main' },
      'the agent is visible to the principal',
    ],
    [
      'an instance that is not listed',
      { agent: 'lobby', instance: 'elsewhere' },
      'the instance is one of the agent',
    ],
  ])('%s is the rule that refuses, not a 404', async (_what, request, rule) => {
    const answer = await explain(ROOT, { ...request, principal: idOf({ sub: 'carl' }) });
    const body = await bodyOf(answer);
    expect([answer.status, body.allowed]).toEqual([200, false]);
    expect(rulesIn(body).at(-1)).toEqual({ rule, holds: false });
  });

  it.each([{ agent: 'nobody' }, { agent: 'asleep', instance: 'x' }])(
    'an agent that there is not is a 404: %j',
    async (request) => {
      expect((await explain(ROOT, { ...request, principal: idOf({ sub: 'carl' }) })).status).toBe(404);
    },
  );

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

describe('for somebody else, by what the broker knows and what the request says', () => {
  const explained = async (who: Person, request: object) => bodyOf(await explain(who, request));

  it('an anonymous caller is one: what is public is open, the rest asks for a sign-in', async () => {
    const anonymous = { principal: 'anonymous:somebody' };
    const lobby = await explained(ROOT, { agent: 'lobby', instance: 'main', ...anonymous });
    expect(lobby).toMatchObject({ allowed: true, role: 'viewer' });
    const faces = await Promise.all(
      ['counter', 'diary', 'hidden', 'nobody'].map(async (agent) => {
        const { rules, allowed } = await explained(ROOT, { agent, instance: 'main', ...anonymous });
        return JSON.stringify([allowed, rules]);
      }),
    );
    expect(new Set(faces).size).toBe(1);
    expect(faces[0]).toContain('a caller without a credential is let in to public agents alone');
  });

  it('an address counts where its issuer is trusted for it, and a group by its issuer', async () => {
    await grant({ subject: 'email:eve@tenant.test', agent: 'hidden', instance: 'mail', role: 'admin' });
    await grant({
      subject: 'group:https://tenant.test/:crew',
      agent: 'hidden',
      instance: 'crew',
      role: 'owner',
    });
    const eve = { agent: 'hidden', principal: idOf({ sub: 'eve' }), email: 'Eve@Tenant.test' };
    const isAllowed = async (more: object) => (await explained(ROOT, { ...eve, ...more })).allowed;
    expect(await isAllowed({ instance: 'mail', issuer: 'https://other.test/' })).toBe(false);
    expect(await isAllowed({ instance: 'mail' })).toBe(false);
    expect(await explained(ROOT, { ...eve, instance: 'mail', issuer: TENANT })).toMatchObject({
      role: 'admin',
    });
    const crew = { instance: 'crew', groups: ['crew'] };
    expect(await isAllowed({ ...crew, issuer: 'https://other.test/' })).toBe(false);
    expect(await explained(ROOT, { ...eve, ...crew, issuer: TENANT })).toMatchObject({ role: 'owner' });
  });

  it.each(['email:eve@tenant.test', 'email:*@tenant.test', 'group:https://tenant.test/:crew'])(
    '%s is nobody’s name',
    async (principal) => {
      expect((await explain(ROOT, { agent: 'hidden', instance: 'mail', principal })).status).toBe(400);
    },
  );

  it('a service token has the tier, the agents and the end that it has, whatever the caller says', async () => {
    const token = await broker.makeServiceToken({ agents: ['counter'], expiresAt: NOW + 300 });
    const ask = { principal: `token:${token.id}`, instance: 'main', tier: 'admin', permissions: ['agents'] };
    const end = new Date((NOW + 300) * 1000).toISOString();
    expect(await explained(ROOT, { ...ask, agent: 'counter' })).toMatchObject({
      role: 'viewer',
      session_expires_at: end,
    });
    expect(await explained(ROOT, { ...ask, agent: 'lobby' })).toMatchObject({ allowed: false });
    const unknown = { ...ask, agent: 'counter', principal: `token:${crypto.randomUUID()}` };
    expect((await explain(ROOT, unknown)).status).toBe(404);
  });

  it('the own credential’s limit to agents holds', async () => {
    const made = await broker.call(ROOT, 'POST', '/admin/service-tokens', {
      name: 'limited',
      agents: ['lobby'],
      permissions: ['explain:any'],
    });
    const { client_id, client_secret } = await bodyOf(made);
    const who = basic(String(client_id), String(client_secret));
    const ask = { agent: 'counter', instance: 'main', principal: idOf(ALICE) };
    expect((await broker.call(who, 'POST', '/explain', ask)).status).toBe(404);
  });
});

describe('an instance that is not named', () => {
  it('is the default one, except where each has an owner: its rule says so', async () => {
    const explained = await bodyOf(await explain(ALICE, { agent: 'diary' }));
    expect(explained).toMatchObject({ allowed: false, would_claim: false });
    expect(rulesIn(explained).at(-1)).toEqual({
      rule: 'an instance that belongs to its first user is named',
      holds: false,
    });
    expect(await bodyOf(await explain(ALICE, { agent: 'counter' }))).toMatchObject({ allowed: true });
  });

  it('is asked for only where the caller may know of the agent', async () => {
    const token = await broker.makeServiceToken({ agents: ['counter'] });
    const who = basic(token.clientId, token.clientSecret);
    for (const agent of ['diary', 'nobody'])
      expect((await broker.call(who, 'POST', '/tickets', { agent })).status).toBe(404);
  });
});

describe('would_claim', () => {
  it.each<[string, object, boolean]>([
    ['is true where there was never an owner', { instance: 'free' }, true],
    ['is false where somebody owns it', { instance: 'taken' }, false],
    [
      'is false for a service',
      { instance: 'free', principal: idOf({ sub: 'app@clients' }), kind: 'service' },
      false,
    ],
    ['is false for an anonymous caller', { instance: 'free', principal: 'anonymous:somebody' }, false],
    ['is true for another user', { instance: 'free', principal: idOf({ sub: 'bob' }) }, true],
    ['is false on an agent of another kind', { agent: 'counter', instance: 'free' }, false],
  ])('%s', async (_what, request, expected) => {
    await mint({ sub: 'first' }, { agent: 'diary', instance: 'taken' });
    const body = await bodyOf(await explain(ROOT, { agent: 'diary', ...request }));
    expect(body.would_claim).toBe(expected);
  });

  it('is true once a claim may lapse, for others too, and asks no object', async () => {
    const apart = await startOperatorBroker();
    const would = async () =>
      (await bodyOf(await apart.call(ALICE, 'POST', '/explain', { agent: 'diary', instance: 'lapsing' })))
        .would_claim;
    await apart.mint({ sub: 'first' }, 'diary', 'lapsing');
    expect(await would()).toBe(false);
    apart.clock.now += CLAIM_LAPSES_MS / 1000 + 1;
    expect(await would()).toBe(true);
    expect(apart.worker.tokens).toEqual([]);
    expect(await apart.ownersOf('diary', 'lapsing')).toMatchObject([
      { subject: idOf({ sub: 'first' }), openedAt: null },
    ]);
    expect(await apart.mint(ALICE, 'diary', 'lapsing')).toBe(201);
    expect(await would()).toBe(false);
  });

  it('is false once it is known that the claim was opened', async () => {
    const apart = await startOperatorBroker();
    await apart.mint({ sub: 'first' }, 'diary', 'opened');
    apart.worker.used.add('diary/opened');
    apart.clock.now += CLAIM_LAPSES_MS / 1000 + 1;
    expect(await apart.mint(ALICE, 'diary', 'opened')).toBe(403);
    const explained = await bodyOf(
      await apart.call(ALICE, 'POST', '/explain', { agent: 'diary', instance: 'opened' }),
    );
    expect(explained).toMatchObject({ allowed: false, would_claim: false });
  });

  it('is false for who holds as many instances as one may', async () => {
    const apart = await startOperatorBroker();
    const ask = async () =>
      bodyOf(await apart.call(ALICE, 'POST', '/explain', { agent: 'diary', instance: 'next' }));
    for (let i = 0; i < MAX_CLAIMS - 1; i += 1) {
      // A new window for the limit, and no claim lapses meanwhile.
      if (i % 50 === 49) apart.clock.now += 61;
      await apart.mint(ALICE, 'diary', `room-${i}`);
    }
    expect(await ask()).toMatchObject({ would_claim: true });
    await apart.mint(ALICE, 'diary', 'last');
    const explained = await ask();
    expect(explained).toMatchObject({ allowed: false, would_claim: false });
    expect(rulesIn(explained).at(-1)).toEqual({
      rule: 'a first user holds no more instances than it may',
      holds: false,
    });
    expect(await apart.mint(ALICE, 'diary', 'next')).toBe(403);
  });
});
