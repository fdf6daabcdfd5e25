import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { answerJson, listenOnLoopback } from 'agent-ticket/src/identity-provider/http.ts';
import * as z from 'zod';

/** An MCP server that asks for OAuth, and its authorization server. */

const Message = z.looseObject({ id: z.unknown().optional(), method: z.string() });
const Registration = z.looseObject({ redirect_uris: z.array(z.string()).length(1) });

const RESULTS: Readonly<Record<string, object>> = {
  initialize: {
    protocolVersion: '2025-06-18',
    capabilities: { tools: {} },
    serverInfo: { name: 'tools', version: '1.0.0' },
  },
  'tools/list': { tools: [{ name: 'hello', inputSchema: { type: 'object' } }] },
};

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

interface ProviderOptions {
  /** The keys of the tickets, where the app's worker fetches them here as well. */
  readonly jwks?: () => Promise<unknown>;
  /** Redirects that somebody has registered by hand, for the client `known`. Left out: clients register themselves. */
  readonly known?: readonly string[];
}

export async function openProvider({ jwks, known }: ProviderOptions = {}) {
  const registered: string[] = [...(known ?? [])];
  const clientId = known === undefined ? 'client-1' : 'known';
  const challenges = new Map<string, string>();
  let redeemed = 0;

  const server = await listenOnLoopback(0, async (request, response) => {
    const url = new URL(request.url ?? '', base);
    const body = await bodyOf(request);
    switch (url.pathname) {
      case '/jwks.json':
        return answerJson(response, 200, await jwks?.());
      case '/.well-known/oauth-protected-resource':
        return answerJson(response, 200, { resource: `${base}/mcp`, authorization_servers: [base] });
      case '/.well-known/oauth-authorization-server':
        return answerJson(response, 200, {
          issuer: base,
          authorization_endpoint: `${base}/authorize`,
          token_endpoint: `${base}/token`,
          ...(known === undefined ? { registration_endpoint: `${base}/register` } : {}),
          response_types_supported: ['code'],
          grant_types_supported: ['authorization_code'],
          code_challenge_methods_supported: ['S256'],
          token_endpoint_auth_methods_supported: ['none'],
        });
      case '/register': {
        if (known !== undefined) return answerJson(response, 404, {});
        const asked = Registration.parse(JSON.parse(body));
        registered.push(...asked.redirect_uris);
        return answerJson(response, 201, { ...asked, client_id: clientId });
      }
      case '/authorize': {
        const back = new URL(url.searchParams.get('redirect_uri') ?? '');
        const isRegistered = url.searchParams.get('client_id') === clientId && registered.includes(back.href);
        if (!isRegistered) return answerJson(response, 400, { error: 'redirect_uri' });
        const code = randomUUID();
        challenges.set(code, url.searchParams.get('code_challenge') ?? '');
        back.searchParams.set('code', code);
        back.searchParams.set('state', url.searchParams.get('state') ?? '');
        response.setHeader('content-type', 'text/html');
        response.end(`<!doctype html><a href="${back.href.replaceAll('&', '&amp;')}">Agree</a>`);
        return;
      }
      case '/token': {
        const form = new URLSearchParams(body);
        const challenge = createHash('sha256')
          .update(form.get('code_verifier') ?? '')
          .digest('base64url');
        if (challenges.get(form.get('code') ?? '') !== challenge)
          return answerJson(response, 400, { error: 'invalid_grant' });
        challenges.delete(form.get('code') ?? '');
        redeemed += 1;
        return answerJson(response, 200, { access_token: 'good', token_type: 'Bearer' });
      }
      case '/mcp': {
        if (request.headers.authorization !== 'Bearer good') {
          const metadata = `${base}/.well-known/oauth-protected-resource`;
          response.setHeader('www-authenticate', `Bearer resource_metadata="${metadata}"`);
          return answerJson(response, 401, {});
        }
        if (request.method !== 'POST') return answerJson(response, 405, {});
        const { id, method } = Message.parse(JSON.parse(body));
        const result = RESULTS[method];
        if (id === undefined) return answerJson(response, 202, {});
        const answer = result === undefined ? { error: { code: -32601, message: 'unknown' } } : { result };
        return answerJson(response, 200, { jsonrpc: '2.0', id, ...answer });
      }
      default:
        return answerJson(response, 404, {});
    }
  });
  /** Another site than that of the app, as providers are. */
  const base = server.url.replace('127.0.0.1', 'localhost');
  return {
    jwksUrl: `${server.url}/jwks.json`,
    mcpUrl: `${base}/mcp`,
    registered,
    redeemed: () => redeemed,
    close: server.close,
  };
}
