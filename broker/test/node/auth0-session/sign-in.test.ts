import { selectRecalls } from '@agent-ticket/drizzle/record/recalls.ts';
import { decodeJwt } from 'jose';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { flushOutbox } from '../../../src/revocation/termination.ts';
import { forgetExpired } from '../../../src/runtime/forget-expired.ts';
import { bodyOf } from '../answers.ts';
import { ALICE } from '../auth0.ts';
import { BROKER, NOW } from '../start-broker.ts';
import { CLIENT_ID, cookiesOf, go, logoutToken, openTenant, standStill, type TenantStand } from './tenant.ts';

standStill();
let at: TenantStand;
beforeAll(async () => {
  at = await openTenant();
});
beforeEach(() => {
  vi.restoreAllMocks();
  at.idClaims = {};
  at.tokenAnswer = undefined;
  at.stand.clock.now = NOW;
  // Nobody meets the limit of another test's address.
  at.stand.caller.address = crypto.randomUUID();
});

const commandsSince = (count: number) => at.stand.commands.slice(count).map((token) => decodeJwt(token).cmd);
const TERMINATE_ALICE = { op: 'terminate', target: { kind: 'principal', id: ALICE } };

/** Whether agent workers would find a ticket of Alice's recalled. */
const isRecalled = async (issuedAt: number): Promise<boolean> => {
  const ticket = { targets: [`principal:${ALICE}`], principal: ALICE, issuedAt };
  return (await selectRecalls(at.stand.runtime.record, ticket)).length > 0;
};

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
    expect(at.stand.events.at(-1)).toMatchObject({ type: 'login.succeeded', principal: ALICE });
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
  ])('refuses to return to %j', async (returnTo) => {
    for (const path of ['login', 'logout']) {
      const answer = await go(at, `/auth/${path}?return_to=${encodeURIComponent(returnTo)}`);
      expect(answer.status).toBe(400);
      expect(answer.headers.has('location')).toBe(false);
    }
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
    at.stand.clock.now = NOW + 86_399;
    expect((await at.me(cookie)).status).toBe(200);
    at.stand.clock.now = NOW + 86_400;
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
    const answer = await at.stand.app.request(`${BROKER}/tickets`, { method: 'POST', headers, body });
    expect(answer.status).toBe(status);
  });

  it('mints nothing by a form', async () => {
    const { cookie } = await at.signIn();
    const answer = await at.stand.post('/tickets', { agent: 'counter' }, { cookie, origin: BROKER });
    expect(answer.status).toBe(415);
  });
});

const signIn = () => {
  const { signIn: ports } = at.stand.ports.credentials;
  if (ports === undefined) throw new Error('no tenant');
  return ports;
};
/** Where a logout may be cut off, in its order. */
const STEPS: readonly [what: string, cut: () => { mockRejectedValueOnce(error: Error): unknown }][] = [
  ['the audit event', () => vi.spyOn(at.stand.ports.ledger, 'settle')],
  ['the command', () => vi.spyOn(at.stand.ports.termination.outbox, 'insert')],
  ['the end of the sign-in', () => vi.spyOn(signIn().sessions, 'logOut')],
  ['the note that the token was used', () => vi.spyOn(signIn().usedTokens, 'use')],
];

describe('signing out', () => {
  it.each<(typeof STEPS)[number]>([
    ...STEPS.slice(0, 2),
    ['the end of the sign-in', () => vi.spyOn(signIn().sessions, 'end')],
  ])('cut off at %s is finished by signing out again', async (_what, cut) => {
    const { cookie } = await at.signIn();
    const before = at.stand.commands.length;
    cut().mockRejectedValueOnce(new Error('Network connection lost.'));
    expect((await go(at, '/auth/logout', { cookie })).status).toBe(503);
    expect((await go(at, '/auth/logout', { cookie })).status).toBe(302);
    expect(commandsSince(before)).toContainEqual(TERMINATE_ALICE);
    expect((await at.me(cookie)).status).toBe(401);
  });

  it('ends the session and the sockets, and goes on to the tenant', async () => {
    const { cookie } = await at.signIn();
    const before = at.stand.commands.length;
    const answer = await go(at, '/auth/logout?return_to=https://app.test/bye', { cookie });
    expect(answer.status).toBe(302);
    const url = new URL(answer.headers.get('location') ?? '');
    expect(url.origin + url.pathname).toBe('https://tenant.test/oidc/logout');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: CLIENT_ID,
      post_logout_redirect_uri: 'https://app.test/bye',
      logout_hint: 'tenant-session-1',
    });
    expect(answer.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^appSession=; Path=\/; Max-Age=0;/),
    ]);
    expect(commandsSince(before)).toEqual([TERMINATE_ALICE]);
    expect(at.stand.events.at(-1)).toMatchObject({
      type: 'login.ended',
      principal: ALICE,
      details: { by: 'logout' },
    });
    expect((await at.me(cookie)).status).toBe(401);
  });

  it('recalls what the person was issued until then, and nothing that is issued after it', async () => {
    const { cookie } = await at.signIn();
    await go(at, '/auth/logout', { cookie });
    expect([await isRecalled(NOW * 1000), await isRecalled(NOW * 1000 + 1)]).toEqual([true, false]);
    at.stand.clock.now += 3610;
    await forgetExpired(at.stand.ports);
    expect(await isRecalled(NOW * 1000)).toBe(false);
  });

  it('recalls as much where the record database was away, once it is back', async () => {
    at = await openTenant();
    const { cookie } = await at.signIn();
    const { termination } = at.stand.ports;
    vi.spyOn(termination.recalls, 'set').mockRejectedValueOnce(new Error('Network connection lost.'));
    const { end } = signIn().sessions;
    vi.spyOn(signIn().sessions, 'end').mockImplementation(async (...args) => {
      at.stand.clock.now += 1;
      return end(...args);
    });
    await go(at, '/auth/logout', { cookie });
    at.stand.clock.now = NOW + 60;
    await flushOutbox(termination);
    expect([await isRecalled(NOW * 1000 + 1000), await isRecalled(NOW * 1000 + 1001)]).toEqual([true, false]);
  });

  it.each([
    ['a link on another site', { 'sec-fetch-site': 'cross-site', referer: 'https://evil.test/' }, 403],
    ['a link without a referrer on another site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['a link on a listed page', { 'sec-fetch-site': 'cross-site', referer: 'https://app.test/x' }, 302],
    [
      'an image on a sibling host',
      { 'sec-fetch-site': 'same-site', referer: 'https://evil.broker.test/' },
      403,
    ],
    ['an image on a sibling host that hides itself', { 'sec-fetch-site': 'same-site' }, 403],
    ['a link on a listed sibling', { 'sec-fetch-site': 'same-site', referer: 'https://app.test/' }, 302],
    ['a link on its own page', { 'sec-fetch-site': 'same-origin' }, 302],
    ['the address bar', { 'sec-fetch-site': 'none' }, 302],
  ])('by %s', async (_how, headers, status) => {
    expect((await go(at, '/auth/logout', headers)).status).toBe(status);
  });

  it('without a session only tidies up', async () => {
    const before = at.stand.commands.length;
    const answer = await go(at, '/auth/logout', { cookie: 'appSession=broken; appSession.0=x' });
    expect(answer.status).toBe(302);
    expect(answer.headers.getSetCookie()).toHaveLength(2);
    expect(commandsSince(before)).toEqual([]);
  });
});

describe('back-channel logout', () => {
  const tell = async (logout_token: string) => at.stand.post('/auth/backchannel-logout', { logout_token });

  it('ends the session and the sockets', async () => {
    const { cookie } = await at.signIn();
    const before = at.stand.commands.length;
    const answer = await tell(await logoutToken(at));
    expect(answer.status).toBe(204);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect((await at.me(cookie)).status).toBe(401);
    expect(commandsSince(before)).toEqual([TERMINATE_ALICE]);
    expect(at.stand.events.at(-1)).toMatchObject({ type: 'login.ended', details: { by: 'back-channel' } });
  });

  it('by sid leaves another session of the person alone, by subject it ends them all', async () => {
    at.idClaims = { sid: 'one' };
    const one = await at.signIn();
    at.idClaims = { sid: 'two' };
    const two = await at.signIn();
    await tell(await logoutToken(at, { sid: 'one' }));
    expect([(await at.me(one.cookie)).status, (await at.me(two.cookie)).status]).toEqual([401, 200]);
    await tell(await logoutToken(at, { sid: undefined }));
    expect((await at.me(two.cookie)).status).toBe(401);
  });

  it('by a sid alone finds whose it was', async () => {
    at.idClaims = { sid: 'alone' };
    await at.signIn();
    const before = at.stand.commands.length;
    await tell(await logoutToken(at, { sid: 'alone', sub: undefined }));
    expect(commandsSince(before)).toEqual([TERMINATE_ALICE]);
  });

  it('that fails half-way is heard when it is told again, until all is done', async () => {
    at.idClaims = { sid: 'retried' };
    const { cookie } = await at.signIn();
    const before = at.stand.commands.length;
    const token = await logoutToken(at, { sid: 'retried' });
    const insert = vi.spyOn(at.stand.ports.termination.outbox, 'insert');
    insert.mockRejectedValueOnce(new Error('Network connection lost.'));
    expect((await tell(token)).status).toBe(503);
    expect(commandsSince(before)).toEqual([]);
    expect((await tell(token)).status).toBe(204);
    expect(commandsSince(before)).toEqual([TERMINATE_ALICE]);
    expect((await at.me(cookie)).status).toBe(401);
    expect((await tell(token)).status).toBe(400);
  });

  it.each(STEPS)(
    'by a sid alone, cut off at %s, ends the sockets when it is told again',
    async (_what, cut) => {
      at.idClaims = { sid: crypto.randomUUID() };
      const { cookie } = await at.signIn();
      const before = at.stand.commands.length;
      const token = await logoutToken(at, { ...at.idClaims, sub: undefined });
      cut().mockRejectedValueOnce(new Error('Network connection lost.'));
      expect((await tell(token)).status).toBe(503);
      expect((await tell(token)).status).toBe(204);
      expect(new Set(commandsSince(before).map((cmd) => JSON.stringify(cmd)))).toEqual(
        new Set([JSON.stringify(TERMINATE_ALICE)]),
      );
      expect((await at.me(cookie)).status).toBe(401);
    },
  );

  it('that nobody tells again ends the sockets all the same, once its command is written', async () => {
    // Nothing of another test waits there.
    at = await openTenant();
    at.idClaims = { sid: crypto.randomUUID() };
    await at.signIn();
    const before = at.stand.commands.length;
    vi.spyOn(signIn().usedTokens, 'use').mockRejectedValueOnce(new Error('Network connection lost.'));
    vi.spyOn(signIn().sessions, 'logOut').mockRejectedValueOnce(new Error('Network connection lost.'));
    expect((await tell(await logoutToken(at, { ...at.idClaims, sub: undefined }))).status).toBe(503);
    expect(commandsSince(before)).toEqual([]);
    at.stand.clock.now = NOW + 60;
    await flushOutbox(at.stand.ports.termination);
    expect(commandsSince(before)).toEqual([TERMINATE_ALICE]);
  });

  it('says a thing once', async () => {
    const token = await logoutToken(at);
    expect((await tell(token)).status).toBe(204);
    const again = await tell(token);
    expect([again.status, await bodyOf(again)]).toMatchObject([400, { error: 'invalid_request' }]);
  });

  it.each<[string, Record<string, unknown>, object?]>([
    ['of type JWT', {}, { typ: 'JWT' }],
    ['without a type', {}, { typ: undefined }],
    ['of another issuer', { iss: 'https://other.test/' }],
    ['for another client', { aud: 'other-client' }],
    ['of ten minutes ago', { iat: NOW - 600 }],
    ['that has expired', { exp: NOW - 60 }],
    ['without jti', { jti: undefined }],
    ['without iat', { iat: undefined }],
    ['with a nonce', { nonce: 'n' }],
    ['without events', { events: undefined }],
    ['with another event', { events: { 'https://other.test/event': {} } }],
    ['about nobody', { sub: undefined, sid: undefined }],
    ['with a key that is not there', {}, { kid: 'other' }],
  ])('refuses a token %s', async (_how, claims, header) => {
    const { cookie } = await at.signIn();
    expect((await tell(await logoutToken(at, claims, header))).status).toBe(400);
    expect((await at.me(cookie)).status).toBe(200);
  });

  it('no ID token, access token or nothing is a logout token', async () => {
    for (const token of [
      '',
      'x.y.z',
      // Spelled as a token, with `[]` and `null` for its header.
      'W10.e30.AA',
      'bnVsbA.e30.AA',
      await at.tenant.sign({ sub: 'auth0|alice', aud: CLIENT_ID, iat: NOW, exp: NOW + 60 }),
    ])
      expect((await tell(token)).status).toBe(400);
  });

  it('a logout token is no credential', async () => {
    const answer = await go(at, '/me', {
      authorization: `Bearer ${await logoutToken(at, { aud: 'https://broker.test/api' })}`,
    });
    expect(answer.status).toBe(401);
  });
});
