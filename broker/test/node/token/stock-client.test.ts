import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { ALICE } from '../auth0.ts';
import { BROKER, COUNTER, NOW, startNodeBroker } from '../start-broker.ts';
import { openTokenBroker, type TokenBroker } from './token-broker.ts';

let at: TokenBroker;
let client: { id: string; clientId: string; clientSecret: string };
const send = async (
  url: string,
  { method, headers, body }: { method: string; headers: Record<string, string>; body?: openid.FetchBody },
) => at.broker.app.request(url, { method, headers, body: body ?? null });

beforeAll(async () => {
  at = await openTokenBroker();
  client = await at.broker.makeServiceToken();
  await at.broker.grant(`token:${client.id}`, 'counter', 'admin');
});

const discover = async () => {
  const issuer = new URL(BROKER);
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', [oauth.customFetch]: send });
  return oauth.processDiscoveryResponse(issuer, answer);
};

describe('the stock oauth4webapi', () => {
  it('finds the token endpoint by the metadata of RFC 8414', async () => {
    expect(await discover()).toEqual({
      issuer: BROKER,
      token_endpoint: `${BROKER}/token`,
      authorization_endpoint: `${BROKER}/authorize`,
      jwks_uri: `${BROKER}/.well-known/jwks.json`,
      revocation_endpoint: `${BROKER}/revoke`,
      introspection_endpoint: `${BROKER}/introspect`,
      response_types_supported: ['none'],
      grant_types_supported: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
      revocation_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    });
  });

  it.each([
    ['Basic', (secret: string) => oauth.ClientSecretBasic(secret)],
    ['the body', (secret: string) => oauth.ClientSecretPost(secret)],
  ])('gets a ticket by client credentials in %s', async (_how, authentication) => {
    const server = await discover();
    const answer = await oauth.clientCredentialsGrantRequest(
      server,
      { client_id: client.clientId },
      authentication(client.clientSecret),
      { resource: COUNTER },
      { [oauth.customFetch]: send },
    );
    const tokens = await oauth.processClientCredentialsResponse(
      server,
      { client_id: client.clientId },
      answer,
    );
    expect(tokens).toMatchObject({ token_type: 'bearer' });
    expect(decodeJwt(tokens.access_token)).toMatchObject({ sub: `token:${client.id}`, agent: 'counter' });
  });

  it.each([
    ['Basic', (secret: string) => oauth.ClientSecretBasic(secret)],
    ['the body', (secret: string) => oauth.ClientSecretPost(secret)],
  ])('introspects and revokes its ticket by %s', async (_how, authentication) => {
    const server = await discover();
    const who = { client_id: client.clientId };
    const by = authentication(client.clientSecret);
    const options = { [oauth.customFetch]: send };
    const parameters = { resource: COUNTER };
    const answer = await oauth.clientCredentialsGrantRequest(server, who, by, parameters, options);
    const { access_token } = await oauth.processClientCredentialsResponse(server, who, answer);
    const introspect = async () =>
      oauth.processIntrospectionResponse(
        server,
        who,
        await oauth.introspectionRequest(server, who, by, access_token, options),
      );
    expect(await introspect()).toMatchObject({ active: true, sub: `token:${client.id}`, agent: 'counter' });
    expect(
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(server, who, by, access_token, options),
      ),
    ).toBeUndefined();
    expect(await introspect()).toEqual({ active: false });
  });

  it.each([oauth.introspectionRequest, oauth.revocationRequest])(
    'understands that its secret is wrong',
    async (request) => {
      const server = await discover();
      const by = oauth.ClientSecretBasic('wrong');
      const who = { client_id: client.clientId };
      const answer = await request(server, who, by, 'x', { [oauth.customFetch]: send });
      const read =
        request === oauth.revocationRequest
          ? oauth.processRevocationResponse(answer)
          : oauth.processIntrospectionResponse(server, who, answer);
      await expect(read).rejects.toMatchObject({ code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', status: 401 });
    },
  );

  it('understands the limit, and has the seconds to wait', async () => {
    const server = await discover();
    const one = await at.broker.makeServiceToken({ tier: 'free' });
    await at.broker.grant(`token:${one.id}`, 'counter', 'viewer');
    const who = { client_id: one.clientId };
    const ask = () =>
      oauth.clientCredentialsGrantRequest(
        server,
        who,
        oauth.ClientSecretBasic(one.clientSecret),
        { resource: COUNTER },
        { [oauth.customFetch]: send },
      );
    for (let count = 0; count < 60; count += 1) expect((await ask()).status).toBe(200);
    const answer = await ask();
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '60']);
    await expect(oauth.processClientCredentialsResponse(server, who, answer)).rejects.toMatchObject({
      code: 'OAUTH_RESPONSE_BODY_ERROR',
      error: 'slow_down',
      status: 429,
    });
  });

  it('understands the refusal of a wrong secret', async () => {
    const server = await discover();
    const who = { client_id: client.clientId };
    const answer = await oauth.clientCredentialsGrantRequest(
      server,
      who,
      oauth.ClientSecretBasic('wrong'),
      { resource: COUNTER },
      { [oauth.customFetch]: send },
    );
    await expect(oauth.processClientCredentialsResponse(server, who, answer)).rejects.toMatchObject({
      code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE',
      status: 401,
    });
  });
});

describe('an issuer with a path', () => {
  it.each(['https://id.test/broker', 'https://id.test/broker/'])(
    '%s has all its addresses below it',
    async (issuer) => {
      const other = await startNodeBroker({ ISSUER: issuer });
      const ask = async (url: string, init: Parameters<typeof send>[1]) =>
        other.app.request(url, { method: init.method, headers: init.headers, body: init.body ?? null });
      const token = await other.makeServiceToken();
      await other.grant(`token:${token.id}`, 'counter', 'admin');

      // Asks at the place of RFC 8414 §3.1, and compares the issuer.
      const server = await oauth.processDiscoveryResponse(
        new URL(issuer),
        await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', [oauth.customFetch]: ask }),
      );
      expect(server).toMatchObject({
        issuer,
        token_endpoint: 'https://id.test/broker/token',
        jwks_uri: 'https://id.test/broker/.well-known/jwks.json',
      });
      const who = { client_id: token.clientId };
      const answer = await oauth.clientCredentialsGrantRequest(
        server,
        who,
        oauth.ClientSecretBasic(token.clientSecret),
        { resource: COUNTER },
        { [oauth.customFetch]: ask },
      );
      const { access_token: ticket } = await oauth.processClientCredentialsResponse(server, who, answer);
      const keys = createLocalJWKSet(await (await other.app.request(String(server.jwks_uri))).json());
      expect((await jwtVerify(ticket, keys, { currentDate: new Date(NOW * 1000) })).payload.iss).toBe(issuer);
    },
  );

  it('may have its path taken off on the way', async () => {
    const other = await startNodeBroker({ ISSUER: 'https://id.test/broker' });
    const statuses = await Promise.all(
      ['/healthz', '/broker/healthz', '/brokerhealthz', '/broker', '/other/healthz'].map(
        async (path) => (await other.app.request(`https://id.test${path}`)).status,
      ),
    );
    expect(statuses).toEqual([200, 200, 404, 200, 404]);
  });
});

describe('the stock openid-client', () => {
  it('exchanges an access token for a ticket', async () => {
    const configuration = await openid.discovery(new URL(BROKER), 'some-app', undefined, openid.None(), {
      algorithm: 'oauth2',
      [openid.customFetch]: send,
    });
    const tokens = await openid.genericGrantRequest(
      configuration,
      'urn:ietf:params:oauth:grant-type:token-exchange',
      {
        resource: COUNTER,
        subject_token: await at.token(),
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        scope: 'agent:state:read',
      },
    );
    expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'agent:connect agent:state:read' });
    expect(decodeJwt(tokens.access_token)).toMatchObject({ sub: ALICE });
  });

  it('introspects and revokes its ticket', async () => {
    const configuration = await openid.discovery(
      new URL(BROKER),
      client.clientId,
      undefined,
      openid.ClientSecretBasic(client.clientSecret),
      { algorithm: 'oauth2', [openid.customFetch]: send },
    );
    const { access_token } = await openid.clientCredentialsGrant(configuration, { resource: COUNTER });
    const introspect = () => openid.tokenIntrospection(configuration, access_token);
    expect(await introspect()).toMatchObject({ active: true, sub: `token:${client.id}` });
    await openid.tokenRevocation(configuration, access_token);
    expect(await introspect()).toEqual({ active: false });
  });
});
