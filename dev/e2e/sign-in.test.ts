import { expect, inject, it, vi } from 'vitest';
import * as z from 'zod';
import { post } from './broker.ts';
import { sessionsOf } from './look.ts';
import { nextFrame, openSocket } from './sockets.ts';

/** A browser, enough for this: a cookie jar for each origin, redirects by hand. */
class Browser {
  readonly #jars = new Map<string, Map<string, string>>();

  cookies(url: string): string {
    return [...(this.#jars.get(new URL(url).origin) ?? [])]
      .map(([name, value]) => `${name}=${value}`)
      .join('; ');
  }

  async get(url: string): Promise<Response> {
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { accept: 'text/html', cookie: this.cookies(url) },
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

  /** Follows redirects to the end and answers the last address. */
  async follow(start: string): Promise<string> {
    let url = start;
    for (let hops = 0; hops < 12; hops += 1) {
      const location = (await this.get(url)).headers.get('location');
      if (location === null) return url;
      url = new URL(location, url).href;
    }
    throw new Error('too many redirects');
  }
}

const Minted = z.object({ url: z.string() });

it('a person signs in through the tenant, opens a socket by cookie, signs out, and the socket ends', async () => {
  const { broker } = inject('stack');
  const browser = new Browser();
  const end = await browser.follow(`${broker}/auth/login?login_hint=alice&return_to=/me`);
  expect(end).toBe(`${broker}/me`);
  const me = await (await browser.get(`${broker}/me`)).json();
  expect(me).toMatchObject({ method: 'auth0-session', email: 'alice@example.com' });

  const instance = 'signed-in';
  const headers = { cookie: browser.cookies(broker), origin: new URL(broker).origin };
  const answer = await post(`${broker}/tickets`, headers, { agent: 'counter', instance });
  expect(answer.status).toBe(201);
  const { socket, closed } = openSocket(Minted.parse(await answer.json()).url);
  await nextFrame(socket);
  // The broker finds live sessions in the record database, where they arrive a moment later.
  await vi.waitFor(async () => expect(await sessionsOf('counter', instance)).toHaveLength(1));

  const left = await browser.get(`${broker}/auth/logout`);
  expect(left.status).toBe(302);
  expect(await closed).toMatchObject({ code: 4003, reason: 'forbidden' });
  expect((await browser.get(`${broker}/me`)).status).toBe(401);
  expect((await post(`${broker}/tickets`, headers, { agent: 'counter', instance })).status).toBe(401);
});
