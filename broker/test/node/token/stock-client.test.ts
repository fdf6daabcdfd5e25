import { decodeJwt } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { ALICE } from '../auth0.ts';
import { BROKER, COUNTER } from '../start-broker.ts';
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
      jwks_uri: `${BROKER}/.well-known/jwks.json`,
      response_types_supported: ['none'],
      grant_types_supported: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
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
});
