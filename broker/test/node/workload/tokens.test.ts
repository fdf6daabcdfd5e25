import { beforeAll, describe, expect, it } from 'vitest';
import { bodyOf, ticketIn } from '../answers.ts';
import { type TestIssuer, testIssuer } from '../issuer.ts';
import { COUNTER, NOW, type StartedBroker, startNodeBroker } from '../start-broker.ts';
import { GITHUB, GOOGLE, KUBERNETES, REGISTRATIONS } from './shapes.ts';

let broker: StartedBroker;
let github: TestIssuer;
let google: TestIssuer;
let cluster: TestIssuer;
const platforms = () => ({ github, google, cluster });
type Platform = keyof ReturnType<typeof platforms>;
const CLAIMS = { github: GITHUB.claims, google: GOOGLE.claims, cluster: KUBERNETES.claims };

beforeAll(async () => {
  // One kid for all: a cache by kid alone would mix them up.
  github = await testIssuer(GITHUB.issuer);
  google = await testIssuer(GOOGLE.issuer);
  cluster = await testIssuer(KUBERNETES.issuer, { alg: 'ES256' });
  const { github: one, google: two, kubernetes: three } = REGISTRATIONS;
  broker = await startNodeBroker(
    { OIDC_ISSUERS: JSON.stringify([one, two, { ...three, jwks: cluster.keySet }]) },
    {
      [`${GITHUB.issuer}/.well-known/openid-configuration`]: {
        issuer: GITHUB.issuer,
        jwks_uri: `${GITHUB.issuer}/.well-known/jwks`,
      },
      [`${GITHUB.issuer}/.well-known/jwks`]: github.keySet,
      'https://www.googleapis.com/oauth2/v3/certs': google.keySet,
    },
  );
});

const sign = (platform: Platform, claims: Record<string, unknown> = {}, header = {}) =>
  platforms()[platform].sign({ ...CLAIMS[platform], jti: crypto.randomUUID(), ...claims }, header);
const me = (token: string) =>
  broker.app.request('https://broker.test/me', { headers: { authorization: `Bearer ${token}` } });

describe('a token of', () => {
  it.each<[string, Platform, string]>([
    ['GitHub Actions', 'github', 'oidc:github:repo:octo-org@65/octo-repo@74:environment:production'],
    ['Google', 'google', 'oidc:google:113774264463038321964'],
    ['a Kubernetes cluster', 'cluster', 'oidc:eks:system:serviceaccount:jobs:reporter'],
  ])('%s is a service principal named by issuer and subject', async (_what, platform, principal) => {
    const answer = await me(await sign(platform));
    expect(answer.status).toBe(200);
    expect(await bodyOf(answer)).toMatchObject({
      principal,
      kind: 'service',
      method: 'oidc',
      tier: 'free',
      permissions: [],
    });
  });

  it.each<[string, Platform]>([
    ['jwt', 'github'],
    ['id_token', 'google'],
    ['id_token', 'cluster'],
  ])('%s is a subject_token (%s)', async (type, platform) => {
    const answer = await broker.post('/token', {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      resource: COUNTER,
      subject_token: await sign(platform),
      subject_token_type: `urn:ietf:params:oauth:token-type:${type}`,
    });
    expect(answer.status).toBe(200);
    expect((await ticketIn(answer)).sub).toMatch(/^oidc:/);
  });

  it('no platform is an access token', async () => {
    const answer = await broker.post('/token', {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      resource: COUNTER,
      subject_token: await sign('google'),
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    });
    expect(await bodyOf(answer)).toMatchObject({ error: 'invalid_request' });
  });
});

describe('a token is refused', () => {
  it.each<[string, Platform, Record<string, unknown>]>([
    ['for another audience', 'github', { aud: 'https://github.com/octo-org' }],
    ['without an audience', 'cluster', { aud: undefined }],
    ['of another repository', 'github', { repository_id: '75' }],
    ['of another owner of a repository with that name', 'github', { repository_owner_id: '66' }],
    [
      'of another workflow file',
      'github',
      { job_workflow_ref: 'octo-org/octo-repo/.github/workflows/pr.yml@refs/heads/main' },
    ],
    ['of another environment', 'github', { environment: 'preview' }],
    ['without the environment that is asked for', 'github', { environment: undefined }],
    ['with a claim of another type', 'github', { repository_id: 74 }],
    ['of another Google account', 'google', { sub: '1' }],
    ['of another project', 'google', { google: { compute_engine: { project_id: 'other' } } }],
    ['whose nested claims are text', 'google', { google: 'my-project' }],
    [
      'of another namespace',
      'cluster',
      { 'kubernetes.io': { ...KUBERNETES.claims['kubernetes.io'], namespace: 'kube-system' } },
    ],
    [
      'of a service account that only has the old name',
      'cluster',
      {
        'kubernetes.io': {
          ...KUBERNETES.claims['kubernetes.io'],
          serviceaccount: { name: 'reporter', uid: 'new' },
        },
      },
    ],
    ['that a legacy cluster made', 'cluster', { iss: 'kubernetes/serviceaccount', exp: undefined }],
    ['without an end', 'cluster', { exp: undefined }],
    ['that has expired', 'google', { exp: NOW - 60 }],
    ['that is not yet valid', 'google', { nbf: NOW + 60 }],
    ['without a subject', 'google', { sub: undefined }],
    ['that must be used once and has no name', 'github', { jti: undefined }],
  ])('%s', async (_what, platform, claims) => {
    expect((await me(await sign(platform, claims))).status).toBe(401);
  });

  it.each<[Platform, Platform]>([
    ['github', 'google'],
    ['google', 'cluster'],
    ['cluster', 'github'],
  ])('that %s signs in the name of %s', async (signer, victim) => {
    const forged = await sign(signer, { ...CLAIMS[victim], iss: platforms()[victim].issuer });
    expect((await me(forged)).status).toBe(401);
  });

  it('of an issuer that is not registered, and nobody asks that issuer anything', async () => {
    const unknownSigner = await testIssuer('https://evil.test');
    const before = broker.fetched.length;
    const jku = { jku: 'https://evil.test/keys', x5u: 'https://evil.test/x5u' };
    expect((await me(await unknownSigner.sign(GITHUB.claims, jku))).status).toBe(401);
    expect((await me(await unknownSigner.sign({ ...GITHUB.claims, iss: `${GITHUB.issuer}/` }))).status).toBe(
      401,
    );
    expect(broker.fetched.slice(before)).toEqual([]);
    expect(broker.fetched.some((url) => url.includes('evil'))).toBe(false);
  });

  it('the second time, where a registration says once, of any number at once', async () => {
    const token = await sign('github');
    const answers = await Promise.all(Array.from({ length: 10 }, () => me(token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const reusable = await sign('google');
    expect([(await me(reusable)).status, (await me(reusable)).status]).toEqual([200, 200]);
  });

  it('a jti of one issuer burns nothing of another', async () => {
    const jti = 'same';
    expect((await me(await sign('github', { jti }))).status).toBe(200);
    expect((await me(await sign('google', { jti }))).status).toBe(200);
  });
});

/** A call at a broker whose issuer publishes its keys in another way. */
async function withKeys(alg: 'RS256' | 'ES256', change: (key: Readonly<Record<string, unknown>>) => object) {
  const issuer = await testIssuer(GOOGLE.issuer, { alg });
  const keys = issuer.keySet.keys.map((key) => change({ ...key }));
  const other = await startNodeBroker(
    { OIDC_ISSUERS: JSON.stringify([REGISTRATIONS.google]) },
    { 'https://www.googleapis.com/oauth2/v3/certs': { keys } },
  );
  const headers = { authorization: `Bearer ${await issuer.sign(GOOGLE.claims)}` };
  return { other, answer: await other.app.request('https://broker.test/me', { headers }) };
}

describe('keys', () => {
  it('come by discovery once, and are cached', () => {
    expect(broker.fetched.filter((url) => url.endsWith('/openid-configuration'))).toHaveLength(1);
    expect(broker.fetched.filter((url) => url === `${GITHUB.issuer}/.well-known/jwks`)).toHaveLength(1);
  });

  it('that are pinned are fetched from nowhere', () => {
    expect(broker.fetched.some((url) => url.startsWith(KUBERNETES.issuer))).toBe(false);
  });

  it.each(['RS256', 'ES256'] as const)('of type %s need no alg: the type of the key decides', async (alg) => {
    const { answer } = await withKeys(alg, ({ alg: _alg, ...key }) => key);
    expect(answer.status).toBe(200);
  });

  it.each<[string, (key: Readonly<Record<string, unknown>>) => object]>([
    ['another algorithm', (key) => ({ ...key, alg: 'PS256' })],
    ['another use', (key) => ({ ...key, use: 'enc' })],
  ])('that are all for %s are no outage, and named in log and readiness', async (_what, spoil) => {
    const { answer, other } = await withKeys('RS256', spoil);
    expect(answer.status).toBe(401);
    expect(other.logged).toContainEqual(
      expect.objectContaining({
        event: 'auth_failure',
        reason: 'credential_key_unknown',
        detail: 'the key set of oidc:google has no key that can serve for RS256 or ES256',
      }),
    );
    const ready = await other.app.request('https://broker.test/readyz');
    expect([ready.status, await bodyOf(ready)]).toMatchObject([200, { key_sets_unusable: ['oidc:google'] }]);
  });

  it.each([
    ['is of another issuer', { issuer: 'https://other.test', jwks_uri: 'https://other.test/keys' }],
    ['points to plain http', { issuer: GITHUB.issuer, jwks_uri: 'http://keys.test/keys' }],
    ['is something else', ['no']],
  ])('a discovery document that %s is as if nobody answered', async (_how, document) => {
    const other = await startNodeBroker(
      { OIDC_ISSUERS: JSON.stringify([REGISTRATIONS.github]) },
      {
        [`${GITHUB.issuer}/.well-known/openid-configuration`]: document,
        'https://other.test/keys': github.keySet,
        'http://keys.test/keys': github.keySet,
      },
    );
    const headers = { authorization: `Bearer ${await sign('github')}` };
    const answer = await other.app.request('https://broker.test/me', { headers });
    expect(answer.status).toBe(503);
    expect(other.fetched).toHaveLength(1);
  });
});
