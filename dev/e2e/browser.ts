/** A minimal browser: a cookie jar for each origin, redirects by hand. */
export class Browser {
  readonly #jars = new Map<string, Map<string, string>>();

  /** The cookies of an origin, each with its value. */
  jar(url: string): ReadonlyMap<string, string> {
    return this.#jars.get(new URL(url).origin) ?? new Map();
  }

  cookies(url: string): string {
    return [...this.jar(url)].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  /** One request, a form where there is one; redirects are not followed. */
  async get(url: string, form?: Readonly<Record<string, string>>): Promise<Response> {
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { accept: 'text/html', cookie: this.cookies(url) },
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
    });
    const jar = this.#jars.get(new URL(url).origin) ?? new Map<string, string>();
    this.#jars.set(new URL(url).origin, jar);
    for (const line of answer.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=', 2);
      if (value === '') jar.delete(name);
      else jar.set(name, value);
    }
    return answer;
  }

  /** Follows redirects, and resolves with the last address. */
  async follow(start: string): Promise<string> {
    let url = start;
    for (let hops = 0; hops < 12; hops += 1) {
      const location = (await this.get(url)).headers.get('location');
      if (location === null) return url;
      url = new URL(location, url).href;
    }
    throw new Error('too many redirects');
  }

  /** Signs out at the tenant, as a person does there; only the tenant notifies the broker. */
  async signOutAt(identityProvider: string): Promise<void> {
    const form = await (await this.get(`${identityProvider}/oidc/logout`)).text();
    const [, action = ''] = /action="([^"]+)"/.exec(form) ?? [];
    const [, xsrf = ''] = /name="xsrf" value="([^"]+)"/.exec(form) ?? [];
    await this.get(new URL(action, identityProvider).href, { xsrf, logout: 'yes' });
  }
}
