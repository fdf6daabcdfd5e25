import { describe, expect, it } from 'vitest';
import { assertion } from './access.ts';
import { accessBroker } from './access-broker.ts';
import { startBroker } from './broker.ts';
import { call, refusal } from './call.ts';
import { NOW } from './clock.ts';

const { broker } = accessBroker();

describe('a person whom Access let through to the sign-in', () => {
  const BACK = 'https://app.test/access?tab=1';
  const LOGIN = `/auth/login?return_to=${encodeURIComponent(BACK)}`;
  const accessOnly = () =>
    startBroker({
      unset: ['AUTH0_CLIENT_ID', 'AUTH0_CLIENT_SECRET', 'AUTH0_SESSION_ENCRYPTION_KEY', 'BASE_URL'],
    });
  const follow = async (path: string, headers: Readonly<Record<string, string>>, at = accessOnly()) => {
    const reply = await call(path, { headers, front: at.front });
    return [reply.status, reply.headers.get('location')];
  };

  it('is back where they came from, by the assertion or by the cookie', async () => {
    const signedIn = await assertion();
    const cookie = `CF_Authorization=${signedIn['cf-access-jwt-assertion']}`;
    expect(await follow(LOGIN, signedIn)).toEqual([302, BACK]);
    expect(await follow(LOGIN, { cookie })).toEqual([302, BACK]);
    expect(await follow('/auth/login', signedIn)).toEqual([302, 'https://broker.test/']);
  });

  it('is not sent on to the tenant, where there is one as well', async () => {
    expect(await follow(LOGIN, await assertion(), broker())).toEqual([302, BACK]);
  });

  it('goes nowhere that is not listed', async () => {
    const path = `/auth/login?return_to=${encodeURIComponent('https://evil.test/')}`;
    expect(await follow(path, await assertion())).toEqual([400, null]);
  });

  describe('longer ago than the settings allow', () => {
    const capped = () => startBroker({ settings: { CF_ACCESS_MAX_AGE_HOURS: '24' } });
    const old = () => assertion({ iat: NOW - 86_400 - 31, nbf: undefined, exp: NOW + 600 });
    const renewed = `https://broker.test/auth/login?return_to=${encodeURIComponent(BACK)}&renewed=true`;

    it('is refused, and signs in anew through the sign-out of Access', async () => {
      const headers = await old();
      expect(refusal(await call('/me', { headers, front: capped().front }))).toBe('401 TOKEN_EXPIRED');
      expect(await follow(LOGIN, headers, capped())).toEqual([
        302,
        `https://broker.test/cdn-cgi/access/logout?returnTo=${encodeURIComponent(renewed)}`,
      ]);
      const { pathname, search } = new URL(renewed);
      expect(await follow(pathname + search, await assertion(), capped())).toEqual([302, BACK]);
    });

    it('is not sent in a circle where Access signs nobody in anew', async () => {
      const { pathname, search } = new URL(renewed);
      expect(await follow(pathname + search, await old(), capped())).toEqual([401, null]);
    });

    it('is accepted up to that age', async () => {
      const headers = await assertion({ iat: NOW - 86_400, exp: NOW + 600 });
      expect((await call('/me', { headers, front: capped().front })).status).toBe(200);
    });
  });

  it.each([
    ['nobody', async () => ({})],
    ['somebody whose sign-in is over', () => assertion({ exp: NOW - 60 })],
  ])('is not sent in a circle as %s', async (_who, headers) => {
    expect(await follow(LOGIN, await headers())).toEqual([401, null]);
  });
});
