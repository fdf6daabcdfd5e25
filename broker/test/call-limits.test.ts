import { describe, expect, it } from 'vitest';
import { PERMISSIONS } from '../src/credentials/permissions.ts';
import { ROUTES } from '../src/resources/routes.ts';
import { COSTS } from '../src/runtime/call.ts';
import { startBroker } from './broker.ts';
import { COUNTER, call, expectRefusal, LOBBY, mint, newAddress, type Reply } from './call.ts';
import { NOW, setClock } from './clock.ts';
import { inShards } from './record.ts';
import { makeToken, type ServiceToken } from './tokens.ts';

const { front } = startBroker();

const limits = ({ headers }: Reply) =>
  ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}`));

const COUNTED = ROUTES.flatMap(({ auth, limit, method, path, readsCredential }) =>
  auth !== 'none' && limit.counts === 'requests' && limit.exempt === undefined && readsCredential !== true
    ? [{ method, path, cost: COSTS[limit.cost] }]
    : [],
);

/** Those that take the credential of a client from a form as well. */
const BY_FORM = ROUTES.flatMap(({ limit, path, readsCredential }) =>
  readsCredential === true && limit.counts === 'requests' ? [{ path, cost: COSTS[limit.cost] }] : [],
);

/** Names nothing that exists, so that a call does as little as it can and is counted all the same. */
const concrete = (path: string): string => path.replace(/:\w+/g, 'nothing');

const ask = (token: ServiceToken, { method, path }: { method: string; path: string }) =>
  call(concrete(path), {
    method,
    headers: token.bearer,
    front,
    ...(method === 'POST' ? { json: {} } : {}),
  });

const grantOf = (token: ServiceToken, subject: string, from = newAddress()) =>
  call('/admin/grants', {
    headers: token.bearer,
    json: { subject, agent: 'counter', instance: 'default', role: 'viewer', reason: 'flood' },
    from,
    front,
  });

describe('every route that reads a credential', () => {
  it('but those for tickets counts its requests', () => {
    const uncounted = ROUTES.filter(({ auth, limit }) => auth !== 'none' && limit.counts !== 'requests');
    expect(uncounted.map(({ path }) => path)).toEqual(['/tickets', '/tickets/batch']);
  });

  it.each(COUNTED)('costs a principal $cost at $method $path', async (route) => {
    const token = await makeToken({ tier: 'pro', permissions: PERMISSIONS });
    expect(limits(await ask(token, route))).toEqual(['600', String(600 - route.cost), String(NOW + 60)]);
  });

  it.each(COUNTED.filter(({ method, path }) => method !== 'GET' && path !== '/explain'))(
    'costs more where it changes something: $method $path',
    ({ cost }) => {
      expect(cost).toBeGreaterThan(1);
    },
  );

  it.each(BY_FORM)(
    'costs a client of OAuth $cost at $path, and is refused over the limit',
    async ({ path, cost }) => {
      const token = await makeToken({ tier: 'free' });
      const ask = () =>
        call(path, { headers: token.basic, body: new URLSearchParams({ token: 'x' }), front });
      expect(limits(await ask())).toEqual(['60', String(60 - cost), String(NOW + 60)]);
      await inShards('UPDATE rate_windows SET count = 60 WHERE key = ?', `calls:${token.principal}`);
      const refused = await ask();
      expect([refused.status, JSON.parse(refused.text).error]).toEqual([429, 'slow_down']);
    },
  );

  it.each(COUNTED)('is refused over the limit: $method $path', async (route) => {
    const token = await makeToken({ tier: 'free', permissions: PERMISSIONS });
    await ask(token, { method: 'GET', path: '/me' });
    await inShards('UPDATE rate_windows SET count = 60 WHERE key = ?', `calls:${token.principal}`);
    setClock(13);
    const reply = await ask(token, route);
    expectRefusal(reply, '429 RATE_LIMITED');
    expect(limits(reply)).toEqual(['60', '0', String(NOW + 60)]);
    expect(reply.headers.get('retry-after')).toBe('47');
    setClock(60);
    expect((await ask(token, route)).status).not.toBe(429);
  });
});

it('every route counts something, but for these, which need no credential and give their reason', () => {
  const uncounted = ROUTES.flatMap(({ auth, method, path, limit }) =>
    limit.counts === 'nothing' ? [{ auth, route: `${method} ${path}`, reason: limit.reason }] : [],
  );
  expect(uncounted.map(({ route }) => route)).toEqual([
    'GET /',
    'GET /console',
    'GET /console/:file',
    'GET /auth/login',
    'GET /auth/logout',
    'GET /.well-known/jwks.json',
    'GET /.well-known/oauth-authorization-server',
    'GET /.well-known/security.txt',
    'GET /openapi.json',
    'GET /healthz',
    'GET /readyz',
  ]);
  for (const { auth, reason } of uncounted) {
    expect(auth).toBe('none');
    expect(reason).not.toBe('');
  }
});

it('a route that exempts holders of a permission needs that permission, and counts all others', async () => {
  const exempting = ROUTES.flatMap(({ limit, permission, method, path }) =>
    limit.counts === 'requests' && limit.exempt !== undefined
      ? [{ exempt: limit.exempt, permission, method, path }]
      : [],
  );
  expect(exempting.map(({ path }) => path)).toEqual(['/metrics']);
  for (const { exempt, permission, ...route } of exempting) {
    expect(permission).toBe(exempt);
    const holder = await makeToken({ tier: 'free', permissions: [exempt] });
    expect(limits(await ask(holder, route))).toEqual([null, null, null]);
    const other = await makeToken({ tier: 'free', permissions: ['audit:read'] });
    expect(limits(await ask(other, route))).toEqual(['60', '59', String(NOW + 60)]);
  }
});

describe('the calls of a principal', () => {
  it('of the tier free are 60 reads a minute, exactly, wherever from', async () => {
    const token = await makeToken({ tier: 'free' });
    const replies = await Promise.all(
      Array.from({ length: 66 }, () => call('/me', { headers: token.bearer, front })),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(60);
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(6);
  });

  it('of the tier free are 15 changes a minute, exactly: a victim cannot be buried in grants', async () => {
    const token = await makeToken({ tier: 'free', permissions: ['grants:write'] });
    const victim = await makeToken();
    const replies = await Promise.all(Array.from({ length: 40 }, () => grantOf(token, victim.principal)));
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(25);
  });

  it('use up no tickets, and tickets use up no calls', async () => {
    const token = await makeToken({ tier: 'free' });
    for (let n = 0; n < 61; n += 1) await call('/me', { headers: token.bearer, front });
    expect((await call('/me', { headers: token.bearer, front })).status).toBe(429);
    const ticket = await mint(token.bearer, COUNTER, { front });
    expect([ticket.status, ...limits(ticket)]).toEqual([201, '60', '59', String(NOW + 60)]);
    const other = await makeToken({ tier: 'free' });
    for (let n = 0; n < 61; n += 1) await mint(other.bearer, COUNTER, { front });
    expect((await mint(other.bearer, COUNTER, { front })).status).toBe(429);
    expect((await call('/me', { headers: other.bearer, front })).status).toBe(200);
  });

  it('of the tier admin are not counted, and need no counter', async () => {
    const lost = () => Promise.reject(new Error('Network connection lost.'));
    const away = startBroker({ ports: { shard: { mint: lost, mintBatch: lost, count: lost } } });
    const token = await makeToken({ tier: 'admin', permissions: PERMISSIONS });
    const reply = await call('/admin/locks', { headers: token.bearer, front: away.front });
    expect([reply.status, ...limits(reply)]).toEqual([200, null, null, null]);
  });

  it('are a 503 while nothing can be counted', async () => {
    const lost = () => Promise.reject(new Error('Network connection lost.'));
    const away = startBroker({ ports: { shard: { mint: lost, mintBatch: lost, count: lost } } });
    const token = await makeToken({ tier: 'free' });
    expectRefusal(await call('/me', { headers: token.bearer, front: away.front }), '503 UNAVAILABLE');
  });

  it('of one are not those of another', async () => {
    const [one, other] = [await makeToken({ tier: 'free' }), await makeToken({ tier: 'free' })];
    for (let n = 0; n < 5; n += 1) await call('/me', { headers: one.bearer, front });
    expect(limits(await call('/me', { headers: other.bearer, front }))[1]).toBe('59');
  });
});

describe('a request for a ticket that is refused before it is decided', () => {
  it.each([
    ['/tickets, by its body', (token: ServiceToken) => mint(token.bearer, { agent: '' }, { front })],
    [
      '/token, by its resource',
      (token: ServiceToken) =>
        call('/token', {
          headers: { ...token.basic, 'content-type': 'application/x-www-form-urlencoded' },
          body: 'grant_type=client_credentials&resource=nothing',
          method: 'POST',
          front,
        }),
    ],
  ])('counts as a call of its principal: %s', async (_what, send) => {
    const token = await makeToken({ tier: 'free' });
    const first = await send(token);
    expect([first.status, ...limits(first)]).toEqual([400, '60', '59', String(NOW + 60)]);
    const replies = await Promise.all(Array.from({ length: 62 }, () => send(token)));
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(3);
  });

  it('counts nothing of a caller without a credential, which cost nothing', async () => {
    const from = newAddress();
    for (let n = 0; n < 40; n += 1) expect((await mint(undefined, {}, { from, front })).status).toBe(400);
    expect(limits(await mint(undefined, LOBBY, { from, front }))[1]).toBe('29');
  });
});
