import { McpServer } from '@modelcontextprotocol/server';
import { createMcpHandler } from 'agents/mcp/server';
import { vi } from 'vitest';

/** An MCP server that asks for OAuth, and its authorization server with dynamic registration, in place of the network. */

export const MCP_URL = 'https://mcp.test/mcp';
const ISSUER = 'https://id.test';

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'tools', version: '1.0.0' });
  server.registerTool('hello', { description: 'Says hello.' }, () => ({
    content: [{ type: 'text', text: 'hello' }],
  }));
  return server;
});

const s256 = async (verifier: string): Promise<string> =>
  btoa(
    String.fromCharCode(
      ...new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))),
    ),
  )
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

/** Stands in for the network of a test. Answers what was registered, and how many codes were redeemed. */
export function openProvider() {
  const registered: string[] = [];
  const codes = new Map<string, { challenge: string; redirectUri: string }>();
  const seen = { registered, redeemed: 0 };

  async function answer(request: Request): Promise<Response> {
    const { origin, pathname } = new URL(request.url);
    if (request.url === MCP_URL) {
      if (request.headers.get('authorization') === 'Bearer good') return handler.fetch(request);
      const metadata = 'https://mcp.test/.well-known/oauth-protected-resource';
      return new Response(null, {
        status: 401,
        headers: { 'www-authenticate': `Bearer resource_metadata="${metadata}"` },
      });
    }
    if (pathname.startsWith('/.well-known/oauth-protected-resource') && origin === 'https://mcp.test')
      return Response.json({ resource: MCP_URL, authorization_servers: [ISSUER] });
    if (request.url === `${ISSUER}/.well-known/oauth-authorization-server`)
      return Response.json({
        issuer: ISSUER,
        authorization_endpoint: `${ISSUER}/authorize`,
        token_endpoint: `${ISSUER}/token`,
        registration_endpoint: `${ISSUER}/register`,
        response_types_supported: ['code'],
        grant_types_supported: ['authorization_code', 'refresh_token'],
        code_challenge_methods_supported: ['S256'],
        token_endpoint_auth_methods_supported: ['none'],
      });
    if (request.url === `${ISSUER}/register`) {
      const asked: { redirect_uris: string[] } = await request.json();
      registered.push(...asked.redirect_uris);
      return Response.json({ ...asked, client_id: 'client-1' }, { status: 201 });
    }
    if (request.url === `${ISSUER}/token`) {
      const form = new URLSearchParams(await request.text());
      const code = codes.get(form.get('code') ?? '');
      const isRight =
        code !== undefined &&
        code.redirectUri === form.get('redirect_uri') &&
        code.challenge === (await s256(form.get('code_verifier') ?? ''));
      if (!isRight) return Response.json({ error: 'invalid_grant' }, { status: 400 });
      codes.delete(form.get('code') ?? '');
      seen.redeemed += 1;
      return Response.json({ access_token: 'good', token_type: 'Bearer', expires_in: 3600 });
    }
    return new Response(null, { status: 404 });
  }

  vi.spyOn(globalThis, 'fetch').mockImplementation((to, init) => answer(new Request(to, init)));

  return {
    seen,
    /** A person signs in and agrees: where the browser is sent. */
    authorize(authUrl: string): URL {
      const { searchParams } = new URL(authUrl);
      const redirectUri = searchParams.get('redirect_uri') ?? '';
      if (!registered.includes(redirectUri)) throw new Error('the redirect is not registered');
      const code = crypto.randomUUID();
      codes.set(code, { challenge: searchParams.get('code_challenge') ?? '', redirectUri });
      const back = new URL(redirectUri);
      back.searchParams.set('code', code);
      back.searchParams.set('state', searchParams.get('state') ?? '');
      return back;
    },
  };
}
