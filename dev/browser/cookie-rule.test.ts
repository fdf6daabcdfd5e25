import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { listenOnLoopback } from 'agent-ticket/src/identity-provider/http.ts';
import { expect, inject, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { post } from '../e2e/broker.ts';
import { eventsOf } from '../e2e/stack-queries.ts';
import { openTab, type Tab } from './tab.ts';

/** A page that no list names, on the broker's own site: ports make origins and no sites, so Lax cookies go along. */
async function openSibling(): Promise<string> {
  const server = await listenOnLoopback(0, (_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>A sibling</title>');
  });
  onTestFinished(() => server.close());
  return server.url;
}

/** Console errors of the browser for refused requests, and for a page of JSON. */
const EXPECTED = { expects: [/40[0-9]/, /415/, /CORS/, /ERR_FAILED/, /ERR_BLOCKED/] };

/** Ways to have a browser add its cookies to a request that should make a ticket. */
const FETCHES = {
  'JSON, as the client asks': { headers: { 'content-type': 'application/json' } },
  'text, which no preflight stops': { mode: 'no-cors', headers: { 'content-type': 'text/plain' } },
  'JSON without a type': { mode: 'no-cors' },
} as const;

const fetchTicket = (tab: Tab, how: keyof typeof FETCHES, instance: string): Promise<string> =>
  tab.page.evaluate(
    async ([url, init, body]) => {
      try {
        const answer = await fetch(url, { method: 'POST', credentials: 'include', ...init, body });
        return String(answer.status);
      } catch (error) {
        return String(error instanceof TypeError ? error.name : error);
      }
    },
    [
      `${inject('stack').broker}/tickets`,
      FETCHES[how],
      JSON.stringify({ agent: 'counter', instance }),
    ] as const,
  );

/** Sends a form to the broker as a page without script can. Resolves with the status of the page that follows. */
async function submit(tab: Tab, type: string, instance: string): Promise<number> {
  const action = `${inject('stack').broker}/tickets`;
  const shown = tab.page.waitForResponse(action);
  await tab.page.evaluate(
    ([action, type, body]) => {
      const form = Object.assign(document.createElement('form'), { method: 'post', action, enctype: type });
      // As text/plain the name, "=" and the value are the body.
      const [name = '', value = ''] = body.split('=');
      form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
      document.body.append(form);
      form.submit();
    },
    [action, type, `{"agent":"counter","instance":"${instance}","x":"="}`] as const,
  );
  const status = (await shown).status();
  await tab.page.waitForURL(action);
  return status;
}

const ticketsFor = async (instance: string): Promise<number> =>
  (await eventsOf('counter', instance)).filter(({ type }) => type === 'ticket.issued').length;

/** The two cookies that are credentials, each with the attributes that a browser stores. */
const WAYS: Readonly<Record<string, (tab: Tab) => Promise<void>>> = {
  'a session at the broker': (tab) => tab.signIn('auth0|cookie-rule'),
  'a session at Cloudflare Access': async (tab) => {
    const answer = await post(inject('stack').access.tokenUrl, {}, { email: 'cookie-rule@example.com' });
    const { token } = z.object({ token: z.string() }).parse(await answer.json());
    await tab.context.addCookies([{ name: 'CF_Authorization', value: token, url: inject('stack').broker }]);
  },
};

it.each(Object.entries(WAYS))('with %s a listed page gets a ticket', async (_what, sign) => {
  const tab = await openTab(`${inject('pages')}/app`);
  await sign(tab);
  expect(await fetchTicket(tab, 'JSON, as the client asks', crypto.randomUUID())).toBe('201');
});

it.each(Object.entries(WAYS))('with %s a page that is not listed gets nothing', async (_what, sign) => {
  const tab = await openTab(`${inject('pages')}/app`, EXPECTED);
  await sign(tab);
  const sibling = await openSibling();
  const { broker } = inject('stack');
  const instance = crypto.randomUUID();

  await tab.page.goto(sibling);
  // The browser does add the cookie: a page may navigate there, and the answer names the person.
  await tab.page.goto(`${broker}/me`);
  expect(await tab.page.evaluate(() => document.body.textContent)).toContain('"principal"');

  await tab.page.goto(sibling);
  expect(await fetchTicket(tab, 'JSON, as the client asks', instance)).toBe('TypeError');
  // These are sent; the page may not even see that there was an answer (Cross-Origin-Resource-Policy).
  expect(await fetchTicket(tab, 'text, which no preflight stops', instance)).toBe('TypeError');
  expect(await fetchTicket(tab, 'JSON without a type', instance)).toBe('TypeError');
  const read = tab.page.evaluate(
    async (url) => (await fetch(url, { credentials: 'include' })).text(),
    `${broker}/me`,
  );
  await expect(read).rejects.toThrow(/Failed to fetch/);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
    await tab.page.goto(sibling);
    expect(await submit(tab, type, instance)).toBe(403);
  }

  // Events of one person arrive in order: with this one there would be all that were made before it.
  await tab.page.goto(`${inject('pages')}/app`);
  expect(await fetchTicket(tab, 'JSON, as the client asks', instance)).toBe('201');
  await eventually(async () => expect(await ticketsFor(instance)).toBeGreaterThan(0));
  expect(await ticketsFor(instance)).toBe(1);
});

it('a page of another site has no use of the session, listed or not', async () => {
  const tab = await openTab(`${inject('pages')}/app`, EXPECTED);
  await tab.signIn('auth0|cookie-rule');
  await tab.page.goto(`${inject('pages')}/app`.replace('127.0.0.1', 'localhost'));
  expect(await fetchTicket(tab, 'JSON, as the client asks', crypto.randomUUID())).toBe('401');
});

it('a page of an unlisted origin cannot sign a person out', async () => {
  const tab = await openTab(`${inject('pages')}/app`, EXPECTED);
  await tab.signIn('auth0|cookie-rule');
  const { broker } = inject('stack');
  const sibling = await openSibling();
  for (const referrerPolicy of ['', 'no-referrer', 'origin', 'unsafe-url']) {
    await tab.page.goto(sibling);
    // The page has an event at the end of the request, with or without an image.
    await tab.page.evaluate(
      ([src, policy]) =>
        new Promise((resolve) => {
          const image = new Image();
          image.onload = resolve;
          image.onerror = resolve;
          image.referrerPolicy = policy;
          image.src = src;
        }),
      [`${broker}/auth/logout`, referrerPolicy] as const,
    );
  }
  await tab.page.goto(`${broker}/me`);
  expect(await tab.page.evaluate(() => document.body.textContent)).toContain('"auth0-session"');
});
