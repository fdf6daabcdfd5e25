import { createServer } from 'node:http';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import * as z from 'zod';
import { type IdentityProvider, startIdentityProvider } from './start.ts';

const tokenAnswer = z.looseObject({
  access_token: z.string(),
  id_token: z.string(),
  refresh_token: z.string().optional(),
  scope: z.string().optional(),
});

/** For tests: the broker's side of a sign-in, and a server where the broker would hear of a logout. */
export interface RelyingParty {
  provider: IdentityProvider;
  baseUrl: string;
  /** What the tenant has told the broker, oldest first. */
  told: readonly { path: string; body: string }[];
  authorizeUrl(base: string, more?: Record<string, string>): URL;
  redeem(form: Record<string, string>): Promise<z.infer<typeof tokenAnswer>>;
  redeemCode(callback: URL): Promise<z.infer<typeof tokenAnswer>>;
  verify(token: string, audience: string): Promise<JWTPayload>;
  close(): Promise<void>;
}

export async function startRelyingParty(): Promise<RelyingParty> {
  const told: { path: string; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      told.push({ path: request.url ?? '', body });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const baseUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const provider = await startIdentityProvider({ port: 0, auth0: { baseUrl } });
  const { clientId: client_id, clientSecret: client_secret, audience, issuer } = provider.auth0;
  const redirect_uri = `${baseUrl}/auth/callback`;

  const redeem = async (form: Record<string, string>) => {
    const body = new URLSearchParams({ client_id, client_secret, redirect_uri, ...form });
    const answer = await fetch(`${provider.url}/oauth/token`, { method: 'POST', body });
    return tokenAnswer.parse(await answer.json());
  };
  return {
    provider,
    baseUrl,
    told,
    redeem,
    redeemCode: (callback) =>
      redeem({ grant_type: 'authorization_code', code: callback.searchParams.get('code') ?? '' }),
    authorizeUrl(base, more = {}) {
      const url = new URL('/authorize', base);
      const fixed = {
        client_id,
        redirect_uri,
        response_type: 'code',
        audience,
        state: 'st-1',
        nonce: 'no-1',
      };
      url.search = new URLSearchParams({ ...fixed, scope: 'openid profile email', ...more }).toString();
      return url;
    },
    async verify(token, expected) {
      const keys = createRemoteJWKSet(new URL(provider.auth0.jwksUrl));
      return (await jwtVerify(token, keys, { issuer, audience: expected, algorithms: ['RS256'] })).payload;
    },
    async close() {
      await provider.close();
      server.closeAllConnections();
      server.close();
    },
  };
}
