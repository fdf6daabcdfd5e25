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

/** For tests: the broker's side of a sign-in, and a server that receives the notices of logouts. */
export interface RelyingParty {
  provider: IdentityProvider;
  baseUrl: string;
  /** Notices of the tenant to the broker, oldest first. */
  notices: readonly { path: string; body: string }[];
  authorizeUrl(base: string, more?: Record<string, string>): URL;
  redeem(form: Record<string, string>): Promise<z.infer<typeof tokenAnswer>>;
  redeemCode(callback: URL): Promise<z.infer<typeof tokenAnswer>>;
  verify(token: string, audience: string): Promise<JWTPayload>;
  close(): Promise<void>;
}

export async function startRelyingParty(): Promise<RelyingParty> {
  const notices: { path: string; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      notices.push({ path: request.url ?? '', body });
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
    notices,
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

/** A browser for tests, enough to sign in: cookies, redirects by hand, and a way to the tenant's https name. */
export class TenantBrowser {
  readonly #jar = new Map<string, string>();
  readonly #provider: IdentityProvider;

  constructor(provider: IdentityProvider) {
    this.#provider = provider;
  }

  /** One request, no redirects. URLs at the tenant's own name go to loopback as a proxy would send them. */
  async request(url: string | URL, form?: Record<string, string>): Promise<Response> {
    const target = new URL(url);
    const headers = new Headers({ accept: 'text/html', cookie: this.#cookies() });
    if (target.host === this.#provider.auth0.domain) {
      headers.set('x-forwarded-proto', 'https');
      headers.set('x-forwarded-host', target.host);
    }
    const response = await fetch(`${this.#provider.url}${target.pathname}${target.search}`, {
      headers,
      redirect: 'manual',
      ...(form ? { method: 'POST', body: new URLSearchParams(form) } : {}),
    });
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    return response;
  }

  /** Follows redirects until one leaves the tenant, or a page is shown. */
  async follow(
    start: string | URL,
    form?: Record<string, string>,
  ): Promise<{ url: URL; page: Response | null }> {
    let url = new URL(start);
    let response = await this.request(url, form);
    for (let hops = 0; hops < 10; hops += 1) {
      const location = response.headers.get('location');
      if (location === null) return { url, page: response };
      url = new URL(location, url);
      if (!this.#isTenant(url)) return { url, page: null };
      response = await this.request(url);
    }
    throw new Error('too many redirects');
  }

  #isTenant(url: URL): boolean {
    return url.host === this.#provider.auth0.domain || url.origin === this.#provider.url;
  }

  #cookies(): string {
    return [...this.#jar].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  #keep(line: string): void {
    const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=', 2);
    if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.#jar.delete(name);
    else this.#jar.set(name, value);
  }
}
