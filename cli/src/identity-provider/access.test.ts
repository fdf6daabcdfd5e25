import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { type IdentityProvider, startIdentityProvider } from './start.ts';

const NOW = 1_700_000_000;
const CLIENT_ID = `${'0a'.repeat(16)}.access`;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let provider: IdentityProvider;

beforeAll(async () => {
  provider = await startIdentityProvider({ port: 0, now: () => NOW * 1000 });
});

afterAll(() => provider.close());

const post = (body: unknown) =>
  fetch(provider.access.tokenUrl, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

async function tokenFor(body: unknown): Promise<string> {
  return z.object({ token: z.string() }).parse(await (await post(body)).json()).token;
}

function verify(token: string, audience = provider.access.audience) {
  const keys = createRemoteJWKSet(new URL(provider.access.certsUrl));
  const { issuer } = provider.access;
  const requiredClaims = ['exp', 'iat', 'aud', 'iss', 'type'];
  return jwtVerify(token, keys, {
    issuer,
    audience,
    algorithms: ['RS256'],
    requiredClaims,
    currentDate: new Date(NOW * 1000),
  });
}

describe('an Access token', () => {
  it('of a user verifies and has exactly the claims of a user', async () => {
    const { payload, protectedHeader } = await verify(await tokenFor({ email: 'alice@example.com' }));
    expect(protectedHeader).toEqual({
      alg: 'RS256',
      kid: expect.stringMatching(/^[0-9a-f]{64}$/),
      typ: 'JWT',
    });
    expect(payload).toEqual({
      iss: 'https://dev-team.cloudflareaccess.com',
      aud: [provider.access.audience],
      type: 'app',
      email: 'alice@example.com',
      sub: expect.stringMatching(UUID),
      identity_nonce: expect.stringMatching(/^[\w-]{16}$/),
      country: 'US',
      iat: NOW,
      nbf: NOW,
      exp: NOW + 86_400,
    });
  });

  it('of a service verifies and has exactly the claims of a service', async () => {
    const { payload } = await verify(await tokenFor({ commonName: CLIENT_ID, expiresIn: 60 }));
    expect(payload).toEqual({
      iss: 'https://dev-team.cloudflareaccess.com',
      aud: [provider.access.audience],
      type: 'app',
      common_name: CLIENT_ID,
      sub: '',
      iat: NOW,
      exp: NOW + 60,
    });
  });

  it('is for dev@example.com when nobody is named, with or without a body', async () => {
    for (const body of ['', {}])
      expect((await verify(await tokenFor(body))).payload.email).toBe('dev@example.com');
  });

  it('has a subject that depends on the address alone, whatever its letter case', async () => {
    const emails = ['bob@example.com', 'BOB@example.com', 'carol@example.com'];
    const tokens = await Promise.all(emails.map(async (email) => verify(await tokenFor({ email }))));
    const [bob, shouted, carol] = tokens.map(({ payload }) => payload.sub);
    expect(shouted).toBe(bob);
    expect(carol).not.toBe(bob);
  });

  it.each([
    ['one audience', { aud: 'b'.repeat(64) }, ['b'.repeat(64)]],
    ['several audiences', { aud: ['a', 'b'] }, ['a', 'b']],
  ])('can be for %s and always lists them', async (_name, body, aud) => {
    expect((await verify(await tokenFor(body), aud[0])).payload.aud).toEqual(aud);
  });

  it('can be expired, and is then otherwise in order', async () => {
    await expect(verify(await tokenFor({ expiresIn: -30 }))).rejects.toMatchObject({
      code: 'ERR_JWT_EXPIRED',
      payload: { iat: NOW - 90, nbf: NOW - 90, exp: NOW - 30 },
    });
  });

  it('can be made odd by claims, which win over everything', async () => {
    const token = await tokenFor({ claims: { type: 'org', sub: 7, custom: { groups: ['x'] } } });
    expect((await verify(token)).payload).toMatchObject({ type: 'org', sub: 7, custom: { groups: ['x'] } });
  });

  it.each([
    ['not JSON', '{', 'body'],
    ['not an object', '[]', 'body'],
    ['an unknown field', { mail: 'x' }, 'mail'],
    ['a wrong address', { email: 'nobody' }, 'email'],
    ['an upper-case client id', { commonName: CLIENT_ID.toUpperCase() }, 'commonName'],
    ['a client id without its suffix', { commonName: '0a'.repeat(16) }, 'commonName'],
    ['a user and a service at once', { email: 'a@b.test', commonName: CLIENT_ID }, 'email'],
    ['a fraction of a second', { expiresIn: 1.5 }, 'expiresIn'],
    ['an empty audience', { aud: '' }, 'aud'],
    ['claims that are a list', { claims: [] }, 'claims'],
  ])('is refused for %s, with the field named', async (_name, body, field) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({
      error: { code: 'BAD_REQUEST', field, message: expect.stringMatching(`^${field}: `) },
    });
  });

  it('is refused for a body that is far too large', async () => {
    expect((await post('x'.repeat(70_000))).status).toBe(413);
  });
});
