import { describe, expect, it } from 'vitest';
import { NOW, openBroker, PLATFORMS, type Platform } from './broker.ts';

const ISSUERS: Readonly<Record<Platform, string>> = {
  access: 'https://dev-team.cloudflareaccess.com',
  auth0: 'https://dev-tenant.auth.test/',
};
/** The issuer with the trailing slash of the other platform's convention. */
const slashed: Readonly<Record<Platform, string>> = {
  access: 'https://dev-team.cloudflareaccess.com/',
  auth0: 'https://dev-tenant.auth.test',
};

/** Claims that invalidate a token of an issuer that signs by its own real keys. */
const FAULTS: readonly [what: string, (platform: Platform) => object][] = [
  ['of the issuer with the slash wrong', (platform) => ({ iss: slashed[platform] })],
  ['of the issuer over plain http', (platform) => ({ iss: ISSUERS[platform].replace('https', 'http') })],
  ['of the issuer in capitals', (platform) => ({ iss: ISSUERS[platform].toUpperCase() })],
  ['of the issuer with a port', (platform) => ({ iss: ISSUERS[platform].replace(/\/?$/, ':443/') })],
  ['of the issuer and more', (platform) => ({ iss: `${ISSUERS[platform]}.evil.test` })],
  ['of the issuer as a list', (platform) => ({ iss: [ISSUERS[platform]] })],
  ['of the other platform', (platform) => ({ iss: ISSUERS[platform === 'access' ? 'auth0' : 'access'] })],
  ['of no issuer', () => ({ iss: null })],
  ['for nobody', () => ({ aud: [] })],
  ['for no audience', () => ({ aud: null })],
  ['for another audience', () => ({ aud: 'https://other.test' })],
  ['for an audience that only begins so', () => ({ aud: ['https://broker.test/api/more'] })],
  ['for the client, as an ID token is', () => ({ aud: 'dev-broker', nonce: 'n' })],
  ['for an audience by number', () => ({ aud: 42 })],
  ['without an end', () => ({ exp: null })],
  ['with an end of text', () => ({ exp: String(NOW + 600) })],
  ['with an end that is a fraction', () => ({ exp: NOW + 600.5 })],
  ['with an end beyond all numbers', () => ({ exp: 1e300 })],
  ['with an end in the past', () => ({ exp: NOW - 31 })],
  ['without a beginning', () => ({ iat: null })],
  ['issued in the future', () => ({ iat: NOW + 31 })],
  ['not yet good', () => ({ nbf: NOW + 31 })],
  ['good from a text on', () => ({ nbf: 'now' })],
  ['without a subject', () => ({ sub: null })],
  ['with a subject that is empty', () => ({ sub: '' })],
  ['with a subject that is a number', () => ({ sub: 42 })],
  ['with a subject that is a list', () => ({ sub: ['auth0|dev'] })],
  ['with a subject that has a line break', () => ({ sub: 'a\nb' })],
  ['with a subject that is endless', () => ({ sub: 'a'.repeat(2000) })],
];

const ODD: Readonly<Record<Platform, readonly [what: string, object][]>> = {
  access: [
    ['that is the session of the team', { claims: { type: 'org' } }],
    ['of no type', { claims: { type: null } }],
    ['of a service by another name', { claims: { sub: '', common_name: 'laptop.example.com' } }],
    ['of a service by a name in capitals', { claims: { sub: '', common_name: `${'5E'.repeat(16)}.access` } }],
  ],
  auth0: [
    ['issued more than a day ago', { claims: { iat: NOW - 86_400 - 31, nbf: NOW - 86_400 - 31 } }],
    ['with a scope that is no text', { claims: { scope: 42 } }],
    ['with an actor that cannot be read', { claims: { act: 'bot' } }],
    ['with an actor of another issuer', { claims: { act: { sub: 'bot', iss: 'https://evil.test' } } }],
  ],
};

describe.each(PLATFORMS)('a token of %s', (platform) => {
  it('without a fault is accepted', async () => {
    const broker = await openBroker();
    expect((await broker.me(platform, await broker.token(platform))).status).toBe(200);
  });

  it('with any one fault is refused', async () => {
    const broker = await openBroker();
    const tables: readonly (readonly [string, object])[] = [
      ...FAULTS.map(([what, claims]) => [what, { claims: claims(platform) }] as const),
      ...ODD[platform],
    ];
    const statuses = tables.map(async ([what, fields]) => {
      const answer = await broker.me(platform, await broker.token(platform, fields));
      return [what, answer.status];
    });
    expect(await Promise.all(statuses)).toEqual(tables.map(([what]) => [what, 401]));
  });

  it('is refused in the header of the other platform', async () => {
    const broker = await openBroker();
    const other = platform === 'access' ? 'auth0' : 'access';
    expect((await broker.me(other, await broker.token(platform))).status).toBe(401);
  });
});
