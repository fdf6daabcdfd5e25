import { env } from 'cloudflare:workers';
import { describe, expect, it, test } from 'vitest';
import secondWorker from '../src/index.ts?second';
import { ROUTES } from '../src/resources/routes.ts';
import { startBroker } from './broker.ts';
import {
  COUNTER,
  call,
  expectRefusal,
  mint,
  preflight,
  type Reply,
  refusal,
  requestTo,
  worker,
} from './call.ts';
import { failing } from './databases.ts';
import { makeToken } from './tokens.ts';

/** One example of every kind of answer. */
const KINDS: readonly [string, () => Promise<Reply>][] = [
  ['a ticket', async () => mint((await makeToken()).pair)],
  ['a bad request', async () => mint((await makeToken()).pair, {})],
  ['a missing credential', () => mint(undefined)],
  ['a lack of rights', async () => mint((await makeToken()).pair, { ...COUNTER, scope: 'agent:message' })],
  ['an unknown agent', async () => mint((await makeToken()).pair, { agent: 'nobody' })],
  ['a lack of permission', async () => call('/admin/keys', { headers: (await makeToken()).pair })],
  ['a body that is too large', () => call('/tickets', { headers: JSON_TYPE, body: 'x'.repeat(20_000) })],
  ['a type that is not taken', () => call('/tickets', { method: 'POST', body: 'x' })],
  ['the key set', () => call('/.well-known/jwks.json')],
  [
    'the key set, unchanged',
    async () => call('/.well-known/jwks.json', { headers: { 'if-none-match': await etag() } }),
  ],
  [
    'the list of keys',
    async () => call('/admin/keys', { headers: (await makeToken({ permissions: ['keys:read'] })).pair }),
  ],
  ['liveness', () => call('/healthz')],
  ['readiness', () => call('/readyz')],
  ['the front page', () => call('/')],
  ['an unknown path', () => call('/nowhere')],
  ['a request without TLS', () => call('/.well-known/jwks.json', { front: withoutTls })],
  ['a wrong method', () => call('/tickets')],
  ['a preflight', () => preflight('https://app.test')],
  ['a preflight of an anonymous caller', () => preflight('https://evil.test')],
  ['a preflight to nowhere', () => call('/nowhere', { method: 'OPTIONS' })],
  ['a HEAD', () => call('/healthz', { method: 'HEAD' })],
  ['a bug', () => mint(undefined, { agent: 'lobby', instance: 'main' }, { front: broken.front })],
  ['an outage', () => mint(undefined, { agent: 'lobby', instance: 'main' }, { front: down.front })],
];

const withoutTls = (request: Request) => worker(new Request(request.url.replace('https:', 'http:'), request));
const JSON_TYPE = { 'content-type': 'application/json' };
const etag = async (): Promise<string> => (await call('/.well-known/jwks.json')).headers.get('etag') ?? '';
const failingWith = (message: string) =>
  startBroker({
    control: failing(env.CONTROL, (sql) => (/revocations/.test(sql) ? new Error(message) : undefined)),
  });
const broken = failingWith('a bug');
const down = failingWith('Network connection lost.');

test('a request without TLS is refused, but for those of probes', async () => {
  expectRefusal(await call('/.well-known/jwks.json', { front: withoutTls }), '403 FORBIDDEN');
  expectRefusal(await mint((await makeToken()).pair, COUNTER, { front: withoutTls }), '403 FORBIDDEN');
  for (const path of ['/healthz', '/readyz'])
    expect((await call(path, { front: withoutTls })).status).toBe(200);
});

describe('every answer', () => {
  it.each(KINDS)('(%s) has an id of ours', async (_kind, ask) => {
    const ids = [await ask(), await ask()].map(({ headers }) => headers.get('x-request-id'));
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(2);
  });

  it.each(KINDS)('(%s) has the headers that make a browser careful', async (_kind, ask) => {
    const { headers } = await ask();
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('strict-transport-security')).toBe('max-age=31536000; includeSubDomains');
    const policy = headers.get('content-security-policy')?.split('; ') ?? [];
    for (const closed of ['default-src', 'form-action', 'base-uri', 'frame-ancestors'])
      expect(policy).toContain(`${closed} 'none'`);
    expect(headers.get('x-frame-options')).toMatch(/DENY|SAMEORIGIN/);
    expect(headers.get('x-powered-by')).toBeNull();
  });

  it.each(KINDS)('(%s) may be kept by a cache only when it is the key set', async (kind, ask) => {
    const { headers, status } = await ask();
    if (kind.startsWith('the key set')) expect(headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    else if (status !== 204) expect(headers.get('cache-control')).toBe('no-store');
  });

  it('ignores the id that a caller makes up', async () => {
    const made = '11111111-2222-4333-8444-555555555555';
    const reply = await call('/healthz', { headers: { 'x-request-id': made } });
    expect(reply.headers.get('x-request-id')).not.toBe(made);
  });

  it('to a bug says nothing about it', async () => {
    const reply = await mint(undefined, { agent: 'lobby', instance: 'main' }, { front: broken.front });
    expectRefusal(reply, '500 INTERNAL');
    expect(reply.text).not.toContain('a bug');
    expect(broken.logged.some((line) => line.includes('"event":"bug"'))).toBe(true);
  });

  it('of a worker that is not configured is an opaque 500 as well', async () => {
    const misconfigured = { ...env, KEK: 'short' };
    const reply = await secondWorker.fetch(requestTo('/tickets'), misconfigured);
    expect(reply.status).toBe(500);
    expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await reply.text()).not.toMatch(/KEK|short/);
  });
});

describe('the route table', () => {
  const paths = [...new Set(ROUTES.map(({ path }) => path))];
  const example = (path: string): string => path.replace(':file', 'console.js').replaceAll(/:[a-z_]+/gi, 'x');
  const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

  it('has every route of the app, and the app every route of the table', () => {
    const { app } = startBroker();
    const routed = app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path}`);
    expect(new Set(routed)).toEqual(new Set(ROUTES.map(({ method, path }) => `${method} ${path}`)));
    const catchAll = app.routes.filter(({ method, path }) => method === 'ALL' && path !== '/*');
    expect(new Set(catchAll.map(({ path }) => path))).toEqual(new Set(paths));
  });

  it('names each route once', () => {
    const names = ROUTES.map(({ method, path }) => `${method} ${path}`);
    expect(names).toEqual([...new Set(names)]);
  });

  it('lets nobody into the operator API without a permission', () => {
    const open = ROUTES.filter(({ path }) => path.startsWith('/admin/'));
    expect(open.length).toBeGreaterThan(0);
    expect(open.filter(({ auth }) => auth !== 'required')).toEqual([]);
  });

  /** Routes of features that the tests' settings leave off answer 404; each has tests of its own with the settings. */
  const OFF = ['/caep/events', '/.well-known/security.txt'];

  it.each(paths)('%s answers its own methods, and any other with a 405 that lists them', async (path) => {
    const own = ROUTES.filter((route) => route.path === path).map(({ method }): string => method);
    for (const method of METHODS) {
      const reply = await call(example(path), { method });
      if (own.includes(method)) {
        if (OFF.includes(path)) expect(reply.status).toBe(404);
        else expect([404, 405]).not.toContain(reply.status);
      } else {
        // OAuth has a shape of its own for refusals.
        const ownShape = ROUTES.some((route) => route.path === path && route.renderError !== undefined);
        if (ownShape) expect(reply.status).toBe(405);
        else expectRefusal(reply, '405 METHOD_NOT_ALLOWED');
        const allow = (reply.headers.get('allow') ?? '').split(', ');
        expect(allow).toEqual(expect.arrayContaining(own));
        expect(allow).not.toContain(method);
      }
    }
  });

  it.each(ROUTES.filter(({ auth }) => auth === 'required'))(
    '$method $path asks for a credential before anything else',
    async ({ method, path, renderError }) => {
      const reply = await call(example(path), { method });
      if (renderError === undefined) expectRefusal(reply, '401 UNAUTHORIZED');
      else expect([reply.status, JSON.parse(reply.text).error]).toEqual([401, 'invalid_client']);
    },
  );

  it.each(ROUTES.filter(({ permission }) => permission !== undefined))(
    '$method $path needs its permission, before it looks at the body',
    async ({ method, path, permission }) => {
      const without = await makeToken({ permissions: ['everything', `${permission}x`, '*'] });
      expectRefusal(await call(example(path), { method, headers: without.pair }), '403 FORBIDDEN');
    },
  );

  it.each([
    '/tickets/',
    '//tickets',
    '/Tickets',
    '/tickets/x',
    '/tickets%2f',
    '/%74ickets/x',
    '/%E0%A4%A',
    '/%00',
    '/..%2fadmin%2fkeys',
    '/admin',
    '/admin/',
    '/admin/keys/',
    '/.well-known/jwks.json/',
    '/.well-known',
    '/constructor',
    '/__proto__',
    `/${'a'.repeat(8000)}`,
  ])('does not know %s', async (path) => {
    for (const method of METHODS) {
      const reply = await call(path, { method });
      expect(refusal(reply)).toBe('404 NOT_FOUND');
    }
  });
});

describe('HEAD', () => {
  it('of a route is its GET without the body', async () => {
    for (const path of ['/healthz', '/readyz', '/.well-known/jwks.json']) {
      const [get, head] = [await call(path), await call(path, { method: 'HEAD' })];
      expect([head.status, head.text]).toEqual([get.status, '']);
      expect(head.headers.get('etag')).toBe(get.headers.get('etag'));
      expect(head.headers.get('cache-control')).toBe(get.headers.get('cache-control'));
    }
  });

  it('of a route that has no GET is a 405', async () => {
    const reply = await call('/tickets', { method: 'HEAD' });
    expect([reply.status, reply.headers.get('allow'), reply.text]).toEqual([405, 'POST', '']);
  });

  it('of the operator API asks for a credential', async () => {
    expect((await call('/admin/keys', { method: 'HEAD' })).status).toBe(401);
  });

  it('makes no ticket', async () => {
    const reply = await call('/tickets', { method: 'HEAD', headers: (await makeToken()).pair });
    expect(reply.status).toBe(405);
  });
});
