import { listDurableObjectIds } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { lock } from './commands.ts';
import { gate } from './gate.ts';
import { ask, HOST } from './sockets.ts';
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
const KINDS = [
  {
    name: 'streamable HTTP',
    transport: (instance: string, newTicket: NewTicket) =>
      new StreamableHTTPClientTransport(urlOf(instance, 'mcp'), { fetch: fetchWith(newTicket) }),
  },
  {
    name: 'HTTP+SSE',
    transport: (instance: string, newTicket: NewTicket) =>
      new SSEClientTransport(urlOf(instance, 'sse'), { fetch: fetchWith(newTicket) }),
  },
] as const;
const [HTTP] = KINDS;

async function connected(
  kind: (typeof KINDS)[number],
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
