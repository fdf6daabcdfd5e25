import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import {
  Client,
  SSEClientTransport,
  StreamableHTTPClientTransport,
  type Transport,
} from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type App, type Apps, ask, startBoth } from './apps.ts';
import { changedLines } from './install.ts';

/** An MCP server as the SDK's `McpAgent` makes it, without tickets and with them, with the stock client. */

let apps: Apps;
beforeAll(async () => {
  apps = await startBoth('mcp', ['tally', 'desk']);
}, 600_000);
afterAll(async () => {
  await Promise.all([apps?.plain.close(), apps?.guarded.close()]);
});

type Path = 'mcp' | 'sse';

/** Each test has an instance of its own: a principal may send one so many requests in a second. */
async function connected(app: App, path: Path, instance: string = crypto.randomUUID()) {
  const base = app === apps.plain ? `/${path}` : `/agents/tally/${instance}/${path}`;
  const url = new URL(base, app.url);
  const authProvider = { token: () => app.ticket('tally', instance, 'http') };
  const transport: Transport =
    path === 'mcp'
      ? new StreamableHTTPClientTransport(url, { authProvider })
      : new SSEClientTransport(url, { authProvider });
  const client = new Client({ name: 'tests', version: '1.0.0' }, { versionNegotiation: { mode: 'legacy' } });
  onTestFinished(() => client.close());
  await client.connect(transport);
  return { client, transport };
}

const KINDS = (['plain', 'guarded'] as const).flatMap((kind) =>
  (['mcp', 'sse'] as const).map((path) => ({ kind, path })),
);

describe.each(KINDS)('the $kind app over /$path', ({ kind, path }) => {
  it('lists tools, calls them, and keeps a sum for each session', async () => {
    const instance = crypto.randomUUID();
    const { client } = await connected(apps[kind], path, instance);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['add', 'countdown']);
    const add = (number: number) => client.callTool({ name: 'add', arguments: { number } });
    await add(2);
    expect((await add(3)).content).toEqual([{ type: 'text', text: '5' }]);
    const { contents } = await client.readResource({ uri: 'tally://sum' });
    expect(contents).toEqual([{ uri: 'tally://sum', text: '5' }]);
    const other = await connected(apps[kind], path, instance);
    const sum = await other.client.callTool({ name: 'add', arguments: { number: 1 } });
    expect(sum.content).toEqual([{ type: 'text', text: '1' }]);
  });

  it('reports the progress of a call', async () => {
    const { client } = await connected(apps[kind], path);
    const seen: number[] = [];
    const answer = await client.callTool(
      { name: 'countdown', arguments: { from: 3 } },
      { onprogress: ({ progress }) => seen.push(progress) },
    );
    expect(answer.content).toEqual([{ type: 'text', text: 'lift-off' }]);
    expect(seen).toEqual([0, 1, 2]);
  });

  it.runIf(path === 'mcp')('ends a session by its client', async () => {
    const { client, transport } = await connected(apps[kind], path);
    if (!(transport instanceof StreamableHTTPClientTransport)) throw new TypeError('another transport');
    await transport.terminateSession();
    await expect(client.listTools()).rejects.toThrow();
  });
});

it.each(['plain', 'guarded'] as const)(
  'an agent of the %s app uses the server without the network',
  async (kind) => {
    await eventually(async () => {
      const answer = await ask(apps[kind], '/agents/desk/main');
      expect(await answer.json()).toEqual(['add', 'countdown']);
    });
  },
);

it('it is protected by ten lines at most', async () => {
  expect(await changedLines('mcp')).toBeLessThanOrEqual(10);
});
