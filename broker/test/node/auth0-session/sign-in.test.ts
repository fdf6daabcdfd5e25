import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { bodyOf } from '../answers.ts';
import { ALICE, TENANT } from '../auth0.ts';
import { BROKER, NOW } from '../start-broker.ts';
import { CLIENT_ID, cookiesOf, freezeClock, go, openTenant, type TenantSetup } from './tenant.ts';

freezeClock();
let at: TenantSetup;
beforeAll(async () => {
  at = await openTenant();
});
beforeEach(() => {
  vi.restoreAllMocks();
  at.idClaims = {};
  at.tokenAnswer = undefined;
  at.broker.clock.now = NOW;
  // Nobody meets the limit of another test's address.
  at.broker.caller.address = crypto.randomUUID();
});

describe('signing in', () => {
  it('goes to the tenant with state, nonce and PKCE', async () => {
    const answer = await go(at, '/auth/login?login_hint=alice');
    expect(answer.status).toBe(302);
    const url = new URL(answer.headers.get('location') ?? '');
    expect(url.origin + url.pathname).toBe('https://tenant.test/authorize');
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      client_id: CLIENT_ID,
      redirect_uri: `${BROKER}/auth/callback`,
      response_type: 'code',
      scope: 'openid profile email',
      code_challenge_method: 'S256',
      login_hint: 'alice',
    });
    expect(answer.headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^login_appSession=\S+; Path=\/auth; Max-Age=600; HttpOnly; SameSite=Lax; Secure$/,
      ),
    ]);
  });

  it('ends with a session cookie, and the person is the one of their access tokens', async () => {
    const { cookie, location } = await at.signIn();
    expect(location).toBe(`${BROKER}/`);
    expect(cookie).toMatch(/^appSession=/);
    expect(at.broker.events.at(-1)).toMatchObject({ type: 'login.succeeded', principal: ALICE });
    expect(await bodyOf(await at.me(cookie))).toMatchObject({
      principal: ALICE,
      kind: 'user',
      method: 'auth0-session',
      email: 'alice@people.test',
      expires_at: new Date((NOW + 86_400) * 1000).toISOString(),
    });
  });

  it.each([
    ['/console?x=1', `${BROKER}/console?x=1`],
    ['https://app.test/deep#x', 'https://app.test/deep#x'],
    ['console', `${BROKER}/console`],
    ['/authors', `${BROKER}/authors`],
    ['https://app.test/auth/logout', 'https://app.test/auth/logout'],
  ])('returns to %s', async (returnTo, location) => {
    expect((await at.signIn(returnTo)).location).toBe(location);
  });

  it.each([
    'https://evil.test/',
    '//evil.test/',
    '/\\evil.test/',
    '\\\\evil.test/',
    '/\t/evil.test/',
    'javascript:alert(1)',
    'https://app.test@evil.test/',
    'https://user@app.test/',
    'https://app.test.evil.test/',
    'http://app.test/',
    'blob:https://app.test/x',
    `blob:${BROKER}/x`,
    'data:text/html,x',
    'ftp://app.test/',
    '/auth/logout',
    '/auth/login',
    '/auth/callback?code=c',
    '/x/../auth/logout',
    '/%61uth/logout',
    '/auth%2Flogout',
    '//broker.test//auth/logout',
    'auth/logout?x',
    '/auth',
    `${BROKER}/auth/logout#x`,
  ])('refuses to return to %j', async (returnTo) => {
    for (const path of ['login', 'logout']) {
      const answer = await go(at, `/auth/${path}?return_to=${encodeURIComponent(returnTo)}`);
      expect(answer.status).toBe(400);
      expect(answer.headers.has('location')).toBe(false);
    }
  });

  it('refuses to return to a sign-out of the broker by its other name', async () => {
    const named = await openTenant({ BASE_URL: 'https://sign-in.test' });
    for (const [page, status] of [
      ['/auth/logout', 400],
      ['/me', 302],
    ] as const)
      expect((await go(named, `/auth/login?return_to=${BROKER}${page}`)).status).toBe(status);
  });

  it.each<[string, (state: string, cookie: string) => [string, string], number]>([
    ['without the cookie of its beginning', (state) => [`code=c&state=${state}`, ''], 400],
    ['with another state', (_state, cookie) => ['code=c&state=other', cookie], 401],
    ['without a code', (state, cookie) => [`state=${state}`, cookie], 401],
    ['that the tenant refused', (state, cookie) => [`error=access_denied&state=${state}`, cookie], 401],
    [
      'with a cookie of somebody’s invention',
      (state) => [`code=c&state=${state}`, 'login_appSession=x.y.z'],
      400,
    ],
  ])('refuses a callback %s', async (_how, request, status) => {
    const left = await go(at, '/auth/login');
    const state = new URL(left.headers.get('location') ?? '').searchParams.get('state') ?? '';
    const [query, cookie] = request(state, cookiesOf(left));
    const answer = await go(at, `/auth/callback?${query}`, { cookie });
    expect(answer.status).toBe(status);
    expect(cookiesOf(answer)).toBe('');
  });

  it.each<[string, Record<string, unknown>]>([
    ['another nonce', { nonce: 'other' }],
    ['another audience', { aud: 'other-client' }],
    ['another issuer', { iss: 'https://other.test/' }],
    ['an end in the past', { exp: NOW - 60 }],
  ])('refuses an ID token with %s', async (_what, claims) => {
    at.idClaims = claims;
    const { cookie } = await at.signIn();
    expect(cookie).toBe('');
  });

  it.each<[string, () => Response, number]>([
    ['refuses the code', () => Response.json({ error: 'invalid_grant' }, { status: 400 }), 401],
    ['is broken', () => new Response('oops', { status: 502 }), 503],
    [
      'does not answer',
      () => {
        throw new TypeError('fetch failed');
      },
      503,
    ],
  ])('when the tenant %s', async (_how, tokenAnswer, status) => {
    at.tokenAnswer = tokenAnswer;
    const left = await go(at, '/auth/login');
    const state = new URL(left.headers.get('location') ?? '').searchParams.get('state');
    const answer = await go(at, `/auth/callback?code=c&state=${state}`, { cookie: cookiesOf(left) });
    expect(answer.status).toBe(status);
  });

  it('does not exist where it is not configured', async () => {
    const { startNodeBroker } = await import('../start-broker.ts');
    const without = await startNodeBroker();
    for (const path of ['login', 'callback', 'logout'])
      expect((await without.app.request(`${BROKER}/auth/${path}`)).status).toBe(404);
    expect((await without.post('/auth/backchannel-logout', {})).status).toBe(404);
  });
});

describe('a session', () => {
  it.each<[string, (jwe: string) => string, number]>([
    [
      'changed by a letter',
      (jwe) => jwe.slice(0, -9) + (jwe.at(-9) === 'A' ? 'B' : 'A') + jwe.slice(-8),
      401,
    ],
    ['cut off', (jwe) => jwe.slice(0, 40), 401],
    ['empty', () => '', 401],
    ['that is text', () => 'hello', 401],
  ])('in a cookie %s is 401', async (_how, change, status) => {
    const { cookie } = await at.signIn();
    const changed = change(cookie.slice('appSession='.length));
    expect((await at.me(`appSession=${changed}`)).status).toBe(status);
  });

  it('in a cookie of another name is none', async () => {
    const { cookie } = await at.signIn();
    expect((await at.me(cookie.replace('appSession', 'other'))).status).toBe(401);
    expect((await at.me(cookie.replace('appSession=', 'appSession.0='))).status).toBe(401);
  });

  it('ends after a day', async () => {
    const { cookie } = await at.signIn();
    at.broker.clock.now = NOW + 86_399;
    expect((await at.me(cookie)).status).toBe(200);
    at.broker.clock.now = NOW + 86_400;
    const answer = await at.me(cookie);
    expect([answer.status, await bodyOf(answer)]).toMatchObject([401, { error: { code: 'TOKEN_EXPIRED' } }]);
  });

  it('survives a neighbour’s broken cookie', async () => {
    const { cookie } = await at.signIn();
    expect((await at.me(`evil=%E0%A4%A; ${cookie}`)).status).toBe(200);
  });

  it.each([
    ['our own page', BROKER, 201],
    ['a listed page', 'https://app.test', 201],
    ['a page of another site', 'https://evil.test', 403],
    ['a page of a sibling host', 'https://x.broker.test', 403],
    ['a sandboxed page', 'null', 403],
    ['no page at all', undefined, 403],
  ])('mints a ticket for %s as it should', async (_who, origin, status) => {
    const { cookie } = await at.signIn();
    const headers = {
      cookie,
      'content-type': 'application/json',
      ...(origin === undefined ? {} : { origin }),
    };
    const body = JSON.stringify({ agent: 'counter' });
    const answer = await at.broker.app.request(`${BROKER}/tickets`, { method: 'POST', headers, body });
    expect(answer.status).toBe(status);
  });

  it.each([
    ['our own page', BROKER, 201],
    ['a listed page, which is no operator', 'https://app.test', 403],
  ])('takes a lock from %s as it should', async (_who, origin, status) => {
    const rule = { issuer: TENANT, claim: 'sub', equals: 'auth0|alice', permissions: ['locks:write'] };
    const operator = await openTenant({ CLAIM_RULES: JSON.stringify([rule]) });
    const { cookie } = await operator.signIn();
    const answer = await operator.broker.app.request(`${BROKER}/admin/locks`, {
      method: 'POST',
      headers: { cookie, origin, 'content-type': 'application/json' },
      body: JSON.stringify({ target: { kind: 'agent', agent: 'counter' }, reason: 'an exercise' }),
    });
    expect(answer.status).toBe(status);
  });

  it('mints nothing by a form', async () => {
    const { cookie } = await at.signIn();
    const answer = await at.broker.post('/tickets', { agent: 'counter' }, { cookie, origin: BROKER });
    expect(answer.status).toBe(415);
  });
});
