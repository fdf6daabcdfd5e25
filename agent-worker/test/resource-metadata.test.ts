import { expect, test } from 'vitest';
import { gateConfig, gateWith } from './gate.ts';
import { objectIds } from './objects.ts';
import { ask, HOST, upgrade } from './sockets.ts';
import { ISSUER, makeTicket, newInstance, ORIGIN } from './tickets.ts';

/** Protected resource metadata of agents for machines (RFC 9728), by which MCP clients find the broker. */

const WELL_KNOWN = '/.well-known/oauth-protected-resource';
/** `AGENT_WORKER_URL` of the worker under test. */
const OWN = 'https://agents.test';
const CONFIGURED = gateWith({ config: { ...gateConfig, origin: OWN } });

test.for(['', '/mcp', '/sse'])(
  'the resource with the path “%s” names itself and its broker',
  async (endpoint) => {
    const objects = await objectIds();
    const path = `/agents/mcp-agent/${newInstance()}${endpoint}`;
    const answer = await ask(WELL_KNOWN + path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(await answer.json()).toEqual({
      resource: OWN + path,
      authorization_servers: [ISSUER],
      bearer_methods_supported: ['header'],
    });
    expect(await objectIds()).toEqual(objects);
  },
);

test.for<[what: string, path: string, init: object, status: number]>([
  ['an agent for sockets', '/agents/counter/room', {}, 404],
  ['an unknown agent', '/agents/nobody/room', {}, 404],
  ['another path of the agent', '/agents/mcp-agent/room/admin', {}, 404],
  ['a path below an endpoint', '/agents/mcp-agent/room/mcp/x', {}, 404],
  ['a path that ends in a slash', '/agents/mcp-agent/room/', {}, 404],
  ['no instance', '/agents/mcp-agent', {}, 400],
  ['a name that no instance has', '/agents/mcp-agent/a%20b/mcp', {}, 400],
  ['a sub-agent', '/agents/mcp-agent/room/sub/x/y', {}, 404],
  ['a method that changes something', '/agents/mcp-agent/room/mcp', { method: 'POST' }, 405],
  [
    'an origin that is not listed',
    '/agents/mcp-agent/room/mcp',
    { headers: { origin: 'https://evil.test' } },
    403,
  ],
  ['plain http on a public host', '/agents/mcp-agent/room/mcp', { host: 'http://agents.test' }, 403],
])('there is none for %s', async ([, path, init, status]) => {
  const answer = await ask(WELL_KNOWN + path, { front: gateWith(), ...init });
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ error: { code: expect.any(String) } });
});

test('without the setting the resource has the origin of the request', async () => {
  const path = `/agents/mcp-agent/${newInstance()}/mcp`;
  const answer = await ask(WELL_KNOWN + path, {
    front: gateWith({ config: { ...gateConfig, origin: undefined } }),
  });
  expect(await answer.json()).toMatchObject({ resource: HOST + path });
});

test('a wrong Host names nothing where the origin is configured', async () => {
  const init = { front: CONFIGURED, host: 'https://evil.test' };
  const path = `/agents/mcp-agent/${newInstance()}/mcp`;
  const answer = await ask(WELL_KNOWN + path, init);
  expect(await answer.json()).toMatchObject({ resource: `https://agents.test${path}` });
  expect((await ask(path, init)).headers.get('www-authenticate')).toBe(
    `Bearer realm="agents", resource_metadata="https://agents.test${WELL_KNOWN}${path}"`,
  );
});

test.for<[what: string, path: string, named: string]>([
  ['the endpoint of MCP', '/mcp', '/mcp'],
  ['the endpoint of streams', '/sse', '/sse'],
  ['the instance', '', ''],
  ['a path that is no endpoint', '/other"x', ''],
])('a 401 at %s says where the metadata is', async ([, path, named]) => {
  const place = `/agents/mcp-agent/${newInstance()}`;
  const expected = `Bearer realm="agents", resource_metadata="${OWN}${WELL_KNOWN}${place}${named}"`;
  for (const headers of [{}, { authorization: 'Bearer wrong' }]) {
    const answer = await ask(place + path, { headers });
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, expected]);
  }
  const found = await ask(WELL_KNOWN + place + named);
  expect(await found.json()).toMatchObject({ resource: OWN + place + named });
});

test.for<[what: string, ask: () => Promise<Response>, challenge: string | null]>([
  ['at an agent for sockets', () => ask('/agents/counter/room'), 'Bearer realm="agents"'],
  ['other than a 401', async () => ask('/agents/mcp-agent/room', { ticket: await makeTicket() }), null],
  ['of an upgrade', () => upgrade('/agents/mcp-agent/room'), null],
])('a refusal %s names no metadata', async ([, refused, challenge]) => {
  expect((await refused()).headers.get('www-authenticate')).toBe(challenge);
});

test('a page of a listed origin may read the metadata and the challenge, and asks first', async () => {
  const path = `/agents/mcp-agent/${newInstance()}/mcp`;
  const headers = { origin: ORIGIN };
  const asked = await ask(WELL_KNOWN + path, { headers, method: 'OPTIONS' });
  expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, ORIGIN]);
  expect(asked.headers.get('access-control-allow-headers')).toBe('authorization, *');
  const answer = await ask(WELL_KNOWN + path, { headers });
  expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN);
  expect((await ask(path, { headers })).headers.get('access-control-expose-headers')?.split(', ')).toContain(
    'www-authenticate',
  );
});
