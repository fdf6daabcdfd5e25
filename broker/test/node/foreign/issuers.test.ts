import { beforeAll, describe, expect, it } from 'vitest';
import { bodyOf } from '../answers.ts';
import { type TestIssuer, testIssuer } from '../issuer.ts';
import { BROKER, COUNTER, NOW, type StartedBroker, startNodeBroker } from '../start-broker.ts';

const TIMES = { iat: NOW - 60, exp: NOW + 3600 };
const GOES = { one: 'aud-one', two: 'aud-two' } as const;
type Name = keyof typeof GOES;
type Platform = 'access' | 'auth0';
const ISS = {
  access: { one: 'https://one.team.test', two: 'https://two.team.test' },
  auth0: { one: 'https://one.tenant.test/', two: 'https://two.tenant.test/' },
};

let broker: StartedBroker;
let issuers: Record<Platform, Record<Name, TestIssuer>>;
beforeAll(async () => {
  const both = async (at: Record<Name, string>) => ({
    one: await testIssuer(at.one),
    two: await testIssuer(at.two),
  });
  issuers = { access: await both(ISS.access), auth0: await both(ISS.auth0) };
  broker = await startNodeBroker(
    {
      CF_ACCESS_TEAM_DOMAIN: 'one.team.test,two.team.test',
      CF_ACCESS_AUD: 'one.team.test|aud-one,two.team.test|aud-two',
      AUTH0_DOMAIN: 'one.tenant.test,two.tenant.test',
      AUTH0_AUDIENCE: 'one.tenant.test|aud-one,two.tenant.test|aud-two',
      CLAIM_RULES: JSON.stringify([
        { issuer: ISS.auth0.one, claim: 'permissions', equals: 'p', permissions: ['keys:read'] },
        { issuer: ISS.auth0.one, claim: 'scope', equals: 'deploy', tier: 'pro' },
        { issuer: ISS.auth0.one, claim: 'org_id', equals: 'org_1', groups: ['org'] },
      ]),
    },
    {
      'https://one.team.test/cdn-cgi/access/certs': issuers.access.one.keySet,
      'https://two.team.test/cdn-cgi/access/certs': issuers.access.two.keySet,
      'https://one.tenant.test/.well-known/jwks.json': issuers.auth0.one.keySet,
      'https://two.tenant.test/.well-known/jwks.json': issuers.auth0.two.keySet,
    },
  );
});

const me = async (platform: Platform, token: string) =>
  broker.app.request(`${BROKER}/me`, {
    headers:
      platform === 'access' ? { 'cf-access-jwt-assertion': token } : { authorization: `Bearer ${token}` },
  });
const CLAIMS = { access: { type: 'app', sub: 'alice' }, auth0: { sub: 'auth0|alice' } };

describe.each<Platform>(['access', 'auth0'])('of several issuers of %s', (platform) => {
  it.each<[Name, Name, Name, number]>([
    ['one', 'one', 'one', 200],
    ['two', 'two', 'two', 200],
    ['one', 'one', 'two', 401],
    ['two', 'two', 'one', 401],
    ['one', 'two', 'one', 401],
    ['one', 'two', 'two', 401],
    ['two', 'one', 'one', 401],
    ['two', 'one', 'two', 401],
  ])('a token of %s by the key of %s for the audience of %s: %i', async (iss, key, aud, status) => {
    const token = await issuers[platform][key].sign({
      ...CLAIMS[platform],
      ...TIMES,
      iss: ISS[platform][iss],
      aud: GOES[aud],
    });
    const answer = await me(platform, token);
    expect(answer.status).toBe(status);
    if (status === 200) {
      const domain = new URL(ISS[platform][iss]).hostname;
      expect((await bodyOf(answer)).principal).toMatch(new RegExp(`^${platform}:${domain}:`));
    }
  });
});

it.each<[Platform, 'jwt' | 'access_token' | 'id_token', number]>([
  ['access', 'jwt', 200],
  ['access', 'access_token', 400],
  ['access', 'id_token', 400],
  ['auth0', 'jwt', 200],
  ['auth0', 'access_token', 200],
  ['auth0', 'id_token', 400],
])('a token of %s that is exchanged as %s: %i', async (platform, type, status) => {
  const subject_token = await issuers[platform].one.sign({ ...CLAIMS[platform], ...TIMES, aud: GOES.one });
  const answer = await broker.post('/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    resource: COUNTER,
    subject_token,
    subject_token_type: `urn:ietf:params:oauth:token-type:${type}`,
  });
  expect(answer.status).toBe(status);
});

it.each<[what: string, Platform, iat: number, status: number]>([
  ['of the future', 'access', NOW + 60, 401],
  ['of the future', 'auth0', NOW + 60, 401],
  ['of the future by a difference of clocks', 'access', NOW + 30, 200],
  ['of the future by a difference of clocks', 'auth0', NOW + 30, 200],
  ['a day old', 'auth0', NOW - 86_400, 200],
  ['more than a day old', 'auth0', NOW - 86_400 - 31, 401],
])('a token %s, of %s, issued at %i: %i', async (_what, platform, iat, status) => {
  const claims = { ...CLAIMS[platform], ...TIMES, iss: ISS[platform].one, aud: GOES.one };
  const token = await issuers[platform].one.sign({ ...claims, iat });
  expect((await me(platform, token)).status).toBe(status);
});

/** Three segments in canonical spelling, and no header that says anything. */
const part = (text: string): string => Buffer.from(text).toString('base64url');
const HEADERS = [
  '{"}',
  '[]',
  'null',
  '1',
  '"RS256"',
  '[{"alg":"RS256","kid":"k"}]',
  '\u{feff}{}',
  '[['.repeat(900),
];

it.each<Platform>(['access', 'auth0'])(
  'of %s: what is only spelled as a token is refused',
  async (platform) => {
    // What failed so far is of another minute.
    broker.clock.now += 60;
    for (const header of HEADERS) {
      const answer = await me(platform, `${part(header)}.${part('{}')}.AA`);
      expect([header, answer.status]).toEqual([header, 401]);
    }
  },
);

describe('an Auth0 token', () => {
  const auth0 = (claims: object, header = {}) =>
    issuers.auth0.one.sign({ sub: 'auth0|alice', aud: 'aud-one', ...TIMES, ...claims }, header);

  it.each<[string, object, object]>([
    ['the older profile', { typ: 'JWT' }, { azp: 'app' }],
    ['RFC 9068', { typ: 'at+jwt' }, { client_id: 'app', jti: 'x' }],
    ['RFC 9068, spelled in full', { typ: 'application/at+jwt' }, { client_id: 'app' }],
  ])('of %s is its person', async (_profile, header, claims) => {
    expect(await bodyOf(await me('auth0', await auth0(claims, header)))).toMatchObject({
      principal: 'auth0:one.tenant.test:auth0|alice',
      kind: 'user',
      method: 'auth0',
    });
  });

  it('of a machine is a service', async () => {
    const body = await bodyOf(
      await me('auth0', await auth0({ sub: 'app@clients', gty: 'client-credentials' })),
    );
    expect(body).toMatchObject({ principal: 'auth0:one.tenant.test:app@clients', kind: 'service' });
  });

  it('reaches the claim rules by permissions, scope and org_id, and GET /me says which gave what', async () => {
    const claims = { permissions: ['o', 'p'], scope: 'openid deploy', org_id: 'org_1' };
    expect(await bodyOf(await me('auth0', await auth0(claims)))).toMatchObject({
      tier: 'pro',
      permissions: ['keys:read'],
      groups: ['org'],
      sources: [
        { gives: 'permission', value: 'keys:read', from: 'claim rule 1' },
        { gives: 'tier', value: 'pro', from: 'claim rule 2' },
        { gives: 'group', value: 'org', from: 'claim rule 3' },
      ],
    });
    const plain = { tier: 'free', permissions: [], groups: [] };
    expect(await bodyOf(await me('auth0', await auth0({ scope: 'deployer' })))).toMatchObject(plain);
    const { two } = issuers.auth0;
    const other = await two.sign({ sub: 'x', aud: 'aud-two', ...TIMES, ...claims });
    expect(await bodyOf(await me('auth0', other))).toMatchObject(plain);
  });

  it.each<[string, () => Promise<string>, RegExp]>([
    ['is opaque', async () => 'opaque-token', /not a JWT/],
    ['is an ID token', () => auth0({ aud: 'client-id', nonce: 'n' }), /ID token is no credential/],
  ])('that %s is refused with a hint', async (_what, token, hint) => {
    const answer = await me('auth0', await token());
    expect([answer.status, await answer.text()]).toEqual([401, expect.stringMatching(hint)]);
  });
});
