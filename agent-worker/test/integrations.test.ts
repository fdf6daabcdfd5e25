import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, test } from 'vitest';
import { MCP_URL, openProvider } from './mcp-provider.ts';
import { connect, HOST, worker } from './sockets.ts';
import { makeTicket, newInstance, rights } from './tickets.ts';

/** The example agent whose owner adds MCP servers and gets webhooks. */

async function open(role: 'viewer' | 'owner' = 'owner', instance = newInstance()) {
  const ticket = await makeTicket({ agent: 'integrations', instance, ...rights('integrations', role) });
  const socket = await connect(`/agents/integrations/${instance}`, {
    ticket,
    headers: { origin: HOST },
  });
  return { instance, socket };
}

const stateOf = (instance: string) =>
  runInDurableObject(env.INTEGRATIONS.getByName(instance), ({ state }) => state);

describe('a webhook', () => {
  async function urlOf({ socket }: Awaited<ReturnType<typeof open>>): Promise<string> {
    return String((await socket.call('webhookUrl')).result);
  }
  const send = (url: string, body: string, headers: Record<string, string> = {}) =>
    worker(new Request(url, { method: 'POST', body, headers }));

  test('is in the state of the list, with the beginning of its body', async () => {
    const list = await open();
    const url = await urlOf(list);
    expect(new URL(url).pathname).toBe(`/agents/integrations/${list.instance}/hooks/webhook`);
    const answer = await send(url, 'x'.repeat(600), { 'content-type': 'text/plain' });
    expect(answer.status).toBe(204);
    expect(await stateOf(list.instance)).toMatchObject({
      deliveries: [{ type: 'text/plain', text: 'x'.repeat(500) }],
    });
  });

  test('pushes out the oldest of ten', async () => {
    const list = await open();
    const url = await urlOf(list);
    for (let n = 1; n <= 11; n += 1) await send(url, `number ${n}`);
    const { deliveries } = await stateOf(list.instance);
    expect(deliveries.map(({ text }) => text)).toEqual(
      Array.from({ length: 10 }, (_, n) => `number ${11 - n}`),
    );
  });

  test('is a request of a callback: one with a ticket is not', async () => {
    const { instance } = await open();
    const url = `${HOST}/agents/integrations/${instance}/hooks/webhook`;
    const scope = 'agent:connect agent:message';
    const ticket = await makeTicket({ agent: 'integrations', instance, transport: 'http', scope });
    expect((await send(url, 'mine', { authorization: `Bearer ${ticket}` })).status).toBe(404);
    expect(await stateOf(instance)).toEqual({ deliveries: [] });
  });
});

describe('an MCP server', () => {
  test('that asks for a sign-in has an address for the sign-in, and the name of its host', async () => {
    openProvider();
    const { socket } = await open();
    const { result } = await socket.call('addServer', MCP_URL);
    expect(result).toEqual({ id: expect.any(String), authUrl: expect.stringContaining('https://id.test/') });
    const { mcp } = await socket.next(0, ({ type, mcp }) =>
      Boolean(type === 'cf_agent_mcp_servers' && JSON.stringify(mcp).includes('authenticating')),
    );
    expect(mcp).toMatchObject({ servers: { [Object(result).id]: { name: 'mcp.test' } } });
    await socket.call('removeServer', Object(result).id);
    await socket.next(0, ({ mcp }) => JSON.stringify(Object(mcp).servers) === '{}');
  });

  test.for([
    'not an address',
    'ftp://mcp.test',
    'http://mcp.test/',
    'https://user@mcp.test/',
    'javascript:alert(1)',
    7,
  ])('at %j is refused with what to do, and gets no request', async (address) => {
    const provider = openProvider();
    const { socket } = await open();
    expect(await socket.call('addServer', address)).toMatchObject({
      success: false,
      error: 'The address of a server must begin with https:// and contain no user name.',
    });
    expect(provider.seen.registered).toEqual([]);
  });

  test('over the limit is refused, and one that was added already is not', async () => {
    openProvider();
    const { socket } = await open();
    const at = (n: number) => `${MCP_URL}?n=${n}`;
    for (let n = 1; n <= 5; n += 1) await socket.call('addServer', at(n));
    expect(await socket.call('addServer', at(6))).toMatchObject({
      error: 'There are 5 servers already. Remove one first.',
    });
    expect(await socket.call('addServer', at(5))).not.toMatchObject({
      error: 'There are 5 servers already. Remove one first.',
    });
  });
});

test.for(['addServer', 'removeServer', 'webhookUrl'])('a viewer may not call %s', async (method) => {
  const { socket } = await open('viewer');
  expect(await socket.call(method, MCP_URL)).toMatchObject({ success: false, error: 'forbidden' });
});
