import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { loginIdOf } from '../../../src/credentials/auth0-session.ts';
import { sealCookie } from '../../../src/credentials/session-cookie.ts';
import { secret } from '../../canaries.ts';
import { ALICE, AUDIENCE, TENANT } from '../auth0.ts';
import { type TestIssuer, testIssuer } from '../issuer.ts';
import { BROKER, NOW, type StartedBroker, startNodeBroker, type Web } from '../start-broker.ts';

export const CLIENT_ID = 'broker-client';
export const SECRET = 'a secret of at least 32 characters';

/** A tenant with one person in it, and the broker as its client. */
export interface TenantSetup {
  readonly broker: StartedBroker;
  readonly tenant: TestIssuer;
  /** What the tenant is asked at, for other clients of it. */
  readonly web: Web;
  /** What the next ID token says beside the usual. */
  idClaims: Record<string, unknown>;
  /** How the token endpoint answers instead; undefined: as it should. */
  tokenAnswer: (() => Response) | undefined;
  /** Leaves for the tenant, which then knows the nonce. */
  leave(
    query?: string,
  ): Promise<{ readonly answer: Response; readonly cookie: string; readonly state: string }>;
  /** Signs in at the broker and answers the cookie that the browser then has. */
  signIn(returnTo?: string): Promise<{ readonly cookie: string; readonly location: string | null }>;
  me(cookie: string, headers?: Record<string, string>): Promise<Response>;
}

/** Libraries read the clock themselves: it stops at {@link NOW} for them too, in all tests of a file. */
export function freezeClock(): void {
  beforeAll(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: NOW * 1000 });
  });
  afterAll(() => {
    vi.useRealTimers();
  });
}

export const cookiesOf = (answer: Response): string =>
  answer.headers
    .getSetCookie()
    .filter((line) => !line.includes('Max-Age=0'))
    .map((line) => line.split(';')[0])
    .join('; ');

export const go = async (
  at: Pick<TenantSetup, 'broker'>,
  path: string,
  headers: Record<string, string> = {},
) => at.broker.app.request(`${BROKER}${path}`, { headers });

/** @param more addresses that answer beside the tenant's. */
export async function openTenant(
  settings: Readonly<Record<string, string>> = {},
  more: Web = {},
): Promise<TenantSetup> {
  const tenant = await testIssuer(TENANT);
  const begun = { nonce: '' };
  const web = {
    ...more,
    [`${TENANT}.well-known/openid-configuration`]: {
      issuer: TENANT,
      authorization_endpoint: `${TENANT}authorize`,
      token_endpoint: `${TENANT}oauth/token`,
      jwks_uri: `${TENANT}.well-known/jwks.json`,
      end_session_endpoint: `${TENANT}oidc/logout`,
    },
    [`${TENANT}.well-known/jwks.json`]: tenant.keySet,
    [`${TENANT}oauth/token`]: async () =>
      at.tokenAnswer?.() ??
      Response.json({
        access_token: secret('access-token-of-the-tenant'),
        refresh_token: secret('refresh-token-of-the-tenant'),
        token_type: 'Bearer',
        expires_in: 3600,
        id_token: secret(
          await tenant.sign({
            sub: 'auth0|alice',
            aud: CLIENT_ID,
            iat: NOW,
            exp: NOW + 36_000,
            nonce: begun.nonce,
            sid: 'tenant-session-1',
            email: 'alice@people.test',
            email_verified: true,
            ...at.idClaims,
          }),
        ),
      }),
  };
  const broker = await startNodeBroker(
    {
      AUTH0_DOMAIN: 'tenant.test',
      AUTH0_AUDIENCE: AUDIENCE,
      AUTH0_CLIENT_ID: CLIENT_ID,
      AUTH0_CLIENT_SECRET: 'client secret',
      AUTH0_SESSION_ENCRYPTION_KEY: SECRET,
      BASE_URL: BROKER,
      ...settings,
    },
    web,
  );
  const at: TenantSetup = {
    broker,
    tenant,
    web,
    idClaims: {},
    tokenAnswer: undefined,
    async leave(query = '') {
      const answer = await go(at, `/auth/login${query}`);
      const authorize = new URL(answer.headers.get('location') ?? '');
      begun.nonce = authorize.searchParams.get('nonce') ?? '';
      return { answer, cookie: cookiesOf(answer), state: authorize.searchParams.get('state') ?? '' };
    },
    async signIn(returnTo) {
      const query = returnTo === undefined ? '' : `?return_to=${encodeURIComponent(returnTo)}`;
      const { cookie, state } = await at.leave(query);
      const back = await go(at, `/auth/callback?code=c&state=${state}`, { cookie });
      return { cookie: cookiesOf(back), location: back.headers.get('location') };
    },
    me: (cookie, headers = {}) => go(at, '/me', { cookie, ...headers }),
  };
  return at;
}

/** A logout token of the person, right unless the claims or the header say otherwise. */
export const logoutToken = (at: TenantSetup, claims: Record<string, unknown> = {}, header: object = {}) =>
  at.tenant.sign(
    {
      aud: CLIENT_ID,
      iat: NOW,
      exp: NOW + 120,
      jti: crypto.randomUUID(),
      sub: 'auth0|alice',
      sid: 'tenant-session-1',
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      ...claims,
    },
    { typ: 'logout+jwt', ...header },
  );

/** The id of every sign-in under a session of the tenant. */
export async function loginOf(at: TenantSetup, sid: string): Promise<string> {
  const { signIn } = at.broker.ports.credentials;
  if (signIn === undefined) throw new TypeError('no tenant');
  return loginIdOf(sid, signIn);
}

/** The revocations that were sent to the agent worker after so many commands. */
export const revocationsSince = (at: TenantSetup, count: number) =>
  at.broker.commands.slice(count).map((token) => {
    const { op, revocation } = Object(decodeJwt(token).cmd);
    expect(op).toBe('revoke');
    return revocation;
  });

const OF_ALICE = { target: `principal:${ALICE}`, kind: 'before', code: 'rights_changed' };
/** The revocations of a sign-out, by the tenant's session. */
export const revocationsOf = async (at: TenantSetup, sid: string) => [
  expect.objectContaining(OF_ALICE),
  expect.objectContaining({
    target: `login:${await loginOf(at, sid)}`,
    kind: 'any',
    code: 'session_terminated',
    until: (NOW + 30 * 86_400) * 1000,
  }),
];

/** The status with which a ticket is asked for. */
export const mint = async (at: TenantSetup, headers: Record<string, string>): Promise<number> => {
  const all = { 'content-type': 'application/json', origin: BROKER, ...headers };
  const body = JSON.stringify({ agent: 'counter' });
  return (await at.broker.app.request(`${BROKER}/tickets`, { method: 'POST', headers: all, body })).status;
};
export const accessToken = async (at: TenantSetup, iat: number, sub = 'auth0|alice') => ({
  authorization: `Bearer ${await at.tenant.sign({ sub, aud: AUDIENCE, iat, exp: NOW + 3600 })}`,
});

/** The cookie in which a stock application keeps a session that began at `createdAt`. */
export async function foreignCookie(sid: string | undefined, createdAt: number): Promise<string> {
  const payload = {
    user: { sub: 'auth0|alice', ...(sid === undefined ? {} : { sid }) },
    internal: { createdAt },
    exp: NOW + 86_400,
  };
  return `appSession.0=${await sealCookie(payload, { name: 'appSession', secret: SECRET, kid: 'k' })}`;
}
