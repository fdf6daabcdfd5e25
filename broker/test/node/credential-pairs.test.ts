import { beforeAll, describe, expect, it } from 'vitest';
import { sealCookie } from '../../src/credentials/session-cookie.ts';
import { checkedApp } from '../openapi.ts';
import { bodyOf } from './answers.ts';
import { freezeClock, openTenant, SECRET } from './auth0-session/tenant.ts';
import { testIssuer } from './issuer.ts';
import { BROKER, basic, NOW, type StartedBroker } from './start-broker.ts';

const TEAM = 'team.test';
const CI = 'https://ci.test';
const APP = 'https://app.test';
const TIMES = { iat: NOW - 60, exp: NOW + 3600 };

type Headers = Readonly<Record<string, string>>;
/** One way to say who one is: right, and so wrong that only a verification finds out. */
interface Way {
  readonly kind: 'explicit' | 'assertion' | 'cookie';
  readonly good: Headers;
  readonly bad: Headers;
  readonly principal: string;
}

let broker: StartedBroker;
let app: ReturnType<typeof checkedApp>;
let ways: Record<string, Way>;

freezeClock();
beforeAll(async () => {
  const [team, ci] = [await testIssuer(`https://${TEAM}`), await testIssuer(CI)];
  const at = await openTenant(
    {
      CF_ACCESS_TEAM_DOMAIN: TEAM,
      CF_ACCESS_AUD: 'aud',
      OIDC_ISSUERS: JSON.stringify([
        {
          name: 'ci',
          issuer: CI,
          audiences: [BROKER],
          match: [{ claim: 'sub', glob: '*' }],
          jwks: ci.keySet,
        },
      ]),
    },
    { [`https://${TEAM}/cdn-cgi/access/certs`]: team.keySet },
  );
  broker = at.broker;
  // Hundreds of wrong tries from one address: counting them is another test's business.
  const rate = { limit: 1, remaining: 1, resetAt: 0 };
  app = checkedApp({
    ...broker.ports,
    shard: { ...broker.ports.shard, count: async () => ({ admitted: true, rate }) },
  });
  const token = await broker.makeServiceToken();
  const { clientId, clientSecret } = token;
  const wrong = (await broker.makeServiceToken()).clientSecret;
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
  const pair = (secret: string) => ({ 'cf-access-client-id': clientId, 'cf-access-client-secret': secret });
  const access = (sub: string, aud = 'aud') => team.sign({ type: 'app', sub, aud, ...TIMES });
  const auth0 = (aud: string) => at.tenant.sign({ sub: 'auth0|bea', aud, ...TIMES });
  const job = (aud: string) => ci.sign({ sub: 'job', aud, ...TIMES });
  const { cookie: session } = await at.signIn();
  const ended = await sealCookie(
    { id: '0'.repeat(32), exp: NOW + 60 },
    { name: 'appSession', secret: SECRET, kid: 'k' },
  );
  const service = `token:${token.id}`;
  ways = {
    'a service token as Bearer': {
      kind: 'explicit',
      good: bearer(clientSecret),
      bad: bearer(`${clientSecret.slice(0, -1)}_`),
      principal: service,
    },
    'a service token as Basic': {
      kind: 'explicit',
      good: basic(clientId, clientSecret),
      bad: basic(clientId, wrong),
      principal: service,
    },
    'a service token as a pair of headers': {
      kind: 'explicit',
      good: pair(clientSecret),
      bad: pair(wrong),
      principal: service,
    },
    'an Auth0 access token': {
      kind: 'explicit',
      good: bearer(await auth0('https://broker.test/api')),
      bad: bearer(await auth0('https://other.test')),
      principal: 'auth0:tenant.test:auth0|bea',
    },
    'a workload token': {
      kind: 'explicit',
      good: bearer(await job(BROKER)),
      bad: bearer(await job('https://other.test')),
      principal: 'oidc:ci:job',
    },
    'the Access assertion': {
      kind: 'assertion',
      good: { 'cf-access-jwt-assertion': await access('header') },
      bad: { 'cf-access-jwt-assertion': await access('header', 'other') },
      principal: `access:${TEAM}:user:header`,
    },
    'the Access cookie': {
      kind: 'cookie',
      good: { cookie: `CF_Authorization=${await access('cookie')}` },
      bad: { cookie: `CF_Authorization=${await access('cookie', 'other')}` },
      principal: `access:${TEAM}:user:cookie`,
    },
    'the session cookie': {
      kind: 'cookie',
      good: { cookie: session },
      bad: { cookie: `appSession=${ended}` },
      principal: 'auth0:tenant.test:auth0|alice',
    },
  };
});

const NAMES = [
  'a service token as Bearer',
  'a service token as Basic',
  'a service token as a pair of headers',
  'an Auth0 access token',
  'a workload token',
  'the Access assertion',
  'the Access cookie',
  'the session cookie',
] as const;
/** How many of them are explicit; behind those, each beats the ones after it. */
const EXPLICIT = 5;

const wayOf = (name: string): Way => {
  const way = ways[name];
  if (way === undefined) throw new Error(`no way is called ${name}`);
  return way;
};

/** Both on one request; what two values of one header become is HTTP's doing (RFC 9110 §5.3, RFC 6265 §5.4). */
function together(one: Headers, other: Headers): Record<string, string> {
  const both = new Headers(one);
  for (const [name, value] of Object.entries(other)) {
    const there = both.get(name);
    both.set(name, there === null ? value : `${there}${name === 'cookie' ? '; ' : ', '}${value}`);
  }
  return Object.fromEntries(both);
}

const me = async (headers: Headers) => app.request(`${BROKER}/me`, { headers });
const mint = async (headers: Headers) =>
  app.request(`${BROKER}/tickets`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    // The public agent, at which an anonymous caller would have a ticket.
    body: JSON.stringify({ agent: 'lobby', instance: 'main' }),
  });

describe.each(NAMES)('%s', (name) => {
  it('alone is its principal', async () => {
    const { good, principal } = wayOf(name);
    expect(await bodyOf(await me(good))).toMatchObject({ principal });
  });

  it('that fails is a 401, also where none is needed', async () => {
    const { bad } = wayOf(name);
    expect((await me(bad)).status).toBe(401);
    expect((await mint({ ...bad, origin: APP })).status).toBe(401);
  });

  it.each([
    ['no page', undefined, { explicit: 201, assertion: 201, cookie: 403 }],
    ['a listed page', APP, { explicit: 201, assertion: 201, cookie: 201 }],
    ['the broker’s own page', BROKER, { explicit: 201, assertion: 201, cookie: 201 }],
    ['another page', 'https://evil.test', { explicit: 201, assertion: 403, cookie: 403 }],
    ['a page of a sibling host', 'https://app.broker.test', { explicit: 201, assertion: 403, cookie: 403 }],
    ['a sandboxed page', 'null', { explicit: 201, assertion: 403, cookie: 403 }],
    ['a page over plain http', 'http://app.test', { explicit: 201, assertion: 403, cookie: 403 }],
    ['a listed page, spelled otherwise', 'https://APP.test', { explicit: 201, assertion: 403, cookie: 403 }],
  ])('mints for %s as it should', async (_page, origin, statuses) => {
    const { good, kind } = wayOf(name);
    const answer = await mint({ ...good, ...(origin === undefined ? {} : { origin }) });
    expect(answer.status).toBe(statuses[kind]);
  });
});

const PAIRS = NAMES.flatMap((one, index) => NAMES.slice(index + 1).map((other) => [one, other] as const));

describe.each(PAIRS)('%s and %s', (one, other) => {
  const both = (first: 'good' | 'bad', second: 'good' | 'bad') =>
    together(wayOf(one)[first], wayOf(other)[second]);

  if (NAMES.indexOf(other) < EXPLICIT)
    it.each([
      ['good', 'good'],
      ['good', 'bad'],
      ['bad', 'good'],
    ] as const)('are two explicit ones and refused as such: %s, %s', async (first, second) => {
      expect((await me(both(first, second))).status).toBe(400);
      expect((await mint({ ...both(first, second), origin: APP })).status).toBe(400);
    });
  else {
    it('are the first one', async () => {
      const { principal } = wayOf(one);
      expect(await bodyOf(await me(both('good', 'good')))).toMatchObject({ principal });
      expect(await bodyOf(await me(both('good', 'bad')))).toMatchObject({ principal });
    });

    it('are nobody when the first one fails', async () => {
      expect((await me(both('bad', 'good'))).status).toBe(401);
      expect((await mint({ ...both('bad', 'good'), origin: APP })).status).toBe(401);
    });

    it('need the origin that the first one needs', async () => {
      const statuses = { explicit: 201, assertion: 201, cookie: 403 };
      expect((await mint(both('good', 'good'))).status).toBe(statuses[wayOf(one).kind]);
    });
  }
});

it('each explicit one twice is two', async () => {
  for (const name of NAMES.slice(0, EXPLICIT)) {
    const { good } = wayOf(name);
    expect((await me(together(good, good))).status, name).toBe(400);
  }
});

it.each([
  ['authorization', '', 401],
  ['cf-access-jwt-assertion', '', 401],
  ['cf-access-client-id', '', 401],
  ['cookie', 'CF_Authorization=', 401],
  ['cookie', 'appSession=', 401],
  ['cookie', '', 201],
  ['cookie', 'other=', 201],
])('an empty credential is one that fails: %s: %j', async (name, value, status) => {
  expect((await mint({ [name]: value, origin: APP })).status).toBe(status);
});

it('two cookies of one name are refused, whichever would be right', async () => {
  const { good, bad } = wayOf('the Access cookie');
  for (const headers of [together(good, bad), together(bad, good), together(good, good)])
    expect((await me(headers)).status).toBe(401);
});
