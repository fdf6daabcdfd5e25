import { env } from 'cloudflare:workers';
import { decodeJwt } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { mountApps, placeOf } from '../src/mount.ts';
import { createBroker } from '../src/open-broker.ts';
import { assertion, serveCerts } from './access.ts';
import { startBroker } from './broker.ts';
import { type CallInit, call, expectRefusal, HOST, LOBBY, refusal, ticketOf } from './call.ts';
import { printed } from './printed.ts';
import { SETTINGS } from './settings.ts';
import { makeToken } from './tokens.ts';

/** The worker of an app, with agents and a broker below `/broker`, and the hostname that is the broker's own. */
const APP = 'https://app.test';
const OWN = 'https://sso.test';
const SITE = 'https://site.test';
const BASE = '/broker';
const MOUNTED = {
  ISSUER: `${APP}${BASE}`,
  AGENT_WORKER_URL: APP,
  BASE_URL: OWN,
  // The gate reads it too, so that it names the app's own page.
  ALLOWED_ORIGINS: `${APP},${APP}:8443,${SITE}`,
};

const startMounted = () => {
  const { ports } = startBroker({ settings: MOUNTED, inCode: { basePath: BASE } });
  const apps = mountApps(ports);
  return (request: Request) => {
    const place = placeOf(request.url, BASE, MOUNTED);
    return place === undefined ? new Response('of the app') : apps(request, place);
  };
};

let front: ReturnType<typeof startMounted>;
beforeEach(() => {
  serveCerts();
  front = startMounted();
});

const at = (origin: string, path: string, init: CallInit = {}) =>
  call(path, { front: (request) => front(new Request(request.url.replace(HOST, origin), request)), ...init });

const cookieOf = async () => ({
  cookie: `CF_Authorization=${(await assertion())['cf-access-jwt-assertion']}`,
});

describe('on the hostname of the agents', () => {
  it.each(['/broker', '/broker/', '/broker/healthz', '/broker/nowhere', '/broker//auth/login'])(
    '%s is for the broker',
    (path) => expect(placeOf(`${APP}${path}`, BASE, MOUNTED)).toBe('beside-agents'),
  );

  it('so is the metadata, whose well-known part comes before the path', async () => {
    const reply = await at(APP, '/.well-known/oauth-authorization-server/broker');
    expect(JSON.parse(reply.text)).toMatchObject({
      issuer: `${APP}/broker`,
      token_endpoint: `${APP}/broker/token`,
      jwks_uri: `${APP}/broker/.well-known/jwks.json`,
    });
  });

  it.each([
    '/',
    '/brokers',
    '/Broker/healthz',
    '/%62roker/healthz',
    '/broker%2Fhealthz',
    '//broker/healthz',
    '/x/broker/healthz',
    '/tickets',
    '/agents/counter/broker',
    '/control',
    '/.well-known/oauth-authorization-server',
    '/.well-known/jwks.json',
    '/auth/login',
  ])('%s is for the app', (path) => expect(placeOf(`${APP}${path}`, BASE, MOUNTED)).toBeUndefined());

  it('a request whose address is none is for the app', () =>
    expect(placeOf('*', BASE, MOUNTED)).toBeUndefined());

  it('a service token gets a ticket, in each of its forms', async () => {
    const token = await makeToken();
    for (const headers of [token.pair, token.basic, token.bearer]) {
      const reply = await at(APP, '/broker/tickets', { headers, json: LOBBY });
      expect(decodeJwt(ticketOf(reply).ticket)).toMatchObject({ iss: `${APP}/broker`, aud: 'agents.test' });
    }
  });

  it('nothing that a browser or Access adds is a credential, whatever the method', async () => {
    for (const ambient of [await assertion(), await cookieOf(), { cookie: 'appSession=x' }]) {
      for (const origin of [undefined, APP, SITE, OWN]) {
        const headers = { ...ambient, ...(origin === undefined ? {} : { origin }) };
        expect(refusal(await at(APP, '/broker/me', { headers }))).toBe('401 UNAUTHORIZED');
        const counter = { agent: 'counter', instance: 'default' };
        const minted = await at(APP, '/broker/tickets', { headers, json: counter });
        expect(refusal(minted)).toBe('401 UNAUTHORIZED');
        for (const path of ['/broker/admin/locks/x', '/broker/sessions/x', '/broker/api/agents/counter/x']) {
          const deleted = await at(APP, path, { method: 'DELETE', headers });
          expect(refusal(deleted)).toBe('401 UNAUTHORIZED');
        }
      }
    }
  });

  it('neither is one that comes beside an explicit one, which counts', async () => {
    const token = await makeToken();
    const headers = { ...token.bearer, ...(await assertion()), ...(await cookieOf()) };
    const reply = await at(APP, '/broker/me', { headers });
    expect(JSON.parse(reply.text)).toMatchObject({ principal: token.principal });
  });

  it.each(['/broker/auth/login', '/broker/%61uth/login', '/broker/auth%2Flogin', '/broker/auth/callback'])(
    'nobody signs in or out: %s is nothing',
    async (path) => {
      expectRefusal(await at(APP, path, { headers: await assertion() }), '404 NOT_FOUND');
    },
  );

  it('nothing takes a sign-out of the tenant', async () => {
    expectRefusal(await at(APP, '/broker/auth/logout'), '404 NOT_FOUND');
    expectRefusal(await at(APP, '/broker/auth/backchannel-logout', { body: 'x' }), '404 NOT_FOUND');
  });

  it('a browser asks no person for a password, which it would add to later requests; a program learns of both', async () => {
    const challenge = async (headers: Record<string, string>, path = '/broker/me', init: CallInit = {}) =>
      (await at(APP, path, { headers, ...init })).headers.get('www-authenticate');
    const browser = { 'sec-fetch-mode': 'cors' };
    expect(await challenge(browser)).toBe('Bearer realm="broker"');
    const token = { method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials' }) };
    expect(await challenge({ ...browser, authorization: 'Basic eDp5' }, '/broker/token', token)).toBe(
      'Bearer realm="broker"',
    );
    expect(await challenge({})).toMatch(/Bearer.*Basic/);
  });
});

describe('on the hostname of its own', () => {
  it.each(['/', '/agents/counter/x', '/control', '/broker/healthz', '/anything'])(
    'the broker answers %s, and no agent',
    (path) => {
      for (const origin of [OWN, `${OWN}:8443`, 'https://SSO.test', 'http://sso.test'])
        expect(placeOf(`${origin}${path}`, BASE, MOUNTED)).toBe('own-hostname');
    },
  );

  it('the paths of gate and commands are nothing', async () => {
    expectRefusal(await at(OWN, '/agents/counter/x'), '404 NOT_FOUND');
    expectRefusal(await at(OWN, '/control', { method: 'POST' }), '404 NOT_FOUND');
  });

  it('Access signs people in', async () => {
    for (const headers of [await assertion(), await cookieOf()]) {
      const reply = await at(OWN, '/me', { headers });
      expect(JSON.parse(reply.text)).toMatchObject({ kind: 'user' });
    }
  });

  it('so does the tenant, which sends them back to it and to listed pages, but to none of an agent', async () => {
    const login = (page: string) => at(OWN, `/auth/login?return_to=${encodeURIComponent(page)}`);
    const begun = await login(`${SITE}/`);
    const { searchParams } = new URL(begun.headers.get('location') ?? '');
    expect(searchParams.get('redirect_uri')).toBe(`${OWN}/auth/callback`);
    for (const page of [`${APP}/`, `${APP}:8443/`, `${APP}/agents/counter/x`, `${APP}/broker/`])
      expect(refusal(await login(page))).toBe('400 BAD_REQUEST');
  });

  it('Access alone needs no tenant for it', async () => {
    const { ports } = startBroker({
      settings: MOUNTED,
      unset: ['AUTH0_CLIENT_ID', 'AUTH0_CLIENT_SECRET', 'AUTH0_SESSION_ENCRYPTION_KEY'],
      inCode: { basePath: BASE },
    });
    const apps = mountApps(ports);
    front = (request) => apps(request, placeOf(request.url, BASE, MOUNTED) ?? 'beside-agents');
    expect((await at(OWN, '/me', { headers: await assertion() })).status).toBe(200);
    const login = await at(OWN, '/auth/login', { headers: await assertion() });
    expect([login.status, login.headers.get('location')]).toEqual([302, `${OWN}/`]);
  });
});

describe('a page that an agent serves', () => {
  const PAGES = [APP, `${APP}:8443`, 'http://app.test'];
  const shared = async (origin: string, path: string, init: CallInit) =>
    (await at(OWN, path, { ...init, headers: { ...init.headers, origin } })).headers.get(
      'access-control-allow-origin',
    );

  it.each(PAGES)('at %s gets no preflight for the hostname of the sign-in', async (origin) => {
    for (const [path, method] of [
      ['/tickets', 'POST'],
      ['/admin/locks/x', 'DELETE'],
      ['/api/agents/counter/x', 'DELETE'],
      ['/me', 'GET'],
    ] as const) {
      const headers = { 'access-control-request-method': method };
      expect(await shared(origin, path, { method: 'OPTIONS', headers })).toBeNull();
    }
  });

  it.each(PAGES)('at %s reads nothing there with the sign-in of a person', async (origin) => {
    for (const path of ['/me', '/sessions', '/api/agents', '/admin/agents/audit'])
      expect(await shared(origin, path, { headers: await cookieOf() })).toBeNull();
  });

  it.each(PAGES)('at %s changes nothing there with it', async (origin) => {
    for (const ambient of [await cookieOf(), await assertion()]) {
      const headers = { ...ambient, origin };
      for (const path of ['/admin/locks/x', '/sessions/x', '/admin/grants/x', '/api/agents/counter/x'])
        expect(refusal(await at(OWN, path, { method: 'DELETE', headers }))).toBe('403 FORBIDDEN');
      expect(refusal(await at(OWN, '/tickets', { headers, json: LOBBY }))).toBe('403 FORBIDDEN');
    }
  });

  it('has no right that the listed page of another hostname has', async () => {
    const headers = await cookieOf();
    expect(await shared(SITE, '/me', { headers })).toBe(SITE);
    expect(await shared(SITE, '/tickets', { method: 'OPTIONS' })).toBe(SITE);
    const minted = await at(OWN, '/tickets', { headers: { ...headers, origin: SITE }, json: LOBBY });
    ticketOf(minted);
  });
});

describe('a mounted broker', () => {
  const bound = { ...env, ...SETTINGS, ...MOUNTED, BROKER: env.MINT_SHARD.get(env.MINT_SHARD.newUniqueId()) };
  const { __VITEST_POOL_WORKERS_VITEST_MAJOR_VERSION: _, ...ENV } = {
    __VITEST_POOL_WORKERS_VITEST_MAJOR_VERSION: '',
    ...bound,
  };
  const MINUTE = { cron: '* * * * *', scheduledTime: 0, noRetry: () => {} };
  const health = new Request(`${APP}/broker/healthz`);
  const lines = () => printed.map((line): unknown => JSON.parse(line));

  it('says once at its start what its place costs', async () => {
    const broker = createBroker({ agents: AGENTS, basePath: BASE });
    for (const request of [health, health]) expect((await broker.answer(request, ENV))?.status).toBe(200);
    expect(lines()).toEqual([
      { event: 'mounted', base_path: BASE, warning: expect.stringMatching(/agent code.*signing keys/) },
    ]);
  });

  it('takes the setting that only the gate has, and no misspelt one', async () => {
    const answered = async (more: object) =>
      (await createBroker({ agents: AGENTS, basePath: BASE }).answer(health, { ...ENV, ...more }))?.status;
    expect(await answered({ TICKET_REPLAY: 'note' })).toBe(200);
    expect(await answered({ TICKET_AUD: 'x' })).toBe(500);
  });

  it.each([
    ['WORKERS: with a basePath there is one worker', BASE, { WORKERS: '{}' }],
    ['ISSUER: must end in the base path /broker', BASE, { ISSUER: APP }],
    ['ISSUER: must end in the base path /broker', BASE, { ISSUER: `${APP}/broker/more` }],
    ['BASE_URL: must have a hostname of its own', BASE, { BASE_URL: APP }],
    ['BASE_URL: must have a hostname of its own', BASE, { BASE_URL: `${APP}:8443` }],
    ['BASE_URL: must have a hostname of its own', BASE, { AGENT_WORKER_URL: OWN }],
    ['basePath: the gate answers there', '/agents', { ISSUER: `${APP}/agents` }],
    ['basePath: the gate answers there', '/agents/broker', { ISSUER: `${APP}/agents/broker` }],
    ['basePath: the gate answers there', '/control', { ISSUER: `${APP}/control` }],
    ['basePath: must be a path', '/', { ISSUER: APP }],
    ['basePath: must be a path', 'broker', {}],
    ['basePath: must be a path', '/broker/', {}],
  ])('does not start and says %s', async (fault, basePath, more) => {
    const { scheduled } = createBroker({ agents: AGENTS, basePath });
    await expect(scheduled(MINUTE, { ...ENV, ...more })).rejects.toThrow(fault);
  });

  it('that does not start answers 500 where it would answer, and leaves the app its own requests', async () => {
    const broker = createBroker({ agents: AGENTS, basePath: BASE });
    const broken = { ...ENV, KEK: 'x' };
    expect(broker.answer(new Request(`${APP}/page`), broken)).toBeUndefined();
    for (const url of [`${APP}/broker/healthz`, `${OWN}/agents/counter/x`])
      expect((await broker.answer(new Request(url), broken))?.status).toBe(500);
    expect(lines()).toContainEqual({ event: 'not_started', error: expect.stringContaining('KEK') });
  });

  it('without a binding to its own worker does not start', async () => {
    const broker = createBroker({ agents: AGENTS, basePath: BASE });
    await expect(broker.scheduled(MINUTE, { ...ENV, BROKER: undefined })).rejects.toThrow(
      'no binding BROKER',
    );
  });

  it('has no other workers, by its type and when it starts', async () => {
    const workers = { other: { url: 'https://other.test', audience: 'other.test' } };
    // @ts-expect-error one worker is mounted
    const broker = createBroker({ agents: AGENTS, basePath: BASE, workers });
    await expect(broker.scheduled(MINUTE, ENV)).rejects.toThrow(
      'WORKERS: with a basePath there is one worker',
    );
  });
});
