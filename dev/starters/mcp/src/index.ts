import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { Agent, routeAgentRequest } from 'agents';
import { McpAgent } from 'agents/mcp';
import { z } from 'zod';

interface Sum {
  sum: number;
}

/** An MCP server with a number for each of its sessions. */
export class Tally extends McpAgent<Env, Sum> {
  server = new McpServer({ name: 'tally', version: '1.0.0' });
  initialState: Sum = { sum: 0 };

  async init() {
    const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
    this.server.registerTool(
      'add',
      { description: 'Adds to the sum.', inputSchema: { number: z.number() } },
      ({ number }) => {
        this.setState({ sum: this.state.sum + number });
        return text(`${this.state.sum}`);
      },
    );
    this.server.registerTool(
      'countdown',
      { description: 'Counts down aloud.', inputSchema: { from: z.number() } },
      async ({ from }, { sendNotification, _meta }) => {
        for (let left = from; left > 0; left -= 1) {
          await sendNotification({
            method: 'notifications/progress',
            params: { progressToken: _meta?.progressToken ?? 0, progress: from - left, total: from },
          });
          await scheduler.wait(100);
        }
        return text('lift-off');
      },
    );
    this.server.registerResource('sum', 'tally://sum', {}, (uri) => ({
      contents: [{ uri: uri.href, text: String(this.state.sum) }],
    }));
  }
}

/** Uses the server of this worker, without the network. */
export class Desk extends Agent<Env> {
  async onRequest() {
    await this.addMcpServer('tally', this.env.TALLY);
    return Response.json(this.mcp.listTools().map(({ name }) => name));
  }
}

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === '/mcp') return Tally.serve('/mcp', { binding: 'TALLY' }).fetch(request, env, ctx);
    if (pathname.startsWith('/sse'))
      return Tally.serveSSE('/sse', { binding: 'TALLY' }).fetch(request, env, ctx);
    return (await routeAgentRequest(request, env)) ?? new Response('Not found', { status: 404 });
  },
} satisfies ExportedHandler<Env>;
