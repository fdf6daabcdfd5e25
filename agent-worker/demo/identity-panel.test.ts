import { describe, expect, test } from 'vitest';
import { describeIdentity, readMe, signInLink, signOutLink } from './identity-panel.ts';

const BROKER = 'https://broker.example';
const PAGE = 'https://agents.example/';
const production = { broker: BROKER, page: PAGE, accessUrl: undefined };
const standIn = { ...production, accessUrl: 'http://127.0.0.1:8790/access' };
const ALICE = {
  principal: 'access:team:user:1',
  email: 'alice@example.com',
  tier: 'free',
  method: 'access' as const,
  endsAt: 1_700_000_000_000,
};

describe('GET /me', () => {
  test('is read', () => {
    const body = {
      principal: 'access:team:user:1',
      email: 'alice@example.com',
      method: 'access',
      tier: 'free',
      expires_at: '2023-11-14T22:13:20.000Z',
    };
    expect(readMe(body)).toEqual(ALICE);
    expect(readMe({ ...body, method: 'auth0-session', email: undefined, expires_at: null })).toEqual({
      ...ALICE,
      method: 'session',
      email: undefined,
      endsAt: undefined,
    });
  });

  test.for([undefined, null, 'x', [], {}, { principal: 'x' }, { principal: 1, method: 'access' }])(
    '%j is nobody',
    (body) => {
      expect(readMe(body)).toBeUndefined();
    },
  );
});

describe('links', () => {
  const encoded = encodeURIComponent(PAGE);
  test('lead to the real Access at the broker in another window, as it does not redirect back', () => {
    expect(signInLink('access', production)).toMatchObject({ href: `${BROKER}/me`, newWindow: true });
    expect(signOutLink('access', production).href).toBe(`${BROKER}/cdn-cgi/access/logout`);
  });

  test('lead to the stand-in for Access, and back', () => {
    const base = `${standIn.accessUrl}/cdn-cgi/access`;
    expect(signInLink('access', standIn).href).toBe(`${base}/login?redirect_url=${encoded}%23access`);
    expect(signOutLink('access', standIn).href).toBe(`${base}/logout?redirect_url=${encoded}`);
  });

  test('lead to the login of the broker, and back', () => {
    const login = `${BROKER}/auth/login?return_to=${encoded}%23session`;
    expect(signInLink('session', production).href).toBe(login);
    expect(signOutLink('session', production).href).toBe(`${BROKER}/auth/logout?return_to=${encoded}`);
    expect(signInLink('session', standIn).href).toContain(`logout?redirect_url=${encodeURIComponent(login)}`);
  });
});

test.for([
  ['nobody', ALICE, 'without any credential'],
  ['access', undefined, 'Nobody is signed in'],
  ['access', ALICE, 'You are alice@example.com, by Cloudflare Access.'],
  ['session', ALICE, 'Sign out first'],
] as const)('with the method %s the page shows the identity at the broker', ([chosen, me, said]) => {
  expect(describeIdentity(chosen, me)).toContain(said);
});
