import { listDurableObjectIds, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { AgentSlug, InstanceName } from '@agent-ticket/shared/names.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { lock, NEXT_REV, revoke, send } from './commands.ts';
import { gate } from './gate.ts';
import { ask, HOST, refusedSocket } from './sockets.ts';
import { makeTicket, newInstance, SUBJECT } from './tickets.ts';

/** The SDK's `McpAgent` behind the gate, with the stock client of MCP. */

const READER = 'agent:connect agent:state:read';
const SCOPE = `${READER} agent:message`;
const ticketOf = (instance: string, other: object = {}) =>
  makeTicket({ instance, agent: 'toolbox', scope: SCOPE, transport: 'http', ...other });

type NewTicket = () => Promise<string>;

/** A client's `fetch`, with a ticket of its own for each request. */
const fetchWith =
  (newTicket: NewTicket) =>
  async (url: string | URL, init?: RequestInit): Promise<Response> => {
    const headers = new Headers(init?.headers);
    headers.set('authorization', `Bearer ${await newTicket()}`);
    const { method = 'GET', body, signal } = init ?? {};
    return gate(
      new Request(url, { method, headers, ...(body ? { body } : {}), ...(signal ? { signal } : {}) }),
    );
  };

const urlOf = (instance: string, path: string) => new URL(`${HOST}/agents/toolbox/${instance}/${path}`);
type Kind<T> = { readonly name: string; readonly transport: (instance: string, newTicket: NewTicket) => T };
const HTTP: Kind<StreamableHTTPClientTransport> = {
  name: 'streamable HTTP',
  transport: (instance, newTicket) =>
    new StreamableHTTPClientTransport(urlOf(instance, 'mcp'), { fetch: fetchWith(newTicket) }),
};
const SSE: Kind<SSEClientTransport> = {
  name: 'HTTP+SSE',
  transport: (instance, newTicket) =>
    new SSEClientTransport(urlOf(instance, 'sse'), { fetch: fetchWith(newTicket) }),
};
const KINDS: readonly Kind<Transport>[] = [HTTP, SSE];

async function connected<T extends Transport>(
  kind: Kind<T>,
  instance: string,
  newTicket = () => ticketOf(instance),
) {
  const client = new Client({ name: 'tests', version: '1.0.0' });
  const transport = kind.transport(instance, newTicket);
  onTestFinished(() => client.close());
  await client.connect(transport);
  return { client, transport };
}

async function called(client: Client, name: string): Promise<string> {
  const { content } = await client.callTool({ name });
  return JSON.stringify(content);
}

describe.each(KINDS)('over $name', (kind) => {
  test('a stock client lists tools, calls them, and keeps the state of its session', async () => {
    const instance = newInstance();
    const { client } = await connected(kind, instance);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['add_one', 'whoami', 'work_for_ever']);
    expect(await called(client, 'add_one')).toContain('"1"');
    expect(await called(client, 'add_one')).toContain('"2"');
    const other = await connected(kind, instance);
    expect(await called(other.client, 'add_one')).toContain('"1"');
  });

  test('a tool knows its caller and the rights of the very message', async () => {
    const instance = newInstance();
    const { client } = await connected(kind, instance);
    const seen = await called(client, 'whoami');
    expect(seen).toContain(SUBJECT);
    expect(seen).toContain('agent:message');
    expect(seen).toContain('opened');
  });
});

const front = (instance: string) => env.TOOLBOX.getByName(instance);
const sessionNames = (instance: string) =>
  runInDurableObject(front(instance), (_, { storage }) =>
    storage.sql.exec('SELECT name FROM ticket_mcp_sessions').toArray(),
  );

/** The ids of every object of the class: instances and sessions. */
const objects = async () => (await listDurableObjectIds(env.TOOLBOX)).length;
const post = (instance: string, ticket: string, headers: Record<string, string> = {}) =>
  ask(`/agents/toolbox/${instance}/mcp`, {
    method: 'POST',
    ticket,
    front: gate,
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  });
const sessionIdOf = ({ sessionId }: StreamableHTTPClientTransport) => {
  if (sessionId === undefined) throw new TypeError('no session');
  return { 'mcp-session-id': sessionId };
};

describe('a session', () => {
  test.for(KINDS)('over $name is opened by no ticket without the scope for messages', async (kind) => {
    const instance = newInstance();
    const reader = () => ticketOf(instance, { scope: READER });
    await expect(connected(kind, instance, reader)).rejects.toThrow(/403|FORBIDDEN/);
  });

  test('is served by one ticket for as long as its answers end', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    const { transport } = await connected(HTTP, instance);
    for (let n = 0; n < 3; n += 1) {
      const answer = await post(instance, ticket, sessionIdOf(transport));
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
      expect(answer.headers.has('access-control-allow-origin')).toBe(false);
    }
  });

  test('belongs to its principal: another one with the id finds no session, and wakes none', async () => {
    const instance = newInstance();
    const { transport } = await connected(HTTP, instance);
    const before = await objects();
    const other = await ticketOf(instance, { sub: 'auth0:tenant.example:auth0|43' });
    expect((await post(instance, other, sessionIdOf(transport))).status).toBe(404);
    const unknown = { 'mcp-session-id': crypto.randomUUID() };
    expect((await post(instance, await ticketOf(instance), unknown)).status).toBe(404);
    expect((await post(instance, await ticketOf(instance), sessionIdOf(transport))).status).toBe(200);
    expect(await objects()).toBe(before);
  });

  test('of one instance is none of another', async () => {
    const [instance, other] = [newInstance(), newInstance()];
    const { transport } = await connected(HTTP, instance);
    expect((await post(other, await ticketOf(other), sessionIdOf(transport))).status).toBe(404);
  });

  test('ends by its client, with all that it held', async () => {
    const instance = newInstance();
    const { transport } = await connected(HTTP, instance);
    const id = sessionIdOf(transport);
    const session = env.TOOLBOX.getByName(`streamable-http:${id['mcp-session-id']}`);
    expect(await session.getInitializeRequest()).toMatchObject({ method: 'initialize' });
    await transport.terminateSession();
    expect((await post(instance, await ticketOf(instance), id)).status).toBe(404);
    await eventually(async () => expect(await session.getInitializeRequest()).toBeUndefined());
  });

  test('has an object that answers nothing but its instance', async () => {
    const instance = newInstance();
    const { transport } = await connected(HTTP, instance);
    const session = env.TOOLBOX.getByName(`streamable-http:${transport.sessionId}`);
    const answer = await session.fetch(`${HOST}/agents/toolbox/x/mcp`, { headers: { upgrade: 'websocket' } });
    expect([answer.status, answer.webSocket]).toEqual([403, null]);
  });
});

/** A call that reports its progress without end, and what became of it. */
function working(client: Client) {
  const seen = { progress: 0, error: undefined as unknown };
  client.onerror = (error) => (seen.error ??= error);
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  client
    .callTool({ name: 'work_for_ever' }, undefined, {
      onprogress: () => (seen.progress += 1),
      signal: stop.signal,
    })
    .catch(() => {});
  return seen;
}

test.for(KINDS)('over $name a lock ends the stream of a call, and refuses the next one', async (kind) => {
  const instance = newInstance();
  const { client } = await connected(kind, instance);
  const seen = working(client);
  await eventually(() => expect(seen.progress).toBeGreaterThan(1));
  await revoke(front(instance), lock(`instance:toolbox/${instance}`));
  await eventually(() => expect(seen.error).toBeDefined());
  await expect(client.listTools()).rejects.toThrow();
});

test('the deletion of an instance deletes the sessions below it', async () => {
  const instance = newInstance();
  const { transport } = await connected(HTTP, instance);
  const session = env.TOOLBOX.getByName(`streamable-http:${transport.sessionId}`);
  expect(await session.getInitializeRequest()).toBeDefined();
  const target = `instance:toolbox/${instance}`;
  const revocation = { ...lock(target), kind: 'before', rev: NEXT_REV } as const;
  const place = { agent: AgentSlug.parse('toolbox'), instance: InstanceName.parse(instance) };
  await send(front(instance), { op: 'destroy', ...place, revocation }).catch(() => {});
  await eventually(async () =>
    expect(
      await env.TOOLBOX.getByName(`streamable-http:${transport.sessionId}`).getInitializeRequest(),
    ).toBeUndefined(),
  );
});

test('a session of the older transport ends with its stream, and its object with it', async () => {
  const instance = newInstance();
  const before = await sessionNames(instance);
  const { client } = await connected(SSE, instance);
  await client.listTools();
  expect([before, (await sessionNames(instance)).length]).toEqual([[], 1]);
  await client.close();
  await eventually(async () => expect(await sessionNames(instance)).toEqual([]));
});

test('the deletion of an instance with an open stream of the older transport is done at once', async () => {
  const instance = newInstance();
  const { client } = await connected(SSE, instance);
  await client.listTools();
  const [session] = await sessionNames(instance);
  const target = `instance:toolbox/${instance}`;
  const revocation = { ...lock(target), kind: 'before', rev: NEXT_REV } as const;
  const place = { agent: AgentSlug.parse('toolbox'), instance: InstanceName.parse(instance) };
  expect(await send(front(instance), { op: 'destroy', ...place, revocation })).toEqual({ closed: 1 });
  const left = env.TOOLBOX.getByName(String(session?.name));
  await eventually(async () => expect(await left.getInitializeRequest()).toBeUndefined());
});

test('an upgrade opens no session of MCP', async () => {
  const instance = newInstance();
  const before = await objects();
  const answer = await ask(`/agents/toolbox/${instance}/sse`, {
    ticket: await ticketOf(instance, { transport: 'websocket' }),
    front: gate,
    headers: { upgrade: 'websocket', accept: 'text/event-stream' },
  });
  await refusedSocket(answer);
  expect([await sessionNames(instance), (await objects()) - before]).toEqual([[], 1]);
});

test('agent code destroys an instance with an open stream of the older transport', async () => {
  const instance = newInstance();
  const { client } = await connected(SSE, instance);
  await client.listTools();
  const [session] = await sessionNames(instance);
  const done = await runInDurableObject(front(instance), (object) => object.destroy()).then(
    () => 'done',
    String,
  );
  const left = env.TOOLBOX.getByName(String(session?.name));
  await eventually(async () => expect(await left.getInitializeRequest()).toBeUndefined());
  expect(done).toBe('done');
});
