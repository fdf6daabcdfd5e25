import { beforeAll, describe, expect, it } from 'vitest';
import { makeSecret, makeTokenId } from '../../../src/credentials/secret.ts';
import { bodyOf, ticketIn } from '../answers.ts';
import type { ServiceToken } from '../service-token.ts';
import { AGENTS_AT, basic, COUNTER, NOW, type StartedBroker, startNodeBroker } from '../start-broker.ts';

let broker: StartedBroker;
let client: ServiceToken;
let other: ServiceToken;
/** A secret without a typo that was never issued. */
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const id = makeTokenId(random);
const UNKNOWN = { id, secret: makeSecret(id, random) };

beforeAll(async () => {
  broker = await startNodeBroker();
  client = await broker.makeServiceToken();
  other = await broker.makeServiceToken();
  await broker.grant(`token:${client.id}`, 'counter', 'admin');
});

const GRANT = { grant_type: 'client_credentials', resource: COUNTER };
const authenticated = () => basic(client.clientId, client.clientSecret);
const pairOf = ({ clientId, clientSecret }: typeof client) => ({
  'cf-access-client-id': clientId,
  'cf-access-client-secret': clientSecret,
});
const inBody = () => ({ client_id: client.clientId, client_secret: client.clientSecret });

describe('client_credentials', () => {
  it.each<[string, () => [Record<string, string>, Record<string, string>]]>([
    ['by Basic', () => [GRANT, authenticated()]],
    ['in the body', () => [{ ...GRANT, ...inBody() }, {}]],
    [
      'by Basic with the same client_id in the body',
      () => [{ ...GRANT, client_id: client.clientId }, authenticated()],
    ],
  ])('a client that authenticates %s gets a ticket', async (_how, request) => {
    const answer = await broker.post('/token', ...request());
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('pragma')).toBe('no-cache');
    const claims = await ticketIn(answer.clone());
    expect(await bodyOf(answer)).toEqual({
      access_token: expect.any(String),
      issued_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_type: 'Bearer',
      expires_in: 60,
      scope:
        'agent:connect agent:state:read agent:state:write agent:message agent:rpc:whoami agent:rpc:increment',
    });
    expect(claims).toMatchObject({
      sub: `token:${client.id}`,
      agent: 'counter',
      instance: 'main',
      iat: NOW,
      transport: 'websocket',
    });
    expect(claims).not.toHaveProperty('client_id');
  });

  it('is recorded like every mint', () => {
    expect(broker.events.at(-1)).toMatchObject({ type: 'ticket.issued', principal: `token:${client.id}` });
  });

  it.each([
    ['as https', COUNTER],
    ['as wss', COUNTER.replace('https', 'wss')],
  ])('the instance may be named %s', async (_how, resource) => {
    expect((await broker.post('/token', { ...GRANT, resource }, authenticated())).status).toBe(200);
  });

  it('gets less than its role allows when it asks for less', async () => {
    const answer = await broker.post('/token', { ...GRANT, scope: 'agent:rpc:increment' }, authenticated());
    expect(await answer.json()).toMatchObject({ scope: 'agent:connect agent:rpc:increment' });
  });

  it('can ask for a ticket for plain requests', async () => {
    expect(
      await ticketIn(await broker.post('/token', { ...GRANT, transport: 'http' }, authenticated())),
    ).toMatchObject({ transport: 'http' });
  });

  it('parameters without a value and unknown ones are as if they were not there', async () => {
    const more = { scope: '', audience: '', resource_hint: 'x' };
    expect((await broker.post('/token', { ...GRANT, ...more }, authenticated())).status).toBe(200);
  });
});

const MCP_INSTANCE = `${AGENTS_AT}/agents/mcp-agent/default`;
const MCP = `${MCP_INSTANCE}/mcp`;

it.each(['', '/mcp', '/sse'])(
  'the URL of an MCP agent with %j behind it is its instance',
  async (endpoint) => {
    const machine = await broker.makeServiceToken({ tier: 'admin', permissions: ['agents'] });
    await broker.grant(`token:${machine.id}`, 'mcp-agent', 'viewer');
    const answer = await broker.post(
      '/token',
      { ...GRANT, resource: MCP_INSTANCE + endpoint },
      basic(machine.clientId, machine.clientSecret),
    );
    expect(answer.status).toBe(200);
    expect(await ticketIn(answer)).toMatchObject({
      agent: 'mcp-agent',
      instance: 'default',
      transport: 'http',
    });
  },
);

const REFUSALS: readonly [what: string, body: Record<string, string>, status: number, error: string][] = [
  ['no grant type', { resource: COUNTER }, 400, 'invalid_request'],
  ['another grant type', { ...GRANT, grant_type: 'password' }, 400, 'unsupported_grant_type'],
  [
    'the authorization code grant',
    { ...GRANT, grant_type: 'authorization_code' },
    400,
    'unsupported_grant_type',
  ],
  ['no resource', { grant_type: 'client_credentials' }, 400, 'invalid_target'],
  [
    'a resource of another host',
    { ...GRANT, resource: 'https://evil.test/agents/counter/main' },
    400,
    'invalid_target',
  ],
  [
    'a resource over plain http',
    { ...GRANT, resource: COUNTER.replace('https', 'http') },
    400,
    'invalid_target',
  ],
  [
    'a resource with the port said',
    { ...GRANT, resource: 'https://agents.test:443/agents/counter/main' },
    400,
    'invalid_target',
  ],
  [
    'a resource with a user',
    { ...GRANT, resource: 'https://a@agents.test/agents/counter/main' },
    400,
    'invalid_target',
  ],
  ['a resource with a query', { ...GRANT, resource: `${COUNTER}?x=1` }, 400, 'invalid_target'],
  ['a resource with a fragment', { ...GRANT, resource: `${COUNTER}#x` }, 400, 'invalid_target'],
  ['the endpoint of an agent without one', { ...GRANT, resource: `${COUNTER}/mcp` }, 400, 'invalid_target'],
  ['a path behind an endpoint', { ...GRANT, resource: `${MCP}/x` }, 400, 'invalid_target'],
  ['another endpoint', { ...GRANT, resource: MCP.replace(/mcp$/, 'rpc') }, 400, 'invalid_target'],
  ['a resource with more path', { ...GRANT, resource: `${COUNTER}/sub` }, 400, 'invalid_target'],
  [
    'a resource with dots',
    { ...GRANT, resource: `${AGENTS_AT}/x/../agents/counter/main` },
    400,
    'invalid_target',
  ],
  [
    'a resource with an escape',
    { ...GRANT, resource: `${AGENTS_AT}/agents/counter/m%61in` },
    400,
    'invalid_target',
  ],
  ['an unknown agent', { ...GRANT, resource: `${AGENTS_AT}/agents/nothing/main` }, 400, 'invalid_target'],
  [
    'an agent that is switched off',
    { ...GRANT, resource: `${AGENTS_AT}/agents/chat/main` },
    400,
    'invalid_target',
  ],
  ['another audience', { ...GRANT, audience: 'https://elsewhere.test' }, 400, 'invalid_target'],
  ['a scope that does not exist', { ...GRANT, scope: 'agent:everything' }, 400, 'invalid_scope'],
  ['a scope outside of the role', { ...GRANT, scope: 'agent:rpc:reset' }, 400, 'invalid_scope'],
  ['an unknown transport', { ...GRANT, transport: 'pigeon' }, 400, 'invalid_request'],
  [
    'another type of token',
    { ...GRANT, requested_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
    400,
    'invalid_request',
  ],
];

describe('a request is refused in the shape of OAuth', () => {
  it.each(REFUSALS)('for %s', async (_what, body, status, error) => {
    const answer = await broker.post('/token', body, authenticated());
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({
      error,
      error_description: expect.stringMatching(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/),
    });
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it.each<[string, () => [Record<string, string>, Record<string, string>], number, string]>([
    ['nothing', () => [GRANT, {}], 401, 'invalid_client'],
    [
      'a wrong secret',
      () => [GRANT, basic(client.clientId, `${client.clientSecret.slice(0, -7)}1234567`)],
      401,
      'invalid_client',
    ],
    ['an unknown client', () => [GRANT, basic('svc_nobody', client.clientSecret)], 401, 'invalid_client'],
    ['a client id alone', () => [{ ...GRANT, client_id: client.clientId }, {}], 401, 'invalid_client'],
    [
      'a bearer token',
      () => [GRANT, { authorization: `Bearer ${client.clientSecret}` }],
      401,
      'invalid_client',
    ],
    [
      'Basic and the body at once',
      () => [{ ...GRANT, ...inBody() }, authenticated()],
      400,
      'invalid_request',
    ],
    [
      'the body and the header pair of Access at once',
      () => [{ ...GRANT, ...inBody() }, pairOf(client)],
      400,
      'invalid_request',
    ],
    [
      'Basic and the header pair of Access at once',
      () => [GRANT, { ...authenticated(), ...pairOf(client) }],
      400,
      'invalid_request',
    ],
    [
      'half of the header pair of Access beside the body',
      () => [{ ...GRANT, ...inBody() }, { 'cf-access-client-id': client.clientId }],
      400,
      'invalid_request',
    ],
    ['an empty Authorization', () => [GRANT, { authorization: '' }], 401, 'invalid_client'],
    [
      'an empty Authorization beside the body',
      () => [{ ...GRANT, ...inBody() }, { authorization: '' }],
      400,
      'invalid_request',
    ],
    [
      'Basic twice, as HTTP joins it',
      () => {
        const { authorization = '' } = authenticated();
        return [GRANT, { authorization: `${authorization}, ${authorization}` }];
      },
      400,
      'invalid_request',
    ],
    ['two client ids', () => [{ ...GRANT, client_id: 'svc_other' }, authenticated()], 400, 'invalid_request'],
    [
      'a secret without a client id',
      () => [{ ...GRANT, client_secret: client.clientSecret }, {}],
      400,
      'invalid_request',
    ],
    ['the header pair of Access', () => [GRANT, pairOf(client)], 401, 'invalid_client'],
  ])('for a client that shows %s', async (_what, request, status, error) => {
    const answer = await broker.post('/token', ...request());
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error });
    expect(answer.headers.get('www-authenticate')).toBe(
      status === 401 ? 'Basic realm="broker", charset="UTF-8"' : null,
    );
  });

  it.each([
    ['JSON', 'application/json', '{"grant_type":"client_credentials"}', 400],
    ['no type', undefined, 'grant_type=client_credentials', 400],
    ['a body over 16 KiB', 'application/x-www-form-urlencoded', `x=${'a'.repeat(17_000)}`, 413],
    ['a parameter that comes twice', 'application/x-www-form-urlencoded', 'grant_type=a&grant_type=b', 400],
  ])('for %s', async (_what, type, body, status) => {
    const headers = { ...authenticated(), 'content-type': type ?? '' };
    const answer = await broker.app.request('https://broker.test/token', { method: 'POST', headers, body });
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: 'invalid_request' });
  });

  it('for two resources', async () => {
    const body = new URLSearchParams({ ...GRANT });
    body.append('resource', `${COUNTER}2`);
    const answer = await broker.app.request('https://broker.test/token', {
      method: 'POST',
      headers: authenticated(),
      body,
    });
    expect(await answer.json()).toMatchObject({ error: 'invalid_target' });
  });

  it('for another method', async () => {
    const answer = await broker.app.request('https://broker.test/token');
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('POST');
    expect(await answer.json()).toMatchObject({ error: 'invalid_request' });
  });

  it('for an agent that the token is not limited to, as for one that does not exist', async () => {
    const limited = await broker.makeServiceToken({ agents: ['lobby'] });
    const answer = await broker.post('/token', GRANT, basic(limited.clientId, limited.clientSecret));
    expect(await answer.json()).toMatchObject({ error: 'invalid_target' });
  });

  it('for a service token that has ended', async () => {
    const ended = await broker.makeServiceToken({ expiresAt: NOW });
    const answer = await broker.post('/token', GRANT, basic(ended.clientId, ended.clientSecret));
    expect([answer.status, await answer.json()]).toMatchObject([401, { error: 'invalid_client' }]);
  });
});

describe('the log has the same security events as at POST /tickets,', () => {
  const linesOf = async (body: Record<string, string>, headers: Record<string, string>) => {
    const before = broker.logged.length;
    await broker.post('/token', body, headers);
    return broker.logged.slice(before);
  };
  const AT_TOKEN = { method: 'POST', path: '/token', request_id: expect.any(String) };

  it('of a client that authenticated', async () => {
    expect(await linesOf(GRANT, authenticated())).toEqual([
      {
        event: 'auth_success',
        ...AT_TOKEN,
        principal: `token:${client.id}`,
        tier: 'pro',
        auth_method: 'service-token',
        ip_address: '192.0.2.1',
        trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
        span_id: expect.stringMatching(/^[0-9a-f]{16}$/),
      },
    ]);
  });

  it.each<[string, () => [Record<string, string>, Record<string, string>], string]>([
    ['a typo', () => [GRANT, basic(client.clientId, 'atk_x')], 'credential_malformed'],
    ['an unknown client', () => [GRANT, basic(UNKNOWN.id, UNKNOWN.secret)], 'credential_unknown'],
    [
      'a client with the secret of another',
      () => [GRANT, basic(other.clientId, client.clientSecret)],
      'credential_secret_wrong',
    ],
    [
      'a client in the body with the secret of another',
      () => [{ ...GRANT, client_id: other.clientId, client_secret: client.clientSecret }, {}],
      'credential_secret_wrong',
    ],
    ['two methods at once', () => [{ ...GRANT, ...inBody() }, authenticated()], 'credential_ambiguous'],
    ['a bearer token', () => [GRANT, { authorization: 'Bearer x' }], 'credential_malformed'],
  ])('of %s', async (_what, request, reason) => {
    expect(await linesOf(...request())).toMatchObject([
      { event: 'auth_failure', ...AT_TOKEN, reason },
      { event: 'refused', reason },
    ]);
  });

  it('of who was refused a ticket, by name', async () => {
    const [, refused] = await linesOf({ ...GRANT, scope: 'agent:rpc:reset' }, authenticated());
    expect(refused).toMatchObject({ event: 'refused', principal: `token:${client.id}` });
  });
});
