import { decodeJwt } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { describe, expect, it } from 'vitest';
import { assertion, SERVICE_CLAIMS, serveCerts, TEAM, USER } from './access.ts';
import { requestTo, worker } from './call.ts';
import { secret } from './canaries.ts';
import { accessToken as auth0Token, serveTenant } from './issuers.ts';
import { outbound } from './outbound.ts';
import { SETTINGS } from './settings.ts';
import { grant, makeToken } from './tokens.ts';

/** Stock OAuth clients inside of workerd, whose way out is the worker as it ships. */

const COUNTER = `${SETTINGS.AGENT_WORKER_URL}/agents/counter/default`;
const TYPE = 'urn:ietf:params:oauth:token-type:';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: openid.FetchBody;
}
const reach = async (url: string, { method = 'GET', headers = {}, body }: Asked): Promise<Response> => {
  const { pathname, origin } = new URL(url);
  expect(origin).toBe(SETTINGS.ISSUER);
  return worker(requestTo(pathname, { method, headers, ...(body == null ? {} : { body: String(body) }) }));
};

async function discover(): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(SETTINGS.ISSUER);
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', [oauth.customFetch]: reach });
  return oauth.processDiscoveryResponse(issuer, answer);
}

async function accessToken(claims?: object): Promise<string> {
  serveTenant();
  return auth0Token(claims);
}

async function accessJwt(base?: object): Promise<string> {
  serveCerts();
  return (await assertion({}, base === undefined ? {} : { base }))['cf-access-jwt-assertion'] ?? '';
}

describe('oauth4webapi', () => {
  it('reads the metadata', async () => {
    expect(await discover()).toMatchObject({
      issuer: SETTINGS.ISSUER,
      token_endpoint: `${SETTINGS.ISSUER}/token`,
      grant_types_supported: ['client_credentials', EXCHANGE],
    });
  });

  it.each([
    ['Basic', oauth.ClientSecretBasic],
    ['the body', oauth.ClientSecretPost],
  ])('gets a ticket by client credentials in %s', async (_where, authentication) => {
    const token = await makeToken();
    await grant(token.principal, { role: 'admin' });
    const server = await discover();
    const client = { client_id: token.clientId };
    const answer = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      authentication(token.secret),
      { resource: COUNTER },
      { [oauth.customFetch]: reach },
    );
    const tokens = await oauth.processClientCredentialsResponse(server, client, answer);
    expect(tokens.token_type).toBe('bearer');
    expect(decodeJwt(secret(tokens.access_token))).toMatchObject({ sub: token.principal, role: 'admin' });
  });

  it('introspects and revokes its ticket', async () => {
    outbound.serve(`${SETTINGS.AGENT_WORKER_URL}/control`, () =>
      Response.json({ closed: 0, objects: 1, unreachable: 0, pending: 0, ms: 1 }),
    );
    const token = await makeToken();
    await grant(token.principal, { role: 'admin' });
    const server = await discover();
    const client = { client_id: token.clientId };
    const by = oauth.ClientSecretBasic(token.secret);
    const options = { [oauth.customFetch]: reach };
    const answer = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      by,
      { resource: COUNTER },
      options,
    );
    const { access_token } = await oauth.processClientCredentialsResponse(server, client, answer);
    const introspect = async () =>
      oauth.processIntrospectionResponse(
        server,
        client,
        await oauth.introspectionRequest(server, client, by, secret(access_token), options),
      );
    expect(await introspect()).toMatchObject({ active: true, sub: token.principal });
    const revoked = await oauth.revocationRequest(server, client, by, access_token, options);
    expect(await oauth.processRevocationResponse(revoked)).toBeUndefined();
    expect(await introspect()).toEqual({ active: false });
  });

  it.each<[string, (good: string) => [string, Record<string, string>], object]>([
    ['a wrong secret', () => ['wrong', { resource: COUNTER }], { code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE' }],
    [
      'another host',
      (good) => [good, { resource: 'https://evil.test/agents/counter/x' }],
      { code: 'OAUTH_RESPONSE_BODY_ERROR', error: 'invalid_target' },
    ],
    [
      'an unknown scope',
      (good) => [good, { resource: COUNTER, scope: 'root' }],
      { code: 'OAUTH_RESPONSE_BODY_ERROR', error: 'invalid_scope' },
    ],
    [
      'another grant’s parameter',
      (good) => [good, { resource: COUNTER, requested_token_type: 'x' }],
      { code: 'OAUTH_RESPONSE_BODY_ERROR', error: 'invalid_request' },
    ],
  ])('receives %s in its own terms', async (_what, wish, error) => {
    const token = await makeToken();
    const server = await discover();
    const client = { client_id: token.clientId };
    const [text, parameters] = wish(token.secret);
    const answer = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      oauth.ClientSecretBasic(text),
      parameters,
      { [oauth.customFetch]: reach },
    );
    await expect(oauth.processClientCredentialsResponse(server, client, answer)).rejects.toMatchObject(error);
  });
});

describe('openid-client', () => {
  const configuration = (authentication: openid.ClientAuth = openid.None(), id = 'some-app') =>
    openid.discovery(new URL(SETTINGS.ISSUER), id, undefined, authentication, {
      algorithm: 'oauth2',
      [openid.customFetch]: reach,
    });

  it.each<[string, string, () => Promise<string>, string]>([
    [
      'an Auth0 access token',
      'access_token',
      () => accessToken(),
      `auth0:${SETTINGS.AUTH0_DOMAIN}:auth0|alice`,
    ],
    ['an Access user’s token', 'jwt', () => accessJwt(), `access:${TEAM}:user:${USER}`],
    [
      'an Access service’s token',
      'jwt',
      () => accessJwt(SERVICE_CLAIMS),
      `access:${TEAM}:service:${SERVICE_CLAIMS.common_name}`,
    ],
  ])('exchanges %s for a ticket', async (_what, type, make, principal) => {
    const tokens = await openid.genericGrantRequest(await configuration(), EXCHANGE, {
      resource: COUNTER,
      subject_token: await make(),
      subject_token_type: TYPE + type,
      scope: 'agent:state:read',
    });
    expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'agent:connect agent:state:read' });
    expect(decodeJwt(secret(tokens.access_token))).toMatchObject({ sub: principal, agent: 'counter' });
  });

  it('exchanges with an actor, as a client that authenticated', async () => {
    const token = await makeToken();
    const authenticated = await configuration(openid.ClientSecretBasic(token.secret), token.clientId);
    const tokens = await openid.genericGrantRequest(authenticated, EXCHANGE, {
      resource: COUNTER,
      subject_token: await accessJwt(),
      subject_token_type: `${TYPE}jwt`,
      actor_token: await accessToken({ sub: 'bot@clients' }),
      actor_token_type: `${TYPE}access_token`,
    });
    expect(decodeJwt(secret(tokens.access_token))).toMatchObject({
      sub: `access:${TEAM}:user:${USER}`,
      act: { sub: `auth0:${SETTINGS.AUTH0_DOMAIN}:bot@clients` },
      client_id: token.clientId,
    });
  });

  it.each<[string, string, () => Promise<string>]>([
    ['an Access token declared as an access token of OAuth', 'access_token', () => accessJwt()],
    ['an Access token declared as an ID token', 'id_token', () => accessJwt()],
    ['the session of an Access team', 'jwt', async () => accessJwt({ ...SERVICE_CLAIMS, type: 'org' })],
    ['an Auth0 token for another audience', 'access_token', () => accessToken({ aud: 'https://other.test' })],
  ])('is refused %s, in its own words', async (_what, type, make) => {
    const exchange = openid.genericGrantRequest(await configuration(), EXCHANGE, {
      resource: COUNTER,
      subject_token: await make(),
      subject_token_type: TYPE + type,
    });
    await expect(exchange).rejects.toMatchObject({
      code: 'OAUTH_RESPONSE_BODY_ERROR',
      error: 'invalid_request',
    });
  });
});
