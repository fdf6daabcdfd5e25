import { REVOCATION_KEPT_MS, strongestHit } from '@agent-ticket/shared/revocation.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { AGENTS } from '../../../../agents.ts';
import { mintShardInProcess } from '../../../src/mint/shard-node.ts';
import { ticketIn } from '../answers.ts';
import { BROKER, NOW } from '../start-broker.ts';
import { isoAt, Listed, ROOT, Rotated, Shown, startTokenBroker, type TokenBroker } from './token-broker.ts';

const ALL = '/admin/service-tokens';
let broker: TokenBroker;
beforeEach(async () => {
  broker = await startTokenBroker();
});
const at = (seconds: number): void => {
  broker.clock.now = NOW + seconds;
};
const pathOf = ({ id }: { id: string }) => `${ALL}/${id}`;
const show = async (token: { id: string }) =>
  Shown.parse(await (await broker.call(ROOT, 'GET', pathOf(token))).json());
const rotate = async (token: { id: string }, body: object = {}) =>
  Rotated.parse(await (await broker.call(ROOT, 'POST', `${pathOf(token)}/rotate`, body)).json());

describe('a service token that is made', () => {
  it('has the least by default, and is good at once', async () => {
    const { client_id, client_secret, id, ...rest } = await broker.make({ name: ' bot ' });
    expect(rest).toEqual({
      name: 'bot',
      agents: null,
      permissions: [],
      tier: 'free',
      created_at: isoAt(0),
      expires_at: null,
      last_used_at: null,
    });
    // One name: the secret has it in it.
    expect(client_id).toBe(id);
    expect(id).toMatch(/^svc_[0-9A-Za-z]{22}$/);
    expect(client_secret).toMatch(new RegExp(`^atk_${id.slice('svc_'.length)}_[0-9A-Za-z]{49}$`));
    expect(await (await broker.call(client_secret, 'GET', '/me')).json()).toMatchObject({
      principal: `token:${id}`,
      kind: 'service',
      method: 'service-token',
      tier: 'free',
      agents: null,
      expires_at: null,
      sources: [{ gives: 'tier', value: 'free', from: 'service-token' }],
    });
  });

  it('has what was asked for, each permission once', async () => {
    const token = await broker.make({
      agents: ['counter'],
      permissions: ['keys:read', 'keys:read'],
      tier: 'pro',
    });
    expect(token).toMatchObject({ agents: ['counter'], permissions: ['keys:read'], tier: 'pro' });
    expect(await (await broker.call(token.client_secret, 'GET', '/me')).json()).toMatchObject({
      tier: 'pro',
      permissions: ['keys:read'],
      agents: ['counter'],
      sources: [
        { gives: 'tier', value: 'pro', from: 'service-token' },
        { gives: 'permission', value: 'keys:read', from: 'service-token' },
      ],
    });
  });

  it('shows its secret that once', async () => {
    const token = await broker.make();
    const { client_secret, ...shown } = token;
    const answers = [
      await broker.call(ROOT, 'GET', pathOf(token)),
      await broker.call(ROOT, 'GET', ALL),
      await broker.call(ROOT, 'DELETE', pathOf(token)),
    ];
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    expect(texts.join()).not.toContain('atk_');
    expect(JSON.parse(texts[0] ?? '')).toEqual(shown);
    expect(JSON.stringify(broker.events)).not.toContain(client_secret);
  });

  it('is not to be stored by what is between', async () => {
    const answer = await broker.call(ROOT, 'POST', ALL, { name: 'bot' });
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store']);
  });

  it('ends at the time that was asked for', async () => {
    const token = await broker.make({ expires_in: 60 });
    expect(token.expires_at).toBe(isoAt(60));
    at(59);
    expect(await broker.uses(token.client_secret)).toBe(200);
    at(60);
    const answer = await broker.call(token.client_secret, 'GET', '/me');
    expect([answer.status, await answer.json()]).toMatchObject([401, { error: { code: 'TOKEN_EXPIRED' } }]);
  });

  it.each<[string, unknown]>([
    ['no name', {}],
    ['a name of spaces', { name: '  ' }],
    ['a long name', { name: 'x'.repeat(129) }],
    ['an unknown permission', { name: 'x', permissions: ['keys:raed'] }],
    ['an unknown tier', { name: 'x', tier: 'root' }],
    ['no agent', { name: 'x', agents: [] }],
    ['a strange agent', { name: 'x', agents: ['A b'] }],
    ['too short a life', { name: 'x', expires_in: 59 }],
    ['too long a life', { name: 'x', expires_in: 10 * 366 * 86_400 + 1 }],
    ['half a second', { name: 'x', expires_in: 60.5 }],
    ['a member too many', { name: 'x', client_id: 'svc_x' }],
    ['a list for a body', []],
  ])('with %s is refused and leaves nothing', async (_what, body) => {
    expect((await broker.call(ROOT, 'POST', ALL, body)).status).toBe(400);
    expect(Listed.parse(await (await broker.call(ROOT, 'GET', ALL)).json()).items).toEqual([]);
    expect(broker.events).toEqual([]);
  });
});

describe('a rotation', () => {
  it('leaves both secrets good for the grace time, then the new one', async () => {
    const old = await broker.make();
    const { client_secret: next, previous_expires_at, ...shown } = await rotate(old, { grace_in: 100 });
    expect(previous_expires_at).toBe(isoAt(100));
    expect({ ...shown, client_secret: old.client_secret }).toEqual(old);
    expect(next).not.toBe(old.client_secret);
    const both = async () => [await broker.uses(old.client_secret), await broker.uses(next)];
    at(99);
    expect(await both()).toEqual([200, 200]);
    at(100);
    expect(await both()).toEqual([401, 200]);
  });

  it.each<[string, object, number]>([
    ['an hour by default', {}, 3600],
    ['none where none is wanted', { grace_in: 0 }, 0],
    ['thirty days at most', { grace_in: 30 * 86_400 }, 30 * 86_400],
  ])('has a grace time of %s', async (_what, body, seconds) => {
    const old = await broker.make();
    expect((await rotate(old, body)).previous_expires_at).toBe(isoAt(seconds));
    if (seconds > 0) at(seconds - 1);
    expect(await broker.uses(old.client_secret)).toBe(seconds > 0 ? 200 : 401);
    at(seconds);
    expect(await broker.uses(old.client_secret)).toBe(401);
  });

  it('leaves two secrets good, however often it is repeated within the grace time', async () => {
    const first = await broker.make();
    const secrets = [first.client_secret];
    for (const seconds of [1, 2, 3, 4]) {
      at(seconds);
      secrets.push((await rotate(first, { grace_in: 1000 })).client_secret);
      const statuses = await Promise.all(secrets.map(broker.uses));
      expect(statuses.filter((status) => status === 200)).toHaveLength(2);
      expect(statuses.slice(-2)).toEqual([200, 200]);
    }
  });

  it.each([
    ['before the grace time would', 60, 60],
    ['after it', 7200, 3600],
  ])('of a token that ends %s says when the secret before ends', async (_when, expires_in, end) => {
    const token = await broker.make({ expires_in });
    expect((await rotate(token)).previous_expires_at).toBe(isoAt(end));
  });

  it.each([-1, 30 * 86_400 + 1, 0.5, '60'])('with a grace time of %j is refused', async (grace_in) => {
    const token = await broker.make();
    expect((await broker.call(ROOT, 'POST', `${pathOf(token)}/rotate`, { grace_in })).status).toBe(400);
    expect(await broker.uses(token.client_secret)).toBe(200);
  });
});

describe('a rotation and the sessions of the token', () => {
  const commands = () => broker.commands.length;

  it('without a grace time ends those decided before it, and a ticket from after it opens one', async () => {
    const token = await broker.make();
    await rotate(token, { grace_in: 0 });
    const [row] = await broker.ports.control.revocations.findAll([`before service-token:${token.id}`]);
    expect(row).toMatchObject({
      target: `service-token:${token.id}`,
      kind: 'before',
      code: 'rights_changed',
      until: NOW * 1000 + REVOCATION_KEPT_MS,
    });
    const { rev = 0 } = row ?? {};
    const names = [`service-token:${token.id}`];
    const rows = await broker.ports.record.revocations.ofTargets(names, NOW * 1000);
    const why = (ticketRev: number) => strongestHit({ names, rev: ticketRev }, rows, NOW * 1000)?.code;
    expect([why(rev - 1), why(rev)]).toEqual(['rights_changed', undefined]);
    expect(commands()).toBe(1);
  });

  it.each([60, 3600])('with a grace time of %i s ends none', async (grace_in) => {
    const token = await broker.make();
    await rotate(token, { grace_in });
    expect(commands()).toBe(0);
    expect(await broker.ports.control.revocations.newestRev()).toBe(0);
  });
});

describe('a secret that is replaced without a grace time while it gets a ticket', () => {
  /** The clock that the request has read, in seconds from that of the rotation, and when its facts are read. */
  const CASES = [-3600, -60, -6, -5, -1, 0, 1].flatMap((clock) =>
    (['before', 'after'] as const).flatMap((facts) =>
      (['newest', 'ending'] as const).map((which) => ({ clock, facts, which })),
    ),
  );

  it.each(CASES)(
    'is refused or has its ticket revoked: the $which one, clock $clock s, facts $facts it',
    async ({ clock, facts, which }) => {
      const ending = await broker.make();
      const newest = await rotate(ending, { grace_in: 7200 });
      at(7000);
      const { runtime, ports } = broker;
      const rotateNow = () => rotate(newest, { grace_in: 0 });
      const { readMintFacts } = runtime.control;
      const control: typeof runtime.control = {
        ...runtime.control,
        readMintFacts: async (questions) => {
          if (facts === 'after') await rotateNow();
          const read = await readMintFacts(questions);
          if (facts === 'before') await rotateNow();
          return read;
        },
      };
      const early = () => (NOW + 7000 + clock) * 1000;
      const randomId = () => crypto.randomUUID();
      const shard = mintShardInProcess(
        { registry: AGENTS, control, config: ports.config, randomId },
        runtime.record,
        early,
      );
      const { client_secret: secret } = which === 'newest' ? newest : ending;
      const answer = await broker.beside({ shard, clock: early }).request(`${BROKER}/tickets`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
        body: JSON.stringify({ agent: 'counter', instance: 'main' }),
      });
      expect(answer.status).toBe(facts === 'before' ? 201 : 401);
      if (facts === 'after') return;
      const [revocation] = await ports.control.revocations.findAll([`before service-token:${newest.id}`]);
      const { rev } = await ticketIn(answer);
      expect(rev).toBeTypeOf('number');
      expect(rev).toBeLessThan(revocation?.rev ?? 0);
    },
  );
});

describe('a secret in its grace time', () => {
  const own = (secret: string, token: { id: string }) =>
    broker.call(secret, 'POST', `${pathOf(token)}/rotate`, {});
  const maker = () => broker.make({ permissions: ['service-tokens:write'] });

  it('rotates no secret of its own token: what ends must not make what lasts', async () => {
    const token = await maker();
    const next = await rotate(token, { grace_in: 100 });
    expect((await own(token.client_secret, token)).status).toBe(403);
    expect(await broker.uses(next.client_secret)).toBe(200);
    expect((await own(next.client_secret, token)).status).toBe(200);
  });

  it('does so where the token has an end as well', async () => {
    const token = await broker.make({ permissions: ['service-tokens:write'], expires_in: 7200 });
    expect((await own(token.client_secret, token)).status).toBe(200);
    expect((await own(token.client_secret, token)).status).toBe(403);
  });

  it('does so where the token ends within the grace time', async () => {
    const token = await broker.make({ permissions: ['service-tokens:write'], expires_in: 600 });
    const next = await rotate(token, { grace_in: 3600 });
    expect((await own(token.client_secret, token)).status).toBe(403);
    expect(await broker.uses(next.client_secret)).toBe(200);
  });

  it('goes on to rotate those of other tokens', async () => {
    const [token, other] = [await maker(), await broker.make()];
    await rotate(token, { grace_in: 100 });
    expect((await own(token.client_secret, other)).status).toBe(200);
  });
});

describe('a secret that rotates its own token while an operator replaces it without a grace time', () => {
  it.each([0, 3600])(
    'gets no other one, with a grace time of %i s, and that of the operator is good',
    async (grace_in) => {
      const token = await broker.make({ permissions: ['service-tokens:write'] });
      let replaced: typeof token | undefined;
      const { control } = broker.ports;
      const { find } = control.serviceTokens;
      const serviceTokens: typeof control.serviceTokens = {
        ...control.serviceTokens,
        // The thief's request has been authenticated by now, and has not rotated yet.
        find: async (id) => {
          replaced ??= await rotate(token, { grace_in: 0 });
          return find(id);
        },
      };
      const thief = broker.beside({ control: { ...control, serviceTokens } });
      const answer = await thief.request(`${BROKER}${pathOf(token)}/rotate`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token.client_secret}`, 'content-type': 'application/json' },
        body: JSON.stringify({ grace_in }),
      });
      expect(answer.status).toBe(401);
      expect(await broker.uses(replaced?.client_secret ?? '')).toBe(200);
      expect(await broker.uses(token.client_secret)).toBe(401);
    },
  );
});

describe('the end of a replaced secret', () => {
  const end = (token: { id: string }, who = ROOT) =>
    broker.call(who, 'DELETE', `${pathOf(token)}/replaced-secret`);

  it('comes before its grace time is over, for every clock, and its successor is good', async () => {
    const old = await broker.make();
    const next = await rotate(old, { grace_in: 3600 });
    expect(await broker.uses(old.client_secret)).toBe(200);
    expect((await end(old)).status).toBe(200);
    for (const seconds of [0, -3600, 7200]) {
      at(seconds);
      expect([await broker.uses(old.client_secret), await broker.uses(next.client_secret)]).toEqual([
        401, 200,
      ]);
    }
  });

  it('ends tickets and sessions from before it, and is recorded', async () => {
    const token = await broker.make();
    await rotate(token);
    await end(token);
    const [row] = await broker.ports.control.revocations.findAll([`before service-token:${token.id}`]);
    expect(row).toMatchObject({ kind: 'before', code: 'rights_changed' });
    expect(broker.commands).toHaveLength(1);
  });

  it('leaves the one secret of a token that was not rotated, and those of other tokens', async () => {
    const [token, other] = [await broker.make(), await broker.make()];
    await rotate(other);
    await end(token);
    expect([await broker.uses(token.client_secret), await broker.uses(other.client_secret)]).toEqual([
      200, 200,
    ]);
  });

  it('is not for the replaced secret itself, and may be repeated by its successor', async () => {
    const old = await broker.make({ permissions: ['service-tokens:write'] });
    const next = await rotate(old);
    expect((await end(old, old.client_secret)).status).toBe(403);
    expect((await end(old, next.client_secret)).status).toBe(200);
    expect((await end(old, next.client_secret)).status).toBe(200);
  });

  it('is a 404 for a token that is unknown or revoked', async () => {
    const token = await broker.make();
    await broker.call(ROOT, 'DELETE', pathOf(token));
    expect((await end(token)).status).toBe(404);
  });
});

describe('a revocation', () => {
  it('kills both secrets at once, and the token is not there any more', async () => {
    const old = await broker.make();
    const next = await rotate(old);
    expect((await broker.call(ROOT, 'DELETE', pathOf(old))).status).toBe(200);
    expect(await Promise.all([old, next].map((t) => broker.uses(t.client_secret)))).toEqual([401, 401]);
    const after = [
      await broker.call(ROOT, 'GET', pathOf(old)),
      await broker.call(ROOT, 'DELETE', pathOf(old)),
      await broker.call(ROOT, 'POST', `${pathOf(old)}/rotate`, {}),
    ];
    expect(after.map((answer) => answer.status)).toEqual([404, 404, 404]);
    expect(Listed.parse(await (await broker.call(ROOT, 'GET', ALL)).json()).items).toEqual([]);
  });
});

it('a use is noted at most once in ten minutes', async () => {
  const token = await broker.make();
  const noted: (string | null)[] = [];
  for (const seconds of [0, 599, 601, 1200, 1202]) {
    at(seconds);
    await broker.uses(token.client_secret);
    noted.push((await show(token)).last_used_at);
  }
  expect(noted).toEqual([0, 0, 601, 601, 1202].map(isoAt));
});

it('what was done is recorded, with who and to what, and a refusal is not', async () => {
  const token = await broker.make({ permissions: ['keys:read', 'locks:read'], tier: 'pro' });
  await rotate(token);
  await broker.call({ permissions: [] }, 'DELETE', pathOf(token));
  await broker.call(ROOT, 'DELETE', pathOf(token));
  await broker.call(ROOT, 'DELETE', pathOf(token));
  const about = {
    outcome: 'success',
    at: NOW * 1000,
    principal: 'auth0:tenant.test:root',
    ipAddress: '192.0.2.1',
    details: { service_token: token.id, name: 'bot', tier: 'pro', permissions: 'keys:read locks:read' },
  };
  expect(broker.events.filter(({ type }) => type.startsWith('service_token'))).toMatchObject(
    ['created', 'rotated', 'revoked'].map((what) => ({ type: `service_token.${what}`, ...about })),
  );
});

describe('a list', () => {
  const page = async (query: string) =>
    Listed.parse(await (await broker.call(ROOT, 'GET', `${ALL}${query}`)).json());

  it('goes on where a page ended, newest first, past tokens of one moment and with one made between', async () => {
    const made: string[] = [];
    for (const seconds of [0, 0, 0, 1, 2]) {
      at(seconds);
      made.push((await broker.make()).id);
    }
    const first = await page('?limit=2');
    at(3);
    await broker.make();
    const second = await page(`?limit=2&cursor=${first.next_cursor}`);
    const third = await page(`?limit=2&cursor=${second.next_cursor}`);
    const ids = [first, second, third].flatMap(({ items }) => items.map(({ id }) => id));
    const moment = made.slice(0, 3).sort().reverse();
    expect(ids).toEqual([made[4], made[3], ...moment]);
    expect(third.next_cursor).toBeNull();
  });

  it('that ends with a page has no other', async () => {
    await broker.make();
    expect((await page('?limit=1')).next_cursor).toBeNull();
  });

  const cursor = (value: unknown) => `cursor=${Buffer.from(JSON.stringify(value)).toString('base64url')}`;
  const id = `svc_${'0'.repeat(22)}`;
  it.each<[string, string]>([
    ['limit', 'limit=0'],
    ['limit', 'limit=201'],
    ['limit', 'limit=1.5'],
    ['limit', 'limit=-1'],
    ['limit', 'limit=ten'],
    ['limit', 'limit='],
    ['cursor', 'cursor='],
    ['cursor', 'cursor=!'],
    ['cursor', 'cursor=AAAA'],
    ['cursor', `cursor=${'A'.repeat(513)}`],
    ['cursor', cursor({ createdAt: 1, id: 'x' })],
    ['cursor', cursor({ createdAt: '1', id })],
    ['cursor', cursor({ id })],
    ['cursor', cursor({ createdAt: 1, id, more: 1 })],
    ['cursor', cursor([1, id])],
  ])('with a bad %s is refused: %s', async (field, query) => {
    const answer = await broker.call(ROOT, 'GET', `${ALL}?${query}`);
    const { error } = z.object({ error: z.object({ message: z.string() }) }).parse(await answer.json());
    expect(answer.status).toBe(400);
    expect(error.message).toContain(field);
  });
});
