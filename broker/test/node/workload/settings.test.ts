import { exportJWK, generateKeyPair } from 'jose';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../../src/config/config.ts';
import { testIssuer } from '../issuer.ts';
import { SETTINGS } from '../start-broker.ts';
import { REGISTRATIONS } from './shapes.ts';

const { github, google } = REGISTRATIONS;
const read = (issuers: unknown, more: object = {}) =>
  readConfig({ ...SETTINGS, ...more, OIDC_ISSUERS: JSON.stringify(issuers) });

describe('OIDC_ISSUERS', () => {
  it('is read as it is', () => {
    expect(read([github, google]).oidc).toMatchObject([
      {
        name: 'github',
        namespace: 'oidc:github',
        keys: 'discovery',
        singleUse: true,
        algorithms: ['RS256', 'ES256'],
      },
      { name: 'google', keys: { url: google.jwks_uri }, singleUse: false },
    ]);
  });

  it.each<[string, unknown, object?]>([
    ['is no list', github],
    ['has an issuer without a name', [{ ...github, name: undefined }]],
    ['has a name with a colon', [{ ...github, name: 'a:b' }]],
    ['has an issuer over plain http', [{ ...github, issuer: 'http://ci.test' }]],
    ['has an issuer with a query', [{ ...github, issuer: 'https://ci.test?x' }]],
    ['names no audience', [{ ...github, audiences: [] }]],
    ['asks nothing of the claims', [{ ...github, match: [] }]],
    ['has a rule with two ways to match', [{ ...github, match: [{ claim: 'a', equals: 'x', glob: 'y' }] }]],
    ['has a rule with a regular expression', [{ ...github, match: [{ claim: 'a', regex: '.*' }] }]],
    ['has a member that is not known', [{ ...github, audience: 'x' }]],
    ['takes another algorithm', [{ ...github, algorithms: ['HS256'] }]],
    ['has keys twice', [{ ...google, jwks: { keys: [{ kid: 'x' }] } }]],
    ['has a key that is none', [{ ...github, jwks: { keys: [{ kid: 'x', kty: 'RSA' }] } }]],
    ['uses a name twice', [github, { ...google, name: 'github' }]],
    ['registers an issuer twice', [github, { ...github, name: 'other' }]],
    [
      'registers the Auth0 tenant again',
      [{ ...github, issuer: 'https://tenant.test/' }],
      { AUTH0_DOMAIN: 'tenant.test', AUTH0_AUDIENCE: 'api' },
    ],
  ])('that %s refuses to start and is named', (_what, issuers, more) => {
    expect(() => read(issuers, more)).toThrow(/^broker is not configured\. OIDC_ISSUERS: /);
  });

  it('with a private key refuses to start, and does not say it', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const key = { ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'x' };
    expect(() => read([{ ...github, jwks: { keys: [key] } }])).toThrow(
      'OIDC_ISSUERS: must be a JSON list of issuers: in number 1 jwks.keys.0 must be a public key',
    );
  });

  it('with a key for an algorithm that is not taken refuses to start', async () => {
    const { keySet } = await testIssuer(github.issuer, { alg: 'ES256' });
    expect(() => read([{ ...github, algorithms: ['RS256'], jwks: keySet }])).toThrow(/another algorithm/);
  });
});
