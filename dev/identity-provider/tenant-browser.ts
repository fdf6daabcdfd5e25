import type { IdentityProvider } from './start.ts';

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
