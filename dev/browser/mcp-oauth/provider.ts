import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerJson, listenOnLoopback } from 'agent-ticket/src/identity-provider/http.ts';
import {
  createMcpServer,
  type McpServerOptions,
  mcpServerUrl,
} from 'agent-ticket/src/identity-provider/mcp-server.ts';
import { answerError } from 'agent-ticket/src/identity-provider/routes.ts';

interface ProviderOptions extends McpServerOptions {
  /** The keys of the tickets, where the app's worker fetches them here as well. */
  readonly jwks?: () => Promise<unknown>;
}

/** The MCP server of the stand-in, on a port of its own. */
export async function openProvider({ jwks, ...options }: ProviderOptions = {}) {
  const mcpServer = createMcpServer(options);
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (await mcpServer.answer(request, response)) return;
    if (request.url === '/jwks.json' && jwks !== undefined) answerJson(response, 200, await jwks());
    else answerJson(response, 404, {});
  }
  const server = await listenOnLoopback(0, (request, response) => {
    serve(request, response).catch((error: unknown) => answerError(response, error));
  });
  return {
    ...mcpServer,
    jwksUrl: `${server.url}/jwks.json`,
    mcpUrl: mcpServerUrl(server.url),
    close: server.close,
  };
}
