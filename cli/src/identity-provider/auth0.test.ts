import { createRemoteJWKSet, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type IdentityProvider, startIdentityProvider } from './start.ts';

const AUDIENCE = 'https://broker.test/api';
const ISSUER = 'https://dev-tenant.auth.test/';

let provider: IdentityProvider;

beforeAll(async () => {
  provider = await startIdentityProvider({ port: 0 });
});

afterAll(() => provider.close());

async function tokenFor(body: unknown): Promise<string> {
  const answer = await fetch(provider.auth0.tokenUrl, { method: 'POST', body: JSON.stringify(body) });
  expect(answer.status).toBe(200);
  return z.object({ token: z.string() }).parse(await answer.json()).token;
}

function grant(form: Record<string, string>): Promise<Response> {
  const { clientId, clientSecret } = provider.auth0;
  const body = new URLSearchParams({ client_id: clientId, client_secret: clientSecret, ...form });
  return fetch(`${provider.url}/oauth/token`, { method: 'POST', body });
}

const verify = (token: string, audience = AUDIENCE) =>
  jwtVerify(token, createRemoteJWKSet(new URL(provider.auth0.jwksUrl)), {
    issuer: ISSUER,
    audience,
    algorithms: ['RS256'],
    typ: 'JWT',
  });

describe('a token without a flow', () => {
  it('of a person has exactly the claims of an Auth0 access token', async () => {
    const { payload } = await verify(await tokenFor({ sub: 'auth0|alice', scope: 'openid read:agents' }));
    expect(payload).toEqual({
      iss: ISSUER,
      sub: 'auth0|alice',
      aud: [AUDIENCE, `${ISSUER}userinfo`],
      azp: provider.auth0.clientId,
      scope: 'openid read:agents',
      permissions: ['read:agents'],
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 3600,
    });
  });

  it('of a machine has its grant type, and names the machine as its client', async () => {
    const { payload } = await verify(await tokenFor({ sub: 'robot@clients', expiresIn: 60 }));
    expect(payload).toEqual({
      iss: ISSUER,
      sub: 'robot@clients',
      aud: AUDIENCE,
      azp: 'robot',
      gty: 'client-credentials',
      permissions: ['read:agents'],
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 60,
    });
  });

  it('can be for another audience, expired, or odd', async () => {
    const other = await tokenFor({ sub: 'auth0|a', audience: 'https://other.test' });
    expect((await verify(other, 'https://other.test')).payload.aud).toBe('https://other.test');
    await expect(verify(await tokenFor({ sub: 'auth0|a', expiresIn: -1 }))).rejects.toBeInstanceOf(
      errors.JWTExpired,
    );
    const odd = await tokenFor({ sub: 'auth0|a', claims: { sub: '', permissions: 'keys:revoke' } });
    expect((await verify(odd)).payload).toMatchObject({ sub: '', permissions: 'keys:revoke' });
  });

  it.each([
    ['no subject', {}, 'sub'],
    ['an empty subject', { sub: '' }, 'sub'],
    ['a list of scopes', { sub: 'a', scope: ['x'] }, 'scope'],
    ['an unknown field', { sub: 'a', aud: 'x' }, 'aud'],
    ['a lifetime in words', { sub: 'a', expiresIn: '1h' }, 'expiresIn'],
  ])('is refused for %s, with the field named', async (_name, body, field) => {
    const answer = await fetch(provider.auth0.tokenUrl, { method: 'POST', body: JSON.stringify(body) });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { field } });
  });
});

const grantAnswer = z.looseObject({ access_token: z.string() });

describe('client credentials', () => {
  it('for the API give a JWT whose subject ends in @clients', async () => {
    const answer = await grant({
      grant_type: 'client_credentials',
      audience: AUDIENCE,
      scope: 'read:agents',
    });
    const { access_token, ...rest } = grantAnswer.parse(await answer.json());
    expect(rest).toEqual({ token_type: 'Bearer', expires_in: 86_400, scope: 'read:agents' });
    const { payload } = await verify(access_token);
    const client = provider.auth0.clientId;
    expect(payload).toMatchObject({
      sub: `${client}@clients`,
      azp: client,
      gty: 'client-credentials',
      aud: AUDIENCE,
      scope: 'read:agents',
      permissions: ['read:agents'],
    });
  });

  it.each([
    ['an unknown audience', { audience: 'https://other.test' }, 400, 'invalid_target'],
    ['a wrong secret', { audience: AUDIENCE, client_secret: 'wrong' }, 401, 'invalid_client'],
  ])('with %s are refused', async (_name, form, status, error) => {
    const answer = await grant({ grant_type: 'client_credentials', ...form });
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error });
  });
});

describe('the discovery document', () => {
  const discover = async (headers: Record<string, string>) =>
    (await fetch(`${provider.url}/.well-known/openid-configuration`, { headers })).json();

  it.each([
    ['through a proxy has the tenant name in its endpoints', true],
    ['asked directly has loopback in its endpoints', false],
  ])('%s, and always the same issuer', async (_name, proxied) => {
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': provider.auth0.domain };
    const base = proxied ? 'https://dev-tenant.auth.test' : provider.url;
    expect(await discover(proxied ? headers : {})).toMatchObject({
      issuer: ISSUER,
      authorization_endpoint: `${base}/authorize`,
      token_endpoint: `${base}/oauth/token`,
      jwks_uri: `${base}/.well-known/jwks.json`,
      userinfo_endpoint: `${base}/userinfo`,
      end_session_endpoint: `${base}/oidc/logout`,
      revocation_endpoint: `${base}/oauth/revoke`,
      backchannel_logout_supported: true,
    });
  });
});

describe('a rotation of the tenant', () => {
  it('changes the key of both kinds of tokens, and keeps the one before', async () => {
    const flow = async () => {
      const answer = await grant({ grant_type: 'client_credentials', audience: AUDIENCE });
      return grantAnswer.parse(await answer.json()).access_token;
    };
    const before = [await tokenFor({ sub: 'auth0|a' }), await flow()];
    await provider.auth0.rotate();
    const after = [await tokenFor({ sub: 'auth0|a' }), await flow()];
    const kids = [...before, ...after].map((token) => decodeProtectedHeader(token).kid);
    expect(kids[1]).toBe(kids[0]);
    expect(kids[3]).toBe(kids[2]);
    expect(kids[2]).not.toBe(kids[0]);
    for (const token of [...before, ...after]) await expect(verify(token)).resolves.toBeDefined();
    await provider.auth0.rotate();
    for (const token of before) await expect(verify(token)).rejects.toBeInstanceOf(errors.JWKSNoMatchingKey);
    for (const token of after) await expect(verify(token)).resolves.toBeDefined();
  });
});
