import { beforeAll, describe, expect, it } from 'vitest';
import { type Caller, ROOT, startTokenBroker, type TokenBroker } from './token-broker.ts';

const ALL = '/admin/service-tokens';
const NOBODYS = `svc_${'0'.repeat(22)}`;
const WRITE = 'service-tokens:write';
const READ = 'service-tokens:read';
let broker: TokenBroker;
beforeAll(async () => {
  broker = await startTokenBroker();
});

const CALLS = [
  ['GET', ''],
  ['POST', ''],
  ['GET', '/:id'],
  ['POST', '/:id/rotate'],
  ['DELETE', '/:id'],
] as const;

describe('without the permission', () => {
  const other = (method: string) => (method === 'GET' ? WRITE : READ);
  it.each(CALLS)(
    '%s %s is refused alike for tokens there are, there are not, and no ids',
    async (method, path) => {
      const { id } = await broker.make();
      for (const who of [{ permissions: [] }, { tier: 'admin', permissions: [other(method)] }]) {
        for (const name of [id, NOBODYS, 'x']) {
          const answer = await broker.call(
            who,
            method,
            ALL + path.replace(':id', name),
            method === 'POST' ? [] : undefined,
          );
          expect(answer.status).toBe(403);
        }
      }
    },
  );

  it.each(CALLS)('%s %s asks for a credential first', async (method, path) => {
    const body = method === 'POST' ? {} : undefined;
    expect((await broker.call(undefined, method, ALL + path.replace(':id', NOBODYS), body)).status).toBe(401);
  });
});

describe('with the permission', () => {
  it.each(CALLS.slice(2))('%s %s says 404 for a token there is not, 400 for no id', async (method, path) => {
    const ask = async (id: string) =>
      (await broker.call(ROOT, method, ALL + path.replace(':id', id), method === 'POST' ? {} : undefined))
        .status;
    expect([await ask(NOBODYS), await ask('x'), await ask(`${NOBODYS}0`)]).toEqual([404, 400, 400]);
  });
});

/** Who makes a token, by claims or as a service token of these rights, and what. */
const ABOVE: [string, object, object, boolean][] = [
  ['the own tier', { tier: 'pro' }, { tier: 'pro' }, true],
  ['a lower tier', { tier: 'pro' }, { tier: 'free' }, true],
  ['a higher tier', { tier: 'pro' }, { tier: 'admin' }, false],
  ['more than the least', {}, { tier: 'pro' }, false],
  ['an own permission', { permissions: [WRITE, 'keys:read'] }, { permissions: ['keys:read'] }, true],
  ['a permission it lacks', { permissions: [WRITE, 'keys:read'] }, { permissions: ['keys:rotate'] }, false],
  ['an own and a lacking one', { permissions: [WRITE] }, { permissions: [WRITE, READ] }, false],
  ['an agent’s permission it lacks', {}, { permissions: ['agents'] }, false],
  ['an own tier with a lacking permission', { tier: 'admin' }, { tier: 'admin', permissions: [READ] }, false],
];
const LIMITED: [string, object, object, boolean][] = [
  ['an own agent', { agents: ['counter', 'chat'] }, { agents: ['chat'] }, true],
  ['another agent', { agents: ['counter'] }, { agents: ['chat'] }, false],
  ['an own and another agent', { agents: ['counter'] }, { agents: ['counter', 'chat'] }, false],
  ['all agents', { agents: ['counter'] }, {}, false],
  ['some of all agents', {}, { agents: ['chat'] }, true],
];

describe.each<[string, (rights: object) => Promise<Caller>, [string, object, object, boolean][]]>([
  ['a person', async (rights) => ({ sub: crypto.randomUUID(), permissions: [WRITE], ...rights }), ABOVE],
  [
    'a service token',
    async (rights) => (await broker.make({ permissions: [WRITE], ...rights })).client_secret,
    [...ABOVE.filter(([what]) => !what.includes('agent')), ...LIMITED],
  ],
])('%s', (_who, callerOf, cases) => {
  it.each(cases)('makes and rotates a token with %s: %j, %j: %s', async (_what, rights, wish, allowed) => {
    const who = await callerOf(rights);
    const before = broker.events.length;
    const made = await broker.call(who, 'POST', ALL, { name: 'wish', ...wish });
    expect(made.status).toBe(allowed ? 201 : 403);
    expect(broker.events.length - before).toBe(allowed ? 1 : 0);

    const there = await broker.make(wish, {
      tier: 'admin',
      permissions: ['agents', WRITE, READ, 'keys:read', 'keys:rotate'],
    });
    const rotated = await broker.call(who, 'POST', `${ALL}/${there.id}/rotate`, { grace_in: 0 });
    expect(rotated.status).toBe(allowed ? 200 : 403);
    // Refused, the secret there was goes on; its owner loses nothing.
    expect(await broker.uses(there.client_secret)).toBe(allowed ? 401 : 200);
  });
});

it('nobody revokes a token above the own rights, and it goes on', async () => {
  const token = await broker.make({ tier: 'admin' });
  const who = { sub: 'clerk', permissions: [WRITE] };
  expect((await broker.call(who, 'DELETE', `${ALL}/${token.id}`)).status).toBe(403);
  expect(await broker.uses(token.client_secret)).toBe(200);
});
