import { base64url, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import {
  ACCESS_CLIENT,
  accessKeys,
  asAssertion,
  assertion,
  CERTS_URL,
  makeAccessKey,
  SERVICE_CLAIMS,
  TEAM,
  USER,
  USER_CLAIMS,
} from './access.ts';
import { accessBroker } from './access-broker.ts';
import { startBroker } from './broker.ts';
import { COUNTER, call, LOBBY, mint as mintAt, refusal, refusalOf, ticketOf } from './call.ts';
import { NOW } from './clock.ts';
import { outbound } from './outbound.ts';
import { claimsOf, publishedKeys, verdict } from './tickets.ts';
import { grant } from './tokens.ts';

const unknownSigner = await makeAccessKey();
const curve = await makeAccessKey('ES256');

const { broker, mint, subjectOf } = accessBroker();

describe('a Cloudflare Access assertion', () => {
  it('of a person gives a ticket that the agent worker takes', async () => {
    const answer = ticketOf(await mint(await assertion()));
    expect(await verdict(answer, await publishedKeys(broker().front))).toBe('accepted');
    expect(claimsOf(answer)).toMatchObject({
      sub: `access:${TEAM}:user:${USER}`,
      tier: 'free',
      role: 'viewer',
      session_expiry: NOW + 3600,
    });
  });

  it('gives a ticket without the address of the person', async () => {
    expect(JSON.stringify(claimsOf(ticketOf(await mint(await assertion()))))).not.toContain('person@');
  });

  it('of an Access service token is that service', async () => {
    const headers = await assertion({}, { base: SERVICE_CLAIMS });
    expect(await subjectOf(headers)).toBe(`access:${TEAM}:service:${ACCESS_CLIENT}`);
  });

  it('is read by the worker as it ships, from the address of the team', async () => {
    const reply = await mintAt(await assertion());
    expect(claimsOf(ticketOf(reply)).sub).toBe(`access:${TEAM}:user:${USER}`);
    expect(new Set(outbound.asked)).toEqual(new Set([CERTS_URL]));
  });

  it('names a person by issuer and subject, whatever the address', async () => {
    const subjects = [
      await subjectOf(await assertion({ email: 'other@example.com' })),
      await subjectOf(await assertion({ email: undefined })),
    ];
    expect(new Set(subjects)).toEqual(new Set([`access:${TEAM}:user:${USER}`]));
  });

  it('gives what is granted to the principal', async () => {
    const sub = crypto.randomUUID();
    await grant(`access:${TEAM}:user:${sub}`, { role: 'owner' });
    expect(ticketOf(await mint(await assertion({ sub }))).role).toBe('owner');
  });

  it('gives no permission of the broker by what it claims', async () => {
    const headers = await assertion({ permissions: ['keys:read'], scope: 'keys:read', tier: 'admin' });
    expect(refusal(await call('/admin/keys', { headers, front: broker().front }))).toBe('403 FORBIDDEN');
    expect(claimsOf(ticketOf(await mint(headers))).tier).toBe('free');
  });

  it('by either of the two keys is good, and costs one fetch of them', async () => {
    expect(await subjectOf(await assertion())).toBe(`access:${TEAM}:user:${USER}`);
    expect(await subjectOf(await assertion({}, { key: accessKeys[1] }))).toBe(`access:${TEAM}:user:${USER}`);
    expect(outbound.asked).toEqual([CERTS_URL]);
  });

  it.each([
    [100, 100],
    [30, 30],
    [5, 5],
  ])('that ends in %i s gives a ticket and a session of %i s', async (left, life) => {
    const reply = await mint(await assertion({ exp: NOW + left }), { ...COUNTER, expires_in: 300 });
    expect(claimsOf(ticketOf(reply))).toMatchObject({ exp: NOW + life, session_expiry: NOW + life });
  });

  it.each([
    ['nbf', { nbf: NOW + 29 }],
    ['iat', { iat: NOW + 29, nbf: undefined }],
    [
      'an age of a week, which the session of the application may have',
      { iat: NOW - 7 * 86_400, exp: NOW + 600 },
    ],
  ])('is good within the difference of the clocks: %s', async (_what, claims) => {
    expect(await subjectOf(await assertion(claims))).toBe(`access:${TEAM}:user:${USER}`);
  });
});

describe('an assertion is refused', () => {
  it.each([
    ['of another application', { aud: ['b'.repeat(64)] }],
    ['of an audience as a text that only begins like ours', { aud: `${USER_CLAIMS.aud[0]}x` }],
    ['without an audience', { aud: undefined }],
    ['of another team', { iss: 'https://other.cloudflareaccess.com' }],
    ['of an issuer with a slash behind it', { iss: `${USER_CLAIMS.iss}/` }],
    ['of an issuer without a scheme', { iss: TEAM }],
    ['without an issuer', { iss: undefined }],
    ['that is the session of the organisation', { type: 'org' }],
    ['without a type', { type: undefined }],
    ['not yet good', { nbf: NOW + 31 }],
    ['issued in the future', { iat: NOW + 31, nbf: undefined }],
    ['without a time of issue', { iat: undefined }],
    ['without an end', { exp: undefined }],
    ['whose end is text', { exp: '4000003600' }],
    ['whose end is a fraction', { exp: NOW + 3600.5 }],
    ['whose end is beyond all numbers', { exp: Number.MAX_VALUE }],
    ['whose subject is a number', { sub: 42 }],
    ['whose subject is missing', { sub: undefined }],
    ['whose subject is empty, of no service', { sub: '' }],
    ['whose subject has a line break', { sub: 'a\nb' }],
    ['whose subject is no ASCII', { sub: 'zoë' }],
    ['whose subject is endless', { sub: 'a'.repeat(600) }],
    ['of a service by a name in a certificate', { sub: '', common_name: 'laptop-17.example.com' }],
  ])('%s', async (_why, claims) => {
    const reply = await mint(await assertion(claims));
    expect(refusalOf(reply)).toMatchObject({ status: 401, code: 'UNAUTHORIZED' });
    expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer /);
  });

  it.each([
    ['expired', { exp: NOW - 31 }],
    ['expired just now', { exp: NOW }],
    ['about to expire', { exp: NOW + 4 }],
  ])('%s, and says so', async (_why, claims) => {
    expect(refusal(await mint(await assertion({ iat: NOW - 600, ...claims })))).toBe('401 TOKEN_EXPIRED');
  });

  it.each([
    ['by a key of nobody under a known name', { key: { ...unknownSigner, kid: accessKeys[0].kid } }],
    ['by a key that is not published', { key: unknownSigner }],
    ['without the name of a key', { header: { kid: undefined } }],
    ['whose key has an empty name', { header: { kid: '' } }],
    ['by an elliptic curve', { key: { ...curve, kid: accessKeys[0].kid } }],
  ])('signed %s', async (_why, signing) => {
    expect(refusal(await mint(await assertion({}, signing)))).toBe('401 UNAUTHORIZED');
  });

  const claims = base64url.encode(JSON.stringify(USER_CLAIMS));
  const header = (more: object) =>
    base64url.encode(JSON.stringify({ kid: accessKeys[0].kid, typ: 'JWT', ...more }));
  it.each([
    ['unsigned', async () => `${header({ alg: 'none' })}.${claims}.`],
    ['unsigned, with something for a signature', async () => `${header({ alg: 'none' })}.${claims}.AAAA`],
    [
      'signed with the public key as a password',
      async () =>
        new SignJWT(USER_CLAIMS)
          .setProtectedHeader({ alg: 'HS256', kid: accessKeys[0].kid })
          .sign(new TextEncoder().encode(accessKeys[0].pem)),
    ],
    ['empty', async () => '..'],
    ['two segments', async () => 'e30.e30'],
    ['five segments', async () => 'e30.e30.e30.e30.e30'],
    ['text', async () => 'hello'],
    ['a megabyte of dots', async () => '.'.repeat(100_000)],
    ['padded', async () => `${(await assertion())['cf-access-jwt-assertion']}==`],
    [
      'two in one header',
      async () =>
        [await assertion(), await assertion()].map((one) => one['cf-access-jwt-assertion']).join(', '),
    ],
    [
      'signed for other claims',
      async () => {
        const [head, , signature] = ((await assertion())['cf-access-jwt-assertion'] ?? '').split('.');
        return `${head}.${base64url.encode(JSON.stringify({ ...USER_CLAIMS, sub: 'other' }))}.${signature}`;
      },
    ],
  ])('%s', async (_why, make) => {
    const reply = await mint(asAssertion(await make()));
    expect(refusal(reply)).toBe('401 UNAUTHORIZED');
  });

  it('and is refused at the public agent, too', async () => {
    expect(refusal(await mint(asAssertion('hello'), LOBBY))).toBe('401 UNAUTHORIZED');
    expect(refusal(await mint(await assertion({ aud: ['other'] }), LOBBY))).toBe('401 UNAUTHORIZED');
  });

  it('where Access is not configured', async () => {
    const without = startBroker({ unset: ['CF_ACCESS_TEAM_DOMAIN', 'CF_ACCESS_AUD'] });
    const reply = await mintAt(await assertion(), COUNTER, { front: without.front });
    expect(refusal(reply)).toBe('401 UNAUTHORIZED');
    expect(outbound.asked).toEqual([]);
  });
});
