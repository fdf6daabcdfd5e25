import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import {
  Client,
  SSEClientTransport,
  StreamableHTTPClientTransport,
  type Transport,
} from '@modelcontextprotocol/client';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { askForTicket, asOperator, asService, mint } from './broker.ts';
import { signByBroker, ticketClaims } from './signed-by-hand.ts';
import { socketUrl, watchToClose } from './sockets.ts';
import { sessionsOf } from './stack-queries.ts';

/** Machines with the stock MCP client, which sends a ticket as a bearer token. */

const AGENT = 'mcp-agent';
const principal = (): string => `token:${inject('stack').adminToken.id}`;
const ticketFor = async (instance: string): Promise<string> =>
  (await mint({ agent: AGENT, instance, transport: 'http' }, asOperator())).ticket;
const urlOf = (instance: string, path: 'mcp' | 'sse'): URL =>
  new URL(`/agents/${AGENT}/${instance}/${path}`, inject('stack').agentWorker);

type Bearer = { readonly token: () => Promise<string> };
const TRANSPORTS: Readonly<Record<'mcp' | 'sse', (instance: string, authProvider: Bearer) => Transport>> = {
  mcp: (instance, authProvider) =>
    new StreamableHTTPClientTransport(urlOf(instance, 'mcp'), { authProvider }),
  sse: (instance, authProvider) => new SSEClientTransport(urlOf(instance, 'sse'), { authProvider }),
};

/** The protocol of 2026 and that of 2025 over streamable HTTP, and the transport of 2024. */
const KINDS = [
  { name: 'streamable HTTP, present protocol', path: 'mcp', mode: 'auto' },
  { name: 'streamable HTTP, protocol of 2025', path: 'mcp', mode: 'legacy' },
  { name: 'HTTP+SSE', path: 'sse', mode: 'legacy' },
] as const;
const [PRESENT, OF_2025] = KINDS;

async function connected(
  { path, mode }: (typeof KINDS)[number],
  instance: string,
  token = () => ticketFor(instance),
): Promise<Client> {
  const client = new Client({ name: 'tests', version: '1.0.0' }, { versionNegotiation: { mode } });
  onTestFinished(() => client.close());
  await client.connect(TRANSPORTS[path](instance, { token }));
  return client;
}

async function called(client: Client, name: string, args: Record<string, unknown> = {}) {
  const { content, isError } = await client.callTool({ name, arguments: args });
  const [first] = content;
  if (first?.type !== 'text') throw new TypeError('no text');
  return { text: first.text, isError: isError === true };
}

/** A ticket with rights that the broker would not give at once: another role, another end. */
const signed = (instance: string, claims: Record<string, unknown>): Promise<string> =>
  signByBroker({
    ...ticketClaims(instance),
    agent: AGENT,
    scope: 'agent:connect agent:state:read agent:message',
    transport: 'http',
    ...claims,
  });

const terminate = (id: string) =>
  fetch(`${inject('stack').broker}/admin/agents/sessions/${id}`, { method: 'DELETE', headers: asOperator() });

describe.each(KINDS)('over $name', (kind) => {
  const named = (what: string): string => `${what}-${kind.path}-${kind.mode}`;

  it('a client lists tools, calls them, and is known by its ticket', async () => {
    const instance = named('tools');
    const client = await connected(kind, instance);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['whoami', 'list_notes', 'add_note', 'wait_for_note']);
    expect(JSON.parse((await called(client, 'whoami')).text)).toEqual({
      principal: principal(),
      role: 'viewer',
      tier: 'admin',
      scope: 'agent:connect agent:state:read agent:message',
    });
    expect(await called(client, 'list_notes')).toEqual({ text: '[]', isError: false });
    expect(await called(client, 'add_note', { text: 'no' })).toMatchObject({ isError: true });
  });

  it('a client with the scope writes a note that all others read', async () => {
    const instance = named('notes');
    const writer = await connected(kind, instance, () =>
      signed(instance, { jti: crypto.randomUUID(), role: 'admin' }),
    );
    expect(await called(writer, 'add_note', { text: 'milk' })).toMatchObject({ isError: false });
    const reader = await connected(PRESENT, instance);
    const { contents } = await reader.readResource({ uri: 'notes://all' });
    expect(JSON.stringify(contents)).toContain('milk');
    expect(JSON.parse((await called(reader, 'list_notes')).text)).toMatchObject([
      { text: 'milk', by: 'token:mallory' },
    ]);
  });

  it('a call that reports progress is a session while it lasts, and ends with a termination', async () => {
    const instance = named('terminated');
    const client = await connected(kind, instance);
    const waiting = wait(client);
    const id = await eventually(async () => {
      const open = (await sessionsOf(AGENT, instance)).filter((row) => row.ended_at === null);
      expect(open).toHaveLength(1);
      return open[0]?.id ?? '';
    });
    await eventually(() => expect(waiting.progress()).toBeGreaterThan(0));
    const answer = await terminate(id);
    expect([answer.status, await answer.json()]).toMatchObject([200, { receipt: { closed: 1, objects: 1 } }]);
    await eventually(async () =>
      expect(await sessionsOf(AGENT, instance)).toContainEqual(
        expect.objectContaining({ id, end_reason: 'session_terminated' }),
      ),
    );
    await waiting.broken;
  });

  it('a stream is cut when its rights end', async () => {
    const instance = named('expired');
    // Each request has its own, which a busy machine must bring to the gate before it ends.
    const token = () =>
      signed(instance, { jti: crypto.randomUUID(), session_expiry: Math.floor(Date.now() / 1000) + 8 });
    const client = await connected(kind, instance, token);
    const waiting = wait(client);
    await waiting.broken;
    await eventually(async () =>
      expect(await sessionsOf(AGENT, instance)).toContainEqual(
        expect.objectContaining({ end_reason: 'session_expired' }),
      ),
    );
  });
});

/** Waits for a note that is never added. Counts the reports of progress, and resolves `broken` with the end of its stream. */
function wait(client: Client) {
  let count = 0;
  const broken = new Promise<void>((resolve) => {
    client.onerror = () => resolve();
  });
  const stop = new AbortController();
  client
    .callTool(
      { name: 'wait_for_note', arguments: { seconds: 25 } },
      { onprogress: () => (count += 1), signal: stop.signal },
    )
    // The stock client still waits for the result of a broken stream.
    .catch((error: unknown) => expect(stop.signal.aborted, String(error)).toBe(true));
  onTestFinished(() => stop.abort());
  return { broken, progress: () => count };
}

it('one ticket admits calls without a stream for a minute', async () => {
  for (const kind of [PRESENT, OF_2025]) {
    const instance = `one-ticket-${kind.mode}`;
    const ticket = await ticketFor(instance);
    const client = await connected(kind, instance, async () => ticket);
    await client.listTools();
    expect(await called(client, 'list_notes')).toMatchObject({ isError: false });
    expect(await sessionsOf(AGENT, instance)).toEqual([]);
  }
});

it('a client receives changes on a stream that is its session', async () => {
  const instance = 'subscribed';
  const client = await connected(PRESENT, instance);
  const notified = new Promise<string>((resolve) => {
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => resolve(params.uri));
  });
  const subscription = await client.listen({ resourceSubscriptions: ['notes://all'] });
  const writer = await connected(PRESENT, instance, () =>
    signed(instance, { jti: crypto.randomUUID(), role: 'admin' }),
  );
  await called(writer, 'add_note', { text: 'a note' });
  expect(await notified).toBe('notes://all');
  await subscription.close();
  // The runtime does not report that a client left: the next keep-alive that cannot be written ends the session.
  await eventually(async () =>
    expect(await sessionsOf(AGENT, instance)).toEqual([
      expect.objectContaining({ end_reason: 'client_closed' }),
    ]),
  );
});

it('only services with the permission and the tier get a ticket, and sockets and anonymous clients get nothing', async () => {
  const ticketRequest = { agent: AGENT, instance: 'guarded', transport: 'http' } as const;
  expect((await askForTicket(ticketRequest, asService())).status).toBe(403);
  expect((await fetch(urlOf('guarded', 'mcp'), { method: 'POST' })).status).toBe(401);
  expect((await askForTicket({ ...ticketRequest, transport: 'websocket' }, asOperator())).status).toBe(403);
  const ticket = await ticketFor('guarded');
  const headers = { authorization: `Bearer ${ticket}` };
  const seen = await watchToClose(socketUrl(AGENT, 'guarded'), { headers });
  expect(seen).toMatchObject({ frames: [], code: 4003 });
});

it('a client cannot post into the stream of another', async () => {
  const instance = 'not-yours';
  const answer = await fetch(urlOf(instance, 'sse'), {
    headers: { authorization: `Bearer ${await ticketFor(instance)}` },
  });
  const reader = answer.body?.getReader();
  onTestFinished(() => reader?.cancel());
  const text = new TextDecoder().decode((await reader?.read())?.value);
  const endpoint = /data: (\S+)/.exec(text)?.[1] ?? '';
  const post = async (ticket: string): Promise<number> =>
    (
      await fetch(new URL(endpoint, inject('stack').agentWorker), {
        method: 'POST',
        headers: { authorization: `Bearer ${ticket}`, 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }),
      })
    ).status;
  expect(await post(await signed(instance, { sub: 'token:eve' }))).toBe(404);
  expect(await post(await ticketFor(instance))).toBe(202);
});
