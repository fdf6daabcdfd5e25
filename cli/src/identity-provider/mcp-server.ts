import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';
import { answerJson, Refusal, readJson, readText } from './http.ts';
import { escapeHtml, PAGE_HEADERS, plainPage } from './pages.ts';

/**
 * An MCP server that asks for OAuth, and its authorization server, for agents that add MCP servers. All paths are under
 * `/tools`, and the metadata where RFC 8414 §3.1 and RFC 9728 §3.1 put it.
 */

const ROOT = '/tools';
const ENDPOINT = `${ROOT}/mcp`;
const RESOURCE_METADATA = `/.well-known/oauth-protected-resource${ENDPOINT}`;
const ISSUER_METADATA = `/.well-known/oauth-authorization-server${ROOT}`;

const Message = z.looseObject({ id: z.unknown().optional(), method: z.string() });
const Registration = z.looseObject({ redirect_uris: z.array(z.url()).length(1) });

const RESULTS: Readonly<Record<string, object>> = {
  initialize: {
    protocolVersion: '2025-06-18',
    capabilities: { tools: {} },
    serverInfo: { name: 'tools', version: '1.0.0' },
  },
  'tools/list': {
    tools: [{ name: 'hello', description: 'Says hello.', inputSchema: { type: 'object' } }],
  },
  'tools/call': { content: [{ type: 'text', text: 'hello' }] },
};

/**
 * In base64url. The id of a client is made from its redirect, so an agent that has stored the id is known after a
 * restart.
 */
const digest = (text: string): string => createHash('sha256').update(text).digest('base64url');

export interface McpServerOptions {
  /** Redirects that were registered by hand, for the client `known`. Left out: clients register themselves. */
  readonly known?: readonly string[];
}

export function createMcpServer({ known }: McpServerOptions = {}) {
  const registered: string[] = [...(known ?? [])];
  const challenges = new Map<string, string>();
  const tokens = new Set<string>();
  let redeemed = 0;

  /** The page on which a person agrees. A client that is not registered is refused here, without a redirect. */
  function authorize({ searchParams }: URL, response: ServerResponse): void {
    const redirect = searchParams.get('redirect_uri') ?? '';
    const client = known === undefined ? digest(redirect) : 'known';
    if (searchParams.get('client_id') !== client || known?.includes(redirect) === false)
      throw new Refusal(400, 'redirect_uri: not registered for this client', 'redirect_uri');
    const code = randomUUID();
    challenges.set(code, searchParams.get('code_challenge') ?? '');
    const link = (text: string, parameters: Readonly<Record<string, string>>): string => {
      const back = new URL(redirect);
      for (const [name, value] of Object.entries(parameters)) back.searchParams.set(name, value);
      back.searchParams.set('state', searchParams.get('state') ?? '');
      return `<p><a href="${escapeHtml(back.href)}">${text}</a></p>`;
    };
    const about = `<p>An agent asks to use the tools of this server, and sends you back to ${escapeHtml(redirect)}.</p>`;
    response.writeHead(200, PAGE_HEADERS);
    response.end(
      plainPage(
        'Tools',
        [about, link('Agree', { code }), link('Refuse', { error: 'access_denied' })].join('\n'),
      ),
    );
  }

  async function redeem(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await readText(request));
    const code = form.get('code') ?? '';
    if (challenges.get(code) !== digest(form.get('code_verifier') ?? ''))
      return answerJson(response, 400, { error: 'invalid_grant' });
    challenges.delete(code);
    redeemed += 1;
    const token = randomUUID();
    tokens.add(token);
    answerJson(response, 200, { access_token: token, token_type: 'Bearer' });
  }

  async function answerMessage(
    request: IncomingMessage,
    response: ServerResponse,
    base: string,
  ): Promise<void> {
    const [, token = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    if (!tokens.has(token)) {
      response.setHeader('www-authenticate', `Bearer resource_metadata="${base}${RESOURCE_METADATA}"`);
      return answerJson(response, 401, {});
    }
    if (request.method !== 'POST') return answerJson(response, 405, {});
    const { id, method } = await readJson(request, Message);
    if (id === undefined) return answerJson(response, 202, {});
    const result = Object.hasOwn(RESULTS, method) ? RESULTS[method] : undefined;
    const answer = result === undefined ? { error: { code: -32601, message: 'unknown' } } : { result };
    answerJson(response, 200, { jsonrpc: '2.0', id, ...answer });
  }

  async function register(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = await readJson(request, Registration);
    registered.push(...asked.redirect_uris);
    answerJson(response, 201, { ...asked, client_id: digest(asked.redirect_uris.join()) });
  }

  return {
    /** Answers a request for one of its paths; `false` for any other. */
    async answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
      const base = `http://${request.headers.host ?? 'localhost'}`;
      const url = new URL(request.url ?? '/', base);
      switch (url.pathname) {
        case RESOURCE_METADATA:
          answerJson(response, 200, { resource: base + ENDPOINT, authorization_servers: [base + ROOT] });
          return true;
        case ISSUER_METADATA:
          answerJson(response, 200, {
            issuer: base + ROOT,
            authorization_endpoint: `${base}${ROOT}/authorize`,
            token_endpoint: `${base}${ROOT}/token`,
            ...(known === undefined ? { registration_endpoint: `${base}${ROOT}/register` } : {}),
            response_types_supported: ['code'],
            grant_types_supported: ['authorization_code'],
            code_challenge_methods_supported: ['S256'],
            token_endpoint_auth_methods_supported: ['none'],
          });
          return true;
        case `${ROOT}/register`:
          if (known !== undefined) return false;
          await register(request, response);
          return true;
        case `${ROOT}/authorize`:
          authorize(url, response);
          return true;
        case `${ROOT}/token`:
          await redeem(request, response);
          return true;
        case ENDPOINT:
          await answerMessage(request, response, base);
          return true;
        default:
          return false;
      }
    },
    /** Every redirect that was registered, by a client or by hand. */
    registered: (): readonly string[] => registered,
    /** How many codes were redeemed. */
    redeemed: (): number => redeemed,
  };
}

/** Its address with the name `localhost`, which is another site than that of an app at 127.0.0.1. */
export const mcpServerUrl = (server: string): string =>
  `${server.replace('127.0.0.1', 'localhost')}${ENDPOINT}`;
