import {
  Client,
  ClientCredentialsProvider,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';

type Credentials = ConstructorParameters<typeof ClientCredentialsProvider>[0];

/** A page with the stock MCP client. */
class Mcp {
  /** The answer of the tool `whoami` at an agent, by a ticket that the page was given or by client credentials. */
  async whoami(agent: string, by: { readonly ticket: string } | Credentials): Promise<string> {
    const authProvider =
      'ticket' in by ? { token: async () => by.ticket } : new ClientCredentialsProvider(by);
    const client = new Client({ name: 'page', version: '1.0.0' });
    await client.connect(new StreamableHTTPClientTransport(new URL(agent), { authProvider }));
    const { content } = await client.callTool({ name: 'whoami', arguments: {} });
    await client.close();
    const [first] = content;
    return first?.type === 'text' ? first.text : '';
  }
}

declare global {
  interface Window {
    readonly mcp: Mcp;
  }
}

Object.assign(window, { mcp: new Mcp() });
