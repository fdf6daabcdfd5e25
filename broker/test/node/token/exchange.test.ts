import { beforeAll, describe, expect, it } from 'vitest';
import { bodyOf, ticketIn } from '../answers.ts';
import { ALICE, TENANT } from '../auth0.ts';
import { testIssuer } from '../issuer.ts';
import { basic, COUNTER, lockAt, NOW } from '../start-broker.ts';
import { openTokenBroker, type TokenBroker } from './token-broker.ts';

let at: TokenBroker;
beforeAll(async () => {
  at = await openTokenBroker();
});

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const exchangeOf = (subject_token: string, more: Record<string, string> = {}) => ({
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  resource: COUNTER,
  subject_token,
  subject_token_type: ACCESS_TOKEN,
  ...more,
});
const actorOf = (actor_token: string) => ({ actor_token, actor_token_type: ACCESS_TOKEN });

async function claimsOf(body: Record<string, string>, headers?: Record<string, string>) {
  const answer = await at.broker.post('/token', body, headers);
  expect(answer.status).toBe(200);
  return ticketIn(answer);
}

async function errorOf(body: Record<string, string>, headers?: Record<string, string>) {
  const answer = await at.broker.post('/token', body, headers);
  return { status: answer.status, ...(await bodyOf(answer)) };
}

describe('token exchange', () => {
  it.each([ACCESS_TOKEN, JWT])('turns an Auth0 access token, declared as %s, into a ticket', async (type) => {
    const body = exchangeOf(await at.token(), { subject_token_type: type });
    const answer = await at.broker.post('/token', body);
    expect(await answer.json()).toMatchObject({
      issued_token_type: JWT,
      token_type: 'Bearer',
      expires_in: 60,
      scope: 'agent:connect agent:state:read agent:rpc:whoami',
    });
    expect(at.broker.events.at(-1)).toMatchObject({ type: 'ticket.issued', principal: ALICE });
  });

  it('takes a public client’s id and records none', async () => {
    expect(await claimsOf(exchangeOf(await at.token(), { client_id: 'some-app' }))).not.toHaveProperty(
      'client_id',
    );
  });

  it('records a client that authenticated, in the ticket and in the audit log', async () => {
    const client = await at.broker.makeServiceToken();
    const claims = await claimsOf(exchangeOf(await at.token()), basic(client.clientId, client.clientSecret));
    expect(claims).toMatchObject({ sub: ALICE, client_id: client.clientId });
    expect(at.broker.events.at(-1)?.details).toMatchObject({ client_id: client.clientId });
  });

  it('gives nothing that the client beside the subject is not allowed', async () => {
    const client = await at.broker.makeServiceToken({ agents: ['lobby'] });
    const headers = basic(client.clientId, client.clientSecret);
    expect(await errorOf(exchangeOf(await at.token()), headers)).toMatchObject({ error: 'invalid_target' });
  });

  it('refuses a client that is locked, whatever the subject, and only with it', async () => {
    const client = await at.broker.makeServiceToken();
    await lockAt(at.broker, `service-token:${client.id}`);
    const body = exchangeOf(await at.token());
    const headers = basic(client.clientId, client.clientSecret);
    expect(await errorOf(body, headers)).toMatchObject({ status: 400, error: 'invalid_target' });
    expect(at.broker.events.at(-1)).toMatchObject({
      type: 'ticket.denied',
      principal: ALICE,
      code: 'locked',
    });
    expect(await claimsOf(body)).toMatchObject({ sub: ALICE });
  });

  it('logs client, subject and actor, each by name', async () => {
    const client = await at.broker.makeServiceToken();
    const before = at.broker.logged.length;
    await claimsOf(
      exchangeOf(await at.token(), actorOf(await bot())),
      basic(client.clientId, client.clientSecret),
    );
    const line = { event: 'auth_success', method: 'POST', path: '/token' };
    expect(at.broker.logged.slice(before)).toMatchObject([
      { ...line, principal: `token:${client.id}`, auth_method: 'service-token' },
      { ...line, principal: ALICE, auth_method: 'auth0' },
      { ...line, principal: BOT, auth_method: 'auth0' },
    ]);
  });

  it('logs a subject token that failed, without a byte of it', async () => {
    const token = await at.token({ aud: 'https://other.test' });
    const before = at.broker.logged.length;
    await errorOf(exchangeOf(token));
    const lines = at.broker.logged.slice(before);
    expect(lines[0]).toMatchObject({ event: 'auth_failure', reason: 'credential_claims_invalid' });
    expect(JSON.stringify(lines)).not.toContain(token.slice(0, 20));
  });

  it.each<[string, Record<string, string>]>([
    ['the header pair of Access', { 'cf-access-client-id': 'x.access', 'cf-access-client-secret': 'y' }],
    ['a bearer token', { authorization: 'Bearer x' }],
    ['an empty Authorization', { authorization: '' }],
  ])('does not overlook %s beside a good subject token', async (_what, headers) => {
    expect(await errorOf(exchangeOf(await at.token()), headers)).toMatchObject({
      status: 401,
      error: 'invalid_client',
    });
  });

  it('refuses a client that fails to authenticate, whatever the subject', async () => {
    const headers = basic('svc_nobody', 'x');
    expect(await errorOf(exchangeOf(await at.token()), headers)).toMatchObject({
      status: 401,
      error: 'invalid_client',
    });
  });

  it.each<[string, () => Promise<Record<string, string>>]>([
    ['is missing', async () => ({ ...exchangeOf(''), subject_token_type: ACCESS_TOKEN })],
    ['has no type', async () => exchangeOf(await at.token(), { subject_token_type: '' })],
    [
      'is declared as something else',
      async () =>
        exchangeOf(await at.token(), { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }),
    ],
    [
      'is of a type that is not taken',
      async () =>
        exchangeOf(await at.token(), { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }),
    ],
    ['is no JWT', async () => exchangeOf('opaque')],
    ['has expired', async () => exchangeOf(await at.token({ exp: NOW - 60 }))],
    ['ends in a moment', async () => exchangeOf(await at.token({ exp: NOW + 4 }))],
    ['is for another audience', async () => exchangeOf(await at.token({ aud: 'https://other.test' }))],
    [
      'is of an unknown issuer',
      async () =>
        exchangeOf(
          await (await testIssuer('https://evil.test/')).sign({ sub: 'x', iat: NOW, exp: NOW + 60 }),
        ),
    ],
    [
      'is signed by another key of the same name',
      async () =>
        exchangeOf(
          await (await testIssuer(TENANT)).sign({
            sub: 'x',
            aud: 'https://broker.test/api',
            iat: NOW,
            exp: NOW + 60,
          }),
        ),
    ],
    ['names actors that cannot be read', async () => exchangeOf(await at.token({ act: 'bot' }))],
    [
      'names an actor of another issuer',
      async () => exchangeOf(await at.token({ act: { sub: 'bot@clients', iss: 'https://other.test/' } })),
    ],
    [
      'names an actor of another issuer behind one of its own',
      async () =>
        exchangeOf(
          await at.token({
            act: { sub: 'bot@clients', iss: TENANT, act: { sub: 'x', iss: 'https://other.test/' } },
          }),
        ),
    ],
    [
      'comes with an actor without a type',
      async () => exchangeOf(await at.token(), { actor_token: await at.token() }),
    ],
    [
      'comes with an actor’s type without the actor',
      async () => exchangeOf(await at.token(), { actor_token_type: ACCESS_TOKEN }),
    ],
    ['comes with an actor that is no JWT', async () => exchangeOf(await at.token(), actorOf('opaque'))],
  ])('a subject token that %s is invalid_request (RFC 8693 §2.2.2)', async (_how, body) => {
    expect(await errorOf(await body())).toMatchObject({ status: 400, error: 'invalid_request' });
  });

  it('says "try again" while the issuer’s keys are out of reach', async () => {
    const away = await openTokenBroker({ AUTH0_JWKS_URL: 'https://away.test/keys' });
    const answer = await away.broker.post('/token', exchangeOf(await away.token()));
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(await answer.json()).toMatchObject({ error: 'temporarily_unavailable' });
  });
});

const bot = (more: Record<string, unknown> = {}) => at.token({ sub: 'bot@clients', ...more });
const BOT = 'auth0:tenant.test:bot@clients';

describe('delegation', () => {
  it('names the actor in act, while the subject stays', async () => {
    const claims = await claimsOf(exchangeOf(await at.token(), actorOf(await bot())));
    expect(claims).toMatchObject({ sub: ALICE, act: { sub: BOT } });
    expect(at.broker.events.at(-1)?.details).toMatchObject({ actor: BOT });
  });

  it('lasts no longer than the shorter of both tokens', async () => {
    const claims = await claimsOf(exchangeOf(await at.token(), actorOf(await bot({ exp: NOW + 20 }))));
    expect(claims).toMatchObject({ exp: NOW + 20, session_expiry: NOW + 20 });
  });

  it('puts a new actor in front of those that the subject’s token has', async () => {
    const delegated = await at.token({ act: { sub: 'one@clients', act: { sub: 'two@clients' } } });
    expect(await claimsOf(exchangeOf(delegated, actorOf(await bot())))).toMatchObject({
      act: {
        sub: BOT,
        act: { sub: 'auth0:tenant.test:one@clients', act: { sub: 'auth0:tenant.test:two@clients' } },
      },
    });
  });

  it('keeps the actors of a delegated token that comes without a new one, here and as a bearer token', async () => {
    const delegated = await at.token({ act: { sub: 'bot@clients', iss: TENANT } });
    expect(await claimsOf(exchangeOf(delegated))).toMatchObject({ act: { sub: BOT } });
    const headers = { authorization: `Bearer ${delegated}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ agent: 'counter' });
    const answer = await at.broker.app.request('https://broker.test/tickets', {
      method: 'POST',
      headers,
      body,
    });
    expect(await ticketIn(answer)).toMatchObject({ act: { sub: BOT } });
  });

  it('stops at three actors', async () => {
    const three = { sub: '1', act: { sub: '2', act: { sub: '3' } } };
    expect(await claimsOf(exchangeOf(await at.token({ act: three })))).toHaveProperty('act.act.act');
    expect(await errorOf(exchangeOf(await at.token({ act: three }), actorOf(await bot())))).toMatchObject({
      error: 'invalid_request',
    });
    expect(await errorOf(exchangeOf(await at.token({ act: { sub: '0', act: three } })))).toMatchObject({
      error: 'invalid_request',
    });
  });

  it('names too long for a ticket are a refusal, not a failure', async () => {
    const long = { sub: 'a'.repeat(250), act: { sub: 'b'.repeat(250) } };
    expect(await errorOf(exchangeOf(await at.token({ act: long })))).toMatchObject({
      status: 400,
      error: 'invalid_request',
    });
  });

  it.each<[string, unknown, boolean]>([
    ['names the actor', { sub: 'bot@clients' }, true],
    ['names the actor with its issuer', { sub: 'bot@clients', iss: TENANT }, true],
    ['names somebody else', { sub: 'other@clients' }, false],
    ['names the actor of another issuer', { sub: 'bot@clients', iss: 'https://other.test/' }, false],
    ['has a member that is not known', { sub: 'bot@clients', client_id: 'x' }, false],
    ['cannot be read', 'bot@clients', false],
  ])('a may_act that %s', async (_how, may_act, allowed) => {
    const answer = await at.broker.post(
      '/token',
      exchangeOf(await at.token({ may_act }), actorOf(await bot())),
    );
    expect(answer.status).toBe(allowed ? 200 : 400);
  });

  it('a may_act has no effect on a subject that acts for itself', async () => {
    expect(
      await claimsOf(exchangeOf(await at.token({ may_act: { sub: 'bot@clients' } }))),
    ).not.toHaveProperty('act');
  });

  it('an actor that acts for another subject is refused', async () => {
    const actor = await bot({ act: { sub: 'x' } });
    expect(await errorOf(exchangeOf(await at.token(), actorOf(actor)))).toMatchObject({
      error: 'invalid_request',
    });
  });

  it('an actor that signed out acts for nobody by a token from before, and does by a newer one', async () => {
    const own = await openTokenBroker();
    const { control } = own.broker.ports;
    const [at, before] = [NOW * 1000, (NOW - 30) * 1000];
    await control.change({
      before: [
        control.principals.signOut({
          id: BOT,
          tokensBefore: before,
          loginsBefore: before,
          keptUntil: at + 1,
        }),
      ],
      event: { eventId: crypto.randomUUID(), at, type: 'login.ended', outcome: 'success' },
      dueAt: Number.MAX_SAFE_INTEGER,
    });
    const answerBy = async (iat: number): Promise<unknown> => {
      const actor = actorOf(await own.token({ sub: 'bot@clients', iat }));
      const answer = await own.broker.post('/token', exchangeOf(await own.token(), actor));
      return answer.json();
    };
    expect(await answerBy(NOW - 31)).toMatchObject({ error: 'invalid_request' });
    expect(await answerBy(NOW - 30)).toMatchObject({ error: 'invalid_request' });
    expect(await answerBy(NOW - 29)).toMatchObject({ token_type: 'Bearer' });
  });

  it('a locked actor acts for nobody', async () => {
    const locked = await openTokenBroker();
    await lockAt(locked.broker, `principal:${BOT}`);
    const body = exchangeOf(await locked.token(), actorOf(await locked.token({ sub: 'bot@clients' })));
    expect(await (await locked.broker.post('/token', body)).json()).toMatchObject({
      error: 'invalid_target',
    });
    expect(locked.broker.events.at(-1)).toMatchObject({ type: 'ticket.denied', code: 'locked' });
  });
});
