import { describe, expect, it, vi } from 'vitest';
import { ROUTES } from '../src/resources/routes.ts';
import { startBroker } from './broker.ts';
import { call, expectRefusal, LOBBY, mint, newAddress, refusalOf } from './call.ts';
import { NOW, setClock } from './clock.ts';
import { makeToken } from './tokens.ts';

const COUNTED = ROUTES.flatMap(({ auth, limit, method, path }) =>
  auth !== 'required' && limit.counts === 'requests' ? [{ method, path, limit: 30 }] : [],
);
const FREE = ROUTES.flatMap(({ limit, method, path }) =>
  limit.counts === 'nothing' ? [{ method, path }] : [],
);

const { front, ports } = startBroker();

/** So many requests at once; those that were too many, and the others. */
async function flood(
  times: number,
  method: string,
  path: string,
  from: string,
  headers: Readonly<Record<string, string>> = {},
) {
  const ask = () => call(path, { method, from, front, headers });
  const replies = await Promise.all(Array.from({ length: times }, ask));
  const refused = replies.filter(({ status }) => status === 429);
  return { refused, passed: replies.filter(({ status }) => status !== 429) };
}

const limitOf = (headers: Headers) =>
  ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}`));

describe.each(COUNTED)('an anonymous caller at $method $path', ({ method, path, limit }) => {
  it(`has ${limit} requests a minute, exactly, and then a 429 until the minute is over`, async () => {
    const from = newAddress();
    const { passed, refused } = await flood(limit + 3, method, path, from);
    expect(passed).toHaveLength(limit);
    const left = passed.map(({ headers }) => Number(limitOf(headers)[1]));
    expect(left.sort((a, b) => a - b)).toEqual(Array.from({ length: limit }, (_, at) => at));
    for (const reply of refused) {
      expectRefusal(reply, '429 RATE_LIMITED');
      expect(limitOf(reply.headers)).toEqual([String(limit), '0', String(NOW + 60)]);
      expect(reply.headers.get('retry-after')).toBe('60');
    }
    setClock(59.999);
    expect((await call(path, { method, from, front })).status).toBe(429);
    setClock(60);
    expect((await call(path, { method, from, front })).status).not.toBe(429);
  });

  it('has used up the limit of its address for every route and for tickets, and that of no other', async () => {
    const from = newAddress();
    await flood(limit, method, path, from);
    expect((await call(path, { method, from: newAddress(), front })).status).not.toBe(429);
    for (const other of COUNTED)
      expect((await call(other.path, { method: other.method, from, front })).status).toBe(429);
    expect((await mint(undefined, LOBBY, { from, front })).status).toBe(429);
  });

  it.each([
    ['cross-site', {}],
    ['same-site', { origin: 'https://other.test' }],
    ['cross-site', { referer: 'https://other.test/' }],
  ])('that a page of another origin sent (%s, %j) is refused, and uses up nothing', async (site, page) => {
    const from = newAddress();
    const headers = { 'sec-fetch-site': site, 'sec-fetch-dest': 'image', ...page };
    const { passed } = await flood(limit + 3, method, path, from, headers);
    expect(passed).toHaveLength(limit + 3);
    for (const reply of passed) expectRefusal(reply, '403 FORBIDDEN');
    expect((await mint(undefined, LOBBY, { from, front })).status).toBe(201);
  });

  it('has one count for its own requests and for the links that it follows from other pages', async () => {
    const from = newAddress();
    const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' };
    const { passed } = await flood(limit + 3, method, path, from, link);
    expect(passed).toHaveLength(limit);
    expect((await call(path, { method, from, front })).status).toBe(429);
    expect((await mint(undefined, LOBBY, { from, front })).status).toBe(429);
  });

  it('that a listed page sent is counted as any other', async () => {
    const from = newAddress();
    await flood(limit, method, path, from, { 'sec-fetch-site': 'cross-site', origin: 'https://app.test' });
    expect((await call(path, { method, from, front })).status).toBe(429);
  });

  it('over the limit makes no more work', async () => {
    const from = newAddress();
    await flood(limit, method, path, from);
    const [signer, published] = [
      vi.spyOn(ports.keyring, 'signer'),
      vi.spyOn(ports.auditKeyring, 'published'),
    ];
    await flood(5, method, path, from);
    expect([signer, published].map((spy) => spy.mock.calls.length)).toEqual([0, 0]);
  });
});

describe('a caller with a right credential', () => {
  it('lists agents from an address whose anonymous limit is used up', async () => {
    const from = newAddress();
    await flood(31, 'GET', '/api/agents', from);
    const { pair } = await makeToken();
    const reply = await call('/api/agents', { headers: pair, from, front });
    expect([reply.status, ...limitOf(reply.headers)]).toEqual([200, '600', '599', String(NOW + 60)]);
  });
});

describe('what is not counted', () => {
  it.each(FREE)('is $method $path', async ({ method, path }) => {
    const { refused, passed } = await flood(100, method, path, newAddress());
    expect(refused).toEqual([]);
    expect(new Set(passed.map(({ headers }) => limitOf(headers).join()))).toEqual(new Set([',,']));
  });
});

describe('while nothing can be counted', () => {
  it.each(COUNTED)('$method $path is a 503', async ({ method, path }) => {
    const lost = () => Promise.reject(new Error('Network connection lost.'));
    const away = startBroker({ ports: { shard: { mint: lost, mintBatch: lost, count: lost } } });
    const reply = await call(path, { method, front: away.front });
    expect([refusalOf(reply).code, reply.headers.get('retry-after')]).toEqual(['UNAVAILABLE', '5']);
  });
});

describe('readiness', () => {
  it('is looked at once a second, however many ask', async () => {
    const control = vi.fn(async () => {});
    const { front: ready } = startBroker({ ports: { ping: { control, record: async () => {} } } });
    const ask = async () => (await call('/readyz', { front: ready })).status;
    expect(await ask()).toBe(200);
    await Promise.all(Array.from({ length: 50 }, ask));
    expect(control).toHaveBeenCalledTimes(1);
    setClock(0.999);
    await ask();
    expect(control).toHaveBeenCalledTimes(1);
    setClock(1);
    control.mockRejectedValue(new Error('Network connection lost.'));
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([503, 200, 200]);
    expect(control).toHaveBeenCalledTimes(2);
    expect(await ask()).toBe(503);
  });

  it('of before is not answered once a database hangs: a call a second later is refused, in time', async () => {
    const control = vi.fn(async () => {});
    const { front: ready } = startBroker({ ports: { ping: { control, record: async () => {} } } });
    const ask = async () => (await call('/readyz', { front: ready })).status;
    expect(await ask()).toBe(200);
    control.mockReturnValue(new Promise(() => {}));
    setClock(1);
    expect(await ask()).toBe(503);
    expect(await ask()).toBe(503);
  });

  it('of before is not answered after a bug', async () => {
    const control = vi.fn(async () => {});
    const { front: ready } = startBroker({ ports: { ping: { control, record: async () => {} } } });
    const ask = async () => (await call('/readyz', { front: ready })).status;
    expect(await ask()).toBe(200);
    control.mockRejectedValue(new RangeError('a bug'));
    setClock(1);
    expect([await ask(), await ask()]).toEqual([500, 500]);
  });
});
