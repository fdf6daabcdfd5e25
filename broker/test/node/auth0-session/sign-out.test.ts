import { decodeJwt } from 'jose';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { loginIdOf } from '../../../src/credentials/auth0-session.ts';
import { sealCookie } from '../../../src/credentials/session-cookie.ts';
import { flushOutbox } from '../../../src/revocation/changes.ts';
import { bodyOf } from '../answers.ts';
import { ALICE, AUDIENCE } from '../auth0.ts';
import { rowsOf } from '../folder.ts';
import { BROKER, NOW } from '../start-broker.ts';
import { CLIENT_ID, go, logoutToken, openTenant, SECRET, standStill, type TenantStand } from './tenant.ts';

standStill();
let at: TenantStand;
// A sign-out is for all that a person has: each test has a person of its own.
beforeEach(async () => {
  at = await openTenant();
});

const away = new Error('Network connection lost.');
const control = () => at.stand.ports.control;
const record = () => at.stand.ports.record;

/** The id of every sign-in under a session of the tenant. */
async function loginOf(sid: string): Promise<string> {
  const { signIn } = at.stand.ports.credentials;
  if (signIn === undefined) throw new TypeError('no tenant');
  return loginIdOf(sid, signIn);
}

const revocationsSince = (count: number) =>
  at.stand.commands.slice(count).map((token) => {
    const { op, revocation } = Object(decodeJwt(token).cmd);
    expect(op).toBe('revoke');
    return revocation;
  });

const OF_ALICE = { target: `principal:${ALICE}`, kind: 'before', code: 'rights_changed' };
/** The revocations of a sign-out, by the tenant's session. */
const revocationsOf = async (sid: string) => [
  expect.objectContaining(OF_ALICE),
  expect.objectContaining({
    target: `login:${await loginOf(sid)}`,
    kind: 'any',
    code: 'rights_changed',
    until: (NOW + 30 * 86_400) * 1000,
  }),
];

/** Why agent workers would refuse a ticket of Alice's that was decided at this number. */
const whyRevoked = (rev: number) =>
  record().revocations.whyRevoked({ names: [`principal:${ALICE}`], rev }, at.stand.clock.now * 1000);

const mint = async (headers: Record<string, string>): Promise<number> => {
  const all = { 'content-type': 'application/json', origin: BROKER, ...headers };
  const body = JSON.stringify({ agent: 'counter' });
  return (await at.stand.app.request(`${BROKER}/tickets`, { method: 'POST', headers: all, body })).status;
};
const accessToken = async (iat: number, sub = 'auth0|alice') => ({
  authorization: `Bearer ${await at.tenant.sign({ sub, aud: AUDIENCE, iat, exp: NOW + 3600 })}`,
});

/** The cookie in which a stock application keeps a session that began at `createdAt`. */
async function foreignCookie(sid: string | undefined, createdAt: number): Promise<string> {
  const payload = {
    user: { sub: 'auth0|alice', ...(sid === undefined ? {} : { sid }) },
    internal: { createdAt },
    exp: NOW + 86_400,
  };
  return `appSession.0=${await sealCookie(payload, { name: 'appSession', secret: SECRET, kid: 'k' })}`;
}

describe('signing out', () => {
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
    const revoked = revocationsSince(before);
    expect(revoked).toHaveLength(2);
    expect(revoked).toEqual(expect.arrayContaining(await revocationsOf('tenant-session-1')));
    expect(at.stand.events.at(-1)).toMatchObject({
      type: 'login.ended',
      principal: ALICE,
      details: { by: 'logout' },
    });
    expect((await at.me(cookie)).status).toBe(401);
  });

  it('revokes what was decided for the person before, and nothing that is decided after it', async () => {
    const { cookie } = await at.signIn();
    const before = await control().revocations.newestRev();
    await go(at, '/auth/logout', { cookie });
    const after = await control().revocations.newestRev();
    expect([await whyRevoked(before), await whyRevoked(after)]).toEqual(['rights_changed', undefined]);
    at.stand.clock.now += 3611;
    expect(await whyRevoked(before)).toBeUndefined();
  });

  it('revokes as much where the record database was away, once it is back', async () => {
    const { cookie } = await at.signIn();
    const before = await control().revocations.newestRev();
    vi.spyOn(record(), 'deliverChange').mockRejectedValueOnce(away);
    expect((await go(at, '/auth/logout', { cookie })).status).toBe(302);
    expect((await at.me(cookie)).status).toBe(401);
    const after = await control().revocations.newestRev();
    at.stand.clock.now = NOW + 60;
    await flushOutbox(at.stand.ports);
    expect([await whyRevoked(before), await whyRevoked(after)]).toEqual(['rights_changed', undefined]);
  });

  it('ends bearer tokens from before it, and none that is issued later', async () => {
    const { cookie } = await at.signIn();
    const [old, same] = [await accessToken(NOW - 60), await accessToken(NOW)];
    expect(await mint(old)).toBe(201);
    await go(at, '/auth/logout', { cookie });
    expect([await mint(old), await mint(same)]).toEqual([401, 401]);
    expect(await mint(await accessToken(NOW - 60, 'auth0|bea'))).toBe(201);
    at.stand.clock.now = NOW + 5;
    expect(await mint(await accessToken(NOW + 1))).toBe(201);
    expect(await mint(old)).toBe(401);
  });

  it('leaves the person’s other sign-ins alone, wherever they are kept', async () => {
    at.idClaims = { sid: 'left' };
    const left = await at.signIn();
    at.idClaims = { sid: 'ended' };
    const ended = await at.signIn();
    const [leftApp, endedApp] = [
      await foreignCookie('left', NOW - 60),
      await foreignCookie('ended', NOW - 60),
    ];
    await go(at, '/auth/logout', { cookie: ended.cookie });
    expect([await mint({ cookie: left.cookie }), await mint({ cookie: leftApp })]).toEqual([201, 201]);
    expect([await mint({ cookie: ended.cookie }), await mint({ cookie: endedApp })]).toEqual([401, 401]);
  });

  it('of a session without a sid ends that one alone', async () => {
    at.idClaims = { sid: undefined };
    const [ended, left] = [await at.signIn(), await at.signIn()];
    await go(at, '/auth/logout', { cookie: ended.cookie });
    expect([(await at.me(ended.cookie)).status, (await at.me(left.cookie)).status]).toEqual([401, 200]);
  });

  it('of an application’s session without a sid ends every sign-in that began before', async () => {
    at.idClaims = { sid: 'other' };
    const other = await at.signIn();
    const [app, older] = [await foreignCookie(undefined, NOW - 1), await foreignCookie('older', NOW - 60)];
    expect([await mint({ cookie: app }), await mint({ cookie: older })]).toEqual([201, 201]);
    await go(at, '/auth/logout', { cookie: app });
    for (const cookie of [app, older, other.cookie]) expect(await mint({ cookie })).toBe(401);
    at.stand.clock.now = NOW + 2;
    expect(await mint({ cookie: await foreignCookie('newer', NOW + 1) })).toBe(201);
    expect((await at.me((await at.signIn()).cookie)).status).toBe(200);
  });

  it('does not close the tenant’s session to a sign-in after it, which the tenant vouches for', async () => {
    const { cookie } = await at.signIn();
    await go(at, '/auth/logout', { cookie });
    const before = at.stand.commands.length;
    const again = await at.signIn();
    expect(await mint({ cookie: again.cookie })).toBe(201);
    expect((await at.me(cookie)).status).toBe(401);
    expect(revocationsSince(before)).toEqual([
      expect.objectContaining({ target: `login:${await loginOf('tenant-session-1')}`, until: NOW * 1000 }),
    ]);
  });

  it('that the tenant tells of while a sign-in comes back ends that sign-in', async () => {
    at.idClaims = { sid: 'racing' };
    const { revocations } = control();
    const { newestRev } = revocations;
    vi.spyOn(revocations, 'newestRev').mockImplementationOnce(async () => {
      const rev = await newestRev();
      await at.stand.post('/auth/backchannel-logout', {
        logout_token: await logoutToken(at, { sid: 'racing' }),
      });
      return rev;
    });
    const { cookie } = await at.signIn();
    expect((await at.me(cookie)).status).toBe(401);
  });

  it('meanwhile another request mints, and its ticket is revoked or was never made', async () => {
    const { cookie } = await at.signIn();
    const { readPolicy } = control();
    // The cookie was good when it was read; the policy is read after the sign-out.
    vi.spyOn(control(), 'readPolicy').mockImplementationOnce(async (question) => {
      await go(at, '/auth/logout', { cookie });
      return readPolicy(question);
    });
    expect(await mint({ cookie })).toBe(401);
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

  it('without a session only drops cookies', async () => {
    const before = at.stand.commands.length;
    const answer = await go(at, '/auth/logout', { cookie: 'appSession=broken; appSession.0=x' });
    expect(answer.status).toBe(302);
    expect(answer.headers.getSetCookie()).toHaveLength(2);
    expect(revocationsSince(before)).toEqual([]);
  });
});

/** Every write of a sign-out in the control database. */
const WRITES = [
  ['the end of the sign-in', 'UPDATE ON auth_sessions'],
  ['the moment of the sign-out', 'INSERT ON principals'],
  ['the event and the command', 'INSERT ON outbox'],
  ['a revocation', 'INSERT ON revocations'],
] as const;
const TABLES = ['auth_sessions', 'principals', 'outbox', 'revocations', 'used_tokens'];

describe('a sign-out that fails', () => {
  const file = () => `${at.stand.folder}/control.db`;
  const written = () => Promise.all(TABLES.map((table) => rowsOf(file(), `SELECT * FROM ${table}`)));

  it.each([
    ...WRITES.map((write) => [...write, 'logout'] as const),
    ...WRITES.map((write) => [...write, 'back-channel'] as const),
    ['the note that the token was used', 'INSERT ON used_tokens', 'back-channel'] as const,
  ])('at %s (%s) leaves nothing, and is finished when it is sent again: %s', async (_what, write, by) => {
    at.idClaims = { sid: crypto.randomUUID() };
    const { cookie } = await at.signIn();
    const logout_token = await logoutToken(at, { ...at.idClaims, sub: undefined });
    const out = async () =>
      by === 'logout'
        ? (await go(at, '/auth/logout', { cookie })).status
        : (await at.stand.post('/auth/backchannel-logout', { logout_token })).status;
    await rowsOf(file(), `CREATE TRIGGER cut BEFORE ${write} BEGIN SELECT RAISE(ABORT, 'cut off'); END`);
    const [rows, events] = [await written(), at.stand.events.length];
    expect(await out()).toBeGreaterThanOrEqual(500);
    expect(await written()).toEqual(rows);
    expect([at.stand.events.length, at.stand.commands.length]).toEqual([events, 0]);
    expect((await at.me(cookie)).status).toBe(200);

    await rowsOf(file(), 'DROP TRIGGER cut');
    expect(await out()).toBe(by === 'logout' ? 302 : 204);
    expect((await at.me(cookie)).status).toBe(401);
    expect(revocationsSince(0)).toEqual(expect.arrayContaining(await revocationsOf(String(at.idClaims.sid))));
  });

  it.each(['logout', 'back-channel'])(
    'after its change is finished by the outbox, though nobody sends it again: %s',
    async (by) => {
      at.idClaims = { sid: crypto.randomUUID() };
      const { cookie } = await at.signIn();
      const logout_token = await logoutToken(at, { ...at.idClaims, sub: undefined });
      vi.spyOn(record(), 'deliverChange').mockRejectedValueOnce(away);
      if (by === 'logout') await go(at, '/auth/logout', { cookie });
      else await at.stand.post('/auth/backchannel-logout', { logout_token });
      expect(revocationsSince(0)).toEqual([]);
      expect((await at.me(cookie)).status).toBe(401);
      at.stand.clock.now = NOW + 60;
      await flushOutbox(at.stand.ports);
      expect(revocationsSince(0)).toEqual(
        expect.arrayContaining(await revocationsOf(String(at.idClaims.sid))),
      );
      expect(at.stand.events.at(-1)).toMatchObject({ type: 'login.ended', details: { by } });
    },
  );
});

describe('back-channel logout', () => {
  const post = async (logout_token: string) => at.stand.post('/auth/backchannel-logout', { logout_token });

  it('ends the session and the sockets', async () => {
    const { cookie } = await at.signIn();
    const before = at.stand.commands.length;
    const answer = await post(await logoutToken(at));
    expect(answer.status).toBe(204);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect((await at.me(cookie)).status).toBe(401);
    expect(revocationsSince(before)).toEqual(expect.arrayContaining(await revocationsOf('tenant-session-1')));
    expect(at.stand.events.at(-1)).toMatchObject({
      type: 'login.ended',
      principal: ALICE,
      details: { by: 'back-channel' },
    });
  });

  it('by sid leaves another session of the person alone, by subject it ends them all', async () => {
    at.idClaims = { sid: 'one' };
    const one = await at.signIn();
    at.idClaims = { sid: 'two' };
    const two = await at.signIn();
    const app = await foreignCookie('three', NOW - 60);
    await post(await logoutToken(at, { sid: 'one' }));
    expect([(await at.me(one.cookie)).status, (await at.me(two.cookie)).status]).toEqual([401, 200]);
    expect([await mint({ cookie: one.cookie }), await mint({ cookie: two.cookie })]).toEqual([401, 201]);
    await post(await logoutToken(at, { sid: undefined }));
    for (const cookie of [two.cookie, app]) expect(await mint({ cookie })).toBe(401);
    at.stand.clock.now = NOW + 1;
    expect(await mint({ cookie: (await at.signIn()).cookie })).toBe(201);
  });

  it('ends bearer tokens from before it, and none that is issued later', async () => {
    await post(await logoutToken(at));
    expect(await mint(await accessToken(NOW - 60))).toBe(401);
    at.stand.clock.now = NOW + 5;
    expect(await mint(await accessToken(NOW + 1))).toBe(201);
  });

  it('by a sid alone finds whose it was', async () => {
    at.idClaims = { sid: 'alone' };
    await at.signIn();
    const before = at.stand.commands.length;
    await post(await logoutToken(at, { sid: 'alone', sub: undefined }));
    expect(revocationsSince(before)).toEqual(expect.arrayContaining(await revocationsOf('alone')));
  });

  it('by the sid of a session that an application keeps ends that session, and names no person', async () => {
    const cookie = await foreignCookie('elsewhere', NOW - 60);
    expect(await mint({ cookie })).toBe(201);
    const before = at.stand.commands.length;
    expect((await post(await logoutToken(at, { sid: 'elsewhere', sub: undefined }))).status).toBe(204);
    expect(await mint({ cookie })).toBe(401);
    expect(revocationsSince(before)).toEqual([
      expect.objectContaining({ target: `login:${await loginOf('elsewhere')}` }),
    ]);
    expect(at.stand.events.at(-1)?.principal).toBeUndefined();
  });

  it('takes a token once', async () => {
    const token = await logoutToken(at);
    expect((await post(token)).status).toBe(204);
    const again = await post(token);
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
    expect((await post(await logoutToken(at, claims, header))).status).toBe(400);
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
      expect((await post(token)).status).toBe(400);
  });

  it('a logout token is no credential', async () => {
    const answer = await go(at, '/me', {
      authorization: `Bearer ${await logoutToken(at, { aud: 'https://broker.test/api' })}`,
    });
    expect(answer.status).toBe(401);
  });
});
