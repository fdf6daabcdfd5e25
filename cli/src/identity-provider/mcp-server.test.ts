import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { type IdentityProvider, startIdentityProvider } from './start.ts';

/** The MCP server of the stand-in, as the client of an agent uses it. */

let standIn: IdentityProvider;
let base: string;
beforeAll(async () => {
  standIn = await startIdentityProvider({ port: 0 });
  base = new URL(standIn.mcpUrl).origin;
});
afterAll(() => standIn.close());

const REDIRECT = 'http://127.0.0.1:8788/agents/integrations/x/oauth';
const VERIFIER = 'v'.repeat(43);
const json = async (url: string, init?: RequestInit) =>
  z.looseObject({}).parse(await (await fetch(url, init)).json());

async function register(redirect: string): Promise<string> {
  const body = JSON.stringify({ redirect_uris: [redirect] });
  return String((await json(`${base}/tools/register`, { method: 'POST', body })).client_id);
}

/** The page on which a person agrees. */
const authorize = (client: string, redirect: string, state = 's') =>
  fetch(
    `${base}/tools/authorize?${new URLSearchParams({
      client_id: client,
      redirect_uri: redirect,
      state,
      code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
    })}`,
  );

async function codeFor(client: string): Promise<string> {
  const page = await (await authorize(client, REDIRECT)).text();
  return /[?]code=([0-9a-f-]+)&/.exec(page)?.[1] ?? '';
}

const redeem = (code: string, verifier = VERIFIER) =>
  fetch(`${base}/tools/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'authorization_code', code, code_verifier: verifier }),
  });

const send = (method: string, token?: string) =>
  fetch(standIn.mcpUrl, {
    method: 'POST',
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method }),
  });

it('a refusal leads to the metadata of the resource and of its authorization server', async () => {
  const refused = await send('initialize');
  expect(refused.status).toBe(401);
  const [, metadata = ''] =
    /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '') ?? [];
  const resource = await json(metadata);
  expect(resource).toEqual({ resource: standIn.mcpUrl, authorization_servers: [`${base}/tools`] });
  expect(await json(`${base}/.well-known/oauth-authorization-server/tools`)).toMatchObject({
    issuer: `${base}/tools`,
    registration_endpoint: `${base}/tools/register`,
  });
});

it('gives a token for a code once, and the tool for the token', async () => {
  const code = await codeFor(await register(REDIRECT));
  expect((await redeem(code, 'w'.repeat(43))).status).toBe(400);
  const { access_token: token } = z
    .object({ access_token: z.string() })
    .parse(await (await redeem(code)).json());
  expect((await redeem(code)).status).toBe(400);
  expect(await (await send('tools/list', token)).json()).toMatchObject({
    result: { tools: [{ name: 'hello' }] },
  });
  expect((await send('tools/list', `${token}x`)).status).toBe(401);
});

it('knows a client that registered before a restart', async () => {
  const client = await register(REDIRECT);
  const again = await startIdentityProvider({ port: 0 });
  const { port } = new URL(again.url);
  const answer = await fetch(Object.assign(new URL((await authorize(client, REDIRECT)).url), { port }));
  await again.close();
  expect(answer.status).toBe(200);
});

it.each([
  ['a redirect that nobody registered', 'http://127.0.0.1:8788/agents/integrations/y/oauth', undefined],
  ['the redirect of another client', REDIRECT, 'other'],
])('sends nobody back to %s', async (_which, redirect, client) => {
  const own = await register(REDIRECT);
  const answer = await authorize(client ?? own, redirect);
  expect(answer.status).toBe(400);
  expect(await answer.text()).not.toContain('href');
});

it('shows a redirect and a state as text', async () => {
  const redirect = 'http://127.0.0.1:8788/"><script>alert(1)</script>';
  const page = await (await authorize(await register(redirect), redirect, '"><script>')).text();
  expect(page).not.toContain('<script>');
});
