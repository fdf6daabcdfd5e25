import {
  Client,
  ClientCredentialsProvider,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { ClientCredentialsProvider as ClientCredentialsProvider1 } from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, inject, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { makeMachine } from './machine.ts';

/** Stock MCP clients that know the address of an agent alone: they find the broker, and get a ticket there. */

const AGENT = 'mcp-agent';
const urlOf = (instance: string): URL =>
  new URL(`/agents/${AGENT}/${instance}/mcp`, inject('stack').agentWorker);

const NAMED = { name: 'tests', version: '1.0.0' };

/** Of the present client, and of the one before it. */
const textIn = (answer: unknown): string =>
  z.object({ content: z.tuple([z.object({ text: z.string() })]) }).parse(answer).content[0].text;

it('the client gets in with client credentials, and gets another ticket where a stream used the first up', async () => {
  const machine = await makeMachine();
  const authProvider = new ClientCredentialsProvider(machine.credentials);
  const client = new Client(NAMED);
  onTestFinished(() => client.close());
  await client.connect(new StreamableHTTPClientTransport(urlOf('by-credentials'), { authProvider }));
  const whoami = async () => JSON.parse(textIn(await client.callTool({ name: 'whoami', arguments: {} })));
  expect(await whoami()).toMatchObject({ principal: `token:${machine.id}`, role: 'viewer' });

  const before = authProvider.tokens()?.access_token;
  const wait = { name: 'wait_for_note', arguments: { seconds: 2 } };
  expect(textIn(await client.callTool(wait, { onprogress: () => {} }))).toBeTypeOf('string');
  expect(await whoami()).toMatchObject({ principal: `token:${machine.id}` });
  expect(authProvider.tokens()?.access_token).not.toBe(before);
});

it('the client of the SDK before gets in, too', async () => {
  const machine = await makeMachine();
  const authProvider = new ClientCredentialsProvider1(machine.credentials);
  const client = new Client1(NAMED);
  onTestFinished(() => client.close());
  await client.connect(new Transport1(urlOf('by-the-sdk-before'), { authProvider }));
  const answer = await client.callTool({ name: 'whoami', arguments: {} });
  expect(JSON.parse(textIn(answer))).toMatchObject({ principal: `token:${machine.id}` });
});

it.each([
  ['the credentials of another broker', async () => ({ expectedIssuer: 'https://other.test' })],
  ['a wrong secret', async () => ({ clientSecret: 'wrong' })],
  ['a token without the permission that the agent asks for', async () => (await makeMachine([])).credentials],
])('the client does not get in with %s', async (_what, differs) => {
  const { credentials } = await makeMachine();
  const authProvider = new ClientCredentialsProvider({ ...credentials, ...(await differs()) });
  const client = new Client(NAMED);
  onTestFinished(() => client.close());
  const transport = new StreamableHTTPClientTransport(urlOf('refused'), { authProvider });
  await expect(client.connect(transport)).rejects.toThrow();
  expect(authProvider.tokens()).toBeUndefined();
});

it('the client may use a ticket that it was given, until it is revoked', async () => {
  const machine = await makeMachine();
  const { broker } = inject('stack');
  const { clientId, clientSecret } = machine.credentials;
  const headers = { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` };
  const body = { grant_type: 'client_credentials', resource: urlOf('supplied').href };
  const send = (path: string, form: Record<string, string>) =>
    fetch(new URL(path, broker), { method: 'POST', headers, body: new URLSearchParams(form) });
  const granted = await (await send('/token', body)).json();
  const ticket = z.object({ access_token: z.string() }).parse(granted).access_token;

  const client = new Client(NAMED);
  onTestFinished(() => client.close());
  const authProvider = { token: async () => ticket };
  await client.connect(new StreamableHTTPClientTransport(urlOf('supplied'), { authProvider }));
  const whoami = () => client.callTool({ name: 'whoami', arguments: {} });
  expect(JSON.parse(textIn(await whoami()))).toMatchObject({ principal: `token:${machine.id}` });
  expect(await (await send('/introspect', { token: ticket })).json()).toMatchObject({
    active: true,
    agent: AGENT,
    instance: 'supplied',
  });
  expect((await send('/revoke', { token: ticket })).status).toBe(200);
  await expect(whoami()).rejects.toThrow();
  expect(await (await send('/introspect', { token: ticket })).json()).toEqual({ active: false });
});
