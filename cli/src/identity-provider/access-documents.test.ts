import { createRemoteJWKSet, decodeProtectedHeader, errors, importSPKI, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type IdentityProvider, startIdentityProvider } from './start.ts';

const NOW = 1_700_000_000;
const CLIENT_ID = `${'0a'.repeat(16)}.access`;

let provider: IdentityProvider;

beforeAll(async () => {
  provider = await startIdentityProvider({ port: 0, now: () => NOW * 1000 });
});

afterAll(() => provider.close());

async function tokenFor(body: unknown): Promise<string> {
  const answer = await fetch(provider.access.tokenUrl, { method: 'POST', body: JSON.stringify(body) });
  return z.object({ token: z.string() }).parse(await answer.json()).token;
}

const verify = (token: string) =>
  jwtVerify(token, createRemoteJWKSet(new URL(provider.access.certsUrl)), {
    currentDate: new Date(NOW * 1000),
  });

const pem = z.strictObject({ kid: z.string(), cert: z.string() });
const publicJwk = z.strictObject({
  kid: z.string().regex(/^[0-9a-f]{64}$/),
  kty: z.literal('RSA'),
  alg: z.literal('RS256'),
  use: z.literal('sig'),
  e: z.string(),
  n: z.string(),
});
const certsDocument = z.strictObject({
  keys: z.tuple([publicJwk, publicJwk]),
  public_cert: pem,
  public_certs: z.tuple([pem, pem]),
});

describe('the certs document', () => {
  it('has both keys as JWKs without private parts, and as PEM', async () => {
    const certs = certsDocument.parse(await (await fetch(provider.access.certsUrl)).json());
    expect(certs.public_cert).toEqual(certs.public_certs[0]);
    for (const [index, { kid, cert }] of certs.public_certs.entries()) {
      expect(kid).toBe(certs.keys[index]?.kid);
      expect((await importSPKI(cert, 'RS256')).type).toBe('public');
    }
  });

  it('lets a token outlive one rotation and not two, and new tokens have the new key at once', async () => {
    const before = await tokenFor({});
    await provider.access.rotate();
    const after = await tokenFor({});
    expect(decodeProtectedHeader(after).kid).not.toBe(decodeProtectedHeader(before).kid);
    await expect(verify(before)).resolves.toBeDefined();
    await expect(verify(after)).resolves.toBeDefined();
    await provider.access.rotate();
    await expect(verify(before)).rejects.toBeInstanceOf(errors.JWKSNoMatchingKey);
    await expect(verify(after)).resolves.toBeDefined();
  });
});

describe('get-identity', () => {
  const ask = (headers: Record<string, string>) => fetch(provider.access.identityUrl, { headers });

  it.each([
    ['the cookie', (token: string) => ({ cookie: `a=b; CF_Authorization=${token}; c=d` })],
    ['the assertion', (token: string) => ({ 'cf-access-jwt-assertion': token })],
    ['the access token', (token: string) => ({ 'cf-access-token': token })],
  ])('answers with the groups for the bearer of %s', async (_name, headers) => {
    const identity = await (await ask(headers(await tokenFor({ email: 'dev@example.com' })))).json();
    expect(identity).toMatchObject({
      email: 'dev@example.com',
      name: 'Dev',
      user_uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      groups: [{ name: 'engineering' }, { name: 'operators', email: 'operators@example.com' }],
      service_token_status: false,
      iat: NOW,
    });
  });

  it('answers a service with its client id and no groups', async () => {
    const identity = await (
      await ask({ 'cf-access-token': await tokenFor({ commonName: CLIENT_ID }) })
    ).json();
    expect(identity).toMatchObject({ common_name: CLIENT_ID, service_token_status: true });
    expect(identity).not.toHaveProperty('groups');
  });

  it.each([
    ['no token', undefined],
    ['an expired token', { expiresIn: -1 }],
    ['a token of another issuer', { claims: { iss: 'https://other.cloudflareaccess.com' } }],
    ['a team-domain session', { claims: { type: 'org' } }],
  ])('refuses %s', async (_name, body) => {
    const headers: Record<string, string> = body ? { 'cf-access-token': await tokenFor(body) } : {};
    expect((await ask(headers)).status).toBe(401);
  });

  it('refuses what is not a token at all', async () => {
    expect((await ask({ 'cf-access-token': 'rubbish' })).status).toBe(401);
  });
});
