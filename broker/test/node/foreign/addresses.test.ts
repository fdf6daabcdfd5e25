import { beforeAll, describe, expect, it } from 'vitest';
import { bodyOf } from '../answers.ts';
import { type TestIssuer, testIssuer } from '../issuer.ts';
import { BROKER, NOW, type StartedBroker, startNodeBroker } from '../start-broker.ts';

const TEAM = 'https://team.test';
const TENANT = 'https://tenant.test/';
const CI = 'https://ci.test';
/** One whose registration says that it verifies addresses. */
const MAIL = 'https://mail.test';

let broker: StartedBroker;
let issuers: { team: TestIssuer; tenant: TestIssuer; ci: TestIssuer; mail: TestIssuer };
beforeAll(async () => {
  const [team, tenant] = [await testIssuer(TEAM), await testIssuer(TENANT)];
  const [ci, mail] = [await testIssuer(CI), await testIssuer(MAIL)];
  issuers = { team, tenant, ci, mail };
  broker = await startNodeBroker(
    {
      CF_ACCESS_TEAM_DOMAIN: 'team.test',
      CF_ACCESS_AUD: 'aud',
      AUTH0_DOMAIN: 'tenant.test',
      AUTH0_AUDIENCE: 'aud',
      TRUST_EMAIL: `${TEAM},${TENANT},${MAIL}`,
      OIDC_ISSUERS: JSON.stringify([
        { name: 'ci', issuer: CI, audiences: ['aud'], match: [{ claim: 'sub', glob: '*' }], jwks: ci.keySet },
        {
          name: 'mail',
          issuer: MAIL,
          audiences: ['aud'],
          match: [{ claim: 'sub', glob: '*' }],
          jwks: mail.keySet,
          emails_verified: true,
        },
      ]),
    },
    { [`${TEAM}/cdn-cgi/access/certs`]: team.keySet, [`${TENANT}.well-known/jwks.json`]: tenant.keySet },
  );
});

const SOURCES = ['Access', 'Auth0', 'a workload issuer', 'an issuer that verifies addresses'] as const;
type Source = (typeof SOURCES)[number];

async function headersOf(source: Source, claims: object): Promise<Record<string, string>> {
  const all = { aud: 'aud', iat: NOW - 60, exp: NOW + 3600, sub: 'someone', ...claims };
  if (source === 'Access')
    return { 'cf-access-jwt-assertion': await issuers.team.sign({ type: 'app', ...all }) };
  const bearers = {
    Auth0: issuers.tenant,
    'a workload issuer': issuers.ci,
    'an issuer that verifies addresses': issuers.mail,
  };
  return { authorization: `Bearer ${await bearers[source].sign(all)}` };
}
const me = async (headers: Record<string, string>) => broker.app.request(`${BROKER}/me`, { headers });

describe.each(SOURCES)('%s refuses nobody for an address', (source) => {
  it.each(['josé@example.com', '用户@例子.广告', 'a..b@example.com', 'root@localhost'])(
    'like %s, which is shown',
    async (email) => {
      const answer = await me(await headersOf(source, { email, email_verified: true }));
      expect(await bodyOf(answer)).toMatchObject({ email });
    },
  );

  it.each([
    ['', true],
    ['no address', true],
    [null, null],
    [42, 'true'],
    [['a@example.com'], true],
    [`${'a'.repeat(400)}@example.com`, true],
  ])('like %j, which is none', async (email, email_verified) => {
    const answer = await me(await headersOf(source, { email, email_verified }));
    expect(answer.status).toBe(200);
    expect(await bodyOf(answer)).not.toHaveProperty('email');
  });
});

describe('a grant to an address', () => {
  const roleOf = async (headers: Record<string, string>) => {
    const answer = await broker.app.request(`${BROKER}/tickets`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ agent: 'counter' }),
    });
    return (await bodyOf(answer)).role;
  };
  beforeAll(async () => {
    await broker.grant('email:kate@example.com', 'counter', 'owner');
    await broker.grant('email:josé@example.com', 'counter', 'owner');
    await broker.grant('email:*@staff.example.com', 'counter', 'admin');
  });

  it.each<[string, Source, object, string]>([
    ['the address', 'Auth0', { email: 'kate@example.com', email_verified: true }, 'owner'],
    ['the address in capitals', 'Auth0', { email: 'KATE@Example.COM', email_verified: true }, 'owner'],
    ['an address of another script', 'Auth0', { email: 'josé@example.com', email_verified: true }, 'owner'],
    ['its domain', 'Auth0', { email: 'x@STAFF.example.com', email_verified: true }, 'admin'],
    ['an address that Access vouches for', 'Access', { email: 'kate@example.com' }, 'owner'],
    [
      'no address that is not verified',
      'Auth0',
      { email: 'kate@example.com', email_verified: false },
      'viewer',
    ],
    ['no address whose verification is unknown', 'Auth0', { email: 'kate@example.com' }, 'viewer'],
    [
      'no address whose verification is a word',
      'Auth0',
      { email: 'kate@example.com', email_verified: 'true' },
      'viewer',
    ],
    [
      'an address, where the registration says that the issuer verifies them',
      'an issuer that verifies addresses',
      { email: 'kate@example.com' },
      'owner',
    ],
    ...[false, 'true', null, 0].map((email_verified): [string, Source, object, string] => [
      'no address of that issuer whose token says otherwise',
      'an issuer that verifies addresses',
      { email: 'kate@example.com', email_verified },
      'viewer',
    ]),
    [
      'no address of an issuer that is not trusted',
      'a workload issuer',
      { email: 'kate@example.com', email_verified: true },
      'viewer',
    ],
    [
      'no letter that only folds into it',
      'Auth0',
      { email: '\u212Aate@example.com', email_verified: true },
      'viewer',
    ],
    [
      'no accent put together otherwise',
      'Auth0',
      { email: 'jose\u0301@example.com', email_verified: true },
      'viewer',
    ],
    ['no domain behind it', 'Auth0', { email: 'kate@example.com.evil.test', email_verified: true }, 'viewer'],
    ['no second @', 'Auth0', { email: 'x@evil.test@staff.example.com', email_verified: true }, 'viewer'],
    ['no domain below it', 'Auth0', { email: 'x@a.staff.example.com', email_verified: true }, 'viewer'],
  ])('holds for %s (%s)', async (_what, source, claims, role) => {
    expect(await roleOf(await headersOf(source, claims))).toBe(role);
  });
});
