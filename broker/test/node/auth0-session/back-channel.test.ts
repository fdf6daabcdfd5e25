import { beforeEach, describe, expect, it } from 'vitest';
import { bodyOf } from '../answers.ts';
import { ALICE } from '../auth0.ts';
import { NOW } from '../start-broker.ts';
import {
  accessToken,
  CLIENT_ID,
  foreignCookie,
  freezeClock,
  go,
  loginOf,
  logoutToken,
  mint,
  openTenant,
  revocationsOf,
  revocationsSince,
  type TenantSetup,
} from './tenant.ts';

freezeClock();
let at: TenantSetup;
beforeEach(async () => {
  at = await openTenant();
});

describe('back-channel logout', () => {
  const post = async (logout_token: string) => at.broker.post('/auth/backchannel-logout', { logout_token });

  it('ends the session and the sockets', async () => {
    const { cookie } = await at.signIn();
    const before = at.broker.commands.length;
    const answer = await post(await logoutToken(at));
    expect(answer.status).toBe(204);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect((await at.me(cookie)).status).toBe(401);
    expect(revocationsSince(at, before)).toEqual(
      expect.arrayContaining(await revocationsOf(at, 'tenant-session-1')),
    );
    expect(at.broker.events.at(-1)).toMatchObject({
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
    expect([await mint(at, { cookie: one.cookie }), await mint(at, { cookie: two.cookie })]).toEqual([
      401, 201,
    ]);
    await post(await logoutToken(at, { sid: undefined }));
    for (const cookie of [two.cookie, app]) expect(await mint(at, { cookie })).toBe(401);
    at.broker.clock.now = NOW + 1;
    expect(await mint(at, { cookie: (await at.signIn()).cookie })).toBe(201);
  });

  it('ends bearer tokens from before it, and none that is issued later', async () => {
    await post(await logoutToken(at));
    expect(await mint(at, await accessToken(at, NOW - 60))).toBe(401);
    at.broker.clock.now = NOW + 5;
    expect(await mint(at, await accessToken(at, NOW + 1))).toBe(201);
  });

  it('by a sid alone finds whose it was', async () => {
    at.idClaims = { sid: 'alone' };
    await at.signIn();
    const before = at.broker.commands.length;
    await post(await logoutToken(at, { sid: 'alone', sub: undefined }));
    expect(revocationsSince(at, before)).toEqual(expect.arrayContaining(await revocationsOf(at, 'alone')));
  });

  it('by the sid of a session that an application keeps ends that session, and names no person', async () => {
    const cookie = await foreignCookie('elsewhere', NOW - 60);
    expect(await mint(at, { cookie })).toBe(201);
    const before = at.broker.commands.length;
    expect((await post(await logoutToken(at, { sid: 'elsewhere', sub: undefined }))).status).toBe(204);
    expect(at.broker.events.at(-1)?.principal).toBeUndefined();
    expect(await mint(at, { cookie })).toBe(401);
    expect(revocationsSince(at, before)).toEqual([
      expect.objectContaining({ target: `login:${await loginOf(at, 'elsewhere')}` }),
    ]);
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
