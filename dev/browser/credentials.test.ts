import { expect, inject, it } from 'vitest';
import * as z from 'zod';
import { post } from '../e2e/broker.ts';
import { auth0Token } from './access-token.ts';
import { openApp } from './app-tab.ts';

it('a function for access tokens is called again when the broker refuses its token', async () => {
  const tab = await openApp({ expects: [/401/] });
  const [old, good] = await Promise.all([
    auth0Token('auth0|credentials', -1),
    auth0Token('auth0|credentials'),
  ]);
  const flags = await tab.page.evaluate(
    async ([broker, host, old, good]) => {
      const calls: boolean[] = [];
      const ticket = window.app.createTicketProvider({
        ...{ broker, host, agent: 'counter', instance: 'fresh-token' },
        credential: {
          kind: 'access-token',
          get: async ({ fresh }) => {
            calls.push(fresh);
            return fresh ? good : old;
          },
        },
      });
      const agent = new window.app.AgentClient(ticket.agentOptions());
      await agent.ready;
      agent.close();
      return calls;
    },
    [tab.broker.url, tab.agents.url, old, good] as const,
  );
  expect(flags).toEqual([false, true]);
});

it('the cookie of a Cloudflare Access session is a credential', async () => {
  const tab = await openApp();
  const answer = await post(inject('stack').access.tokenUrl, {}, { email: 'carol@example.com' });
  const { token } = z.object({ token: z.string() }).parse(await answer.json());
  await tab.context.addCookies([{ name: 'CF_Authorization', value: token, url: inject('stack').broker }]);
  await tab.provide({ name: 'mine', instance: 'through-access', credential: { kind: 'access' } });
  await tab.show(['mine']);
  await tab.until('mine', 'open');
  const { method } = z
    .object({ method: z.string() })
    .parse(
      await tab.page.evaluate(
        async (url) => (await fetch(url, { credentials: 'include' })).json(),
        `${tab.broker.url}/me`,
      ),
    );
  expect(method).toContain('access');
});

it('a client without the right gets the refusal, and does not retry', async () => {
  const tab = await openApp({ expects: [/404|403/] });
  await tab.provide({ name: 'nowhere', agent: 'no-such-agent', instance: 'x' });
  await tab.show(['nowhere']);
  await tab.until('nowhere', 'ended 4004 not_found');

  const forbidden = await tab.page.evaluate(
    async ([broker, host, token]) => {
      const ticket = window.app.createTicketProvider({
        ...{ broker, host, agent: 'counter', instance: 'x', scope: 'agent:rpc:reset' },
        credential: { kind: 'access-token', get: async () => token },
      });
      await ticket.mint().catch(() => {});
      return [ticket.refusal?.name, ticket.refusal?.code];
    },
    [tab.broker.url, tab.agents.url, await auth0Token('auth0|dev')] as const,
  );
  expect(forbidden).toEqual(['Forbidden', 'FORBIDDEN']);
  expect([tab.broker.mints.length, tab.agents.upgrades.length]).toEqual([2, 0]);
});

it('a service token is refused in a page before any request', async () => {
  const tab = await openApp();
  const { clientId, clientSecret } = inject('stack').serviceToken;
  for (const runsIn of [undefined, 'process', 'server-render'] as const) {
    const refused = await tab.page.evaluate(
      ([broker, host, clientId, clientSecret, runsIn]) => {
        try {
          window.app.createTicketProvider({
            ...{ broker, host, agent: 'counter', ...(runsIn && { runsIn }) },
            credential: { kind: 'service-token', clientId, clientSecret },
          });
          return 'taken';
        } catch (error) {
          return String(error);
        }
      },
      [tab.broker.url, tab.agents.url, clientId, clientSecret, runsIn] as const,
    );
    expect(refused).toBe('TypeError: service-token: visitors can read it');
  }
  expect(tab.broker.mints).toEqual([]);
});

it('an anonymous client sees public agents', async () => {
  const tab = await openApp();
  await tab.provide({ name: 'public', agent: 'lobby', instance: 'main', credential: { kind: 'none' } });
  await tab.show(['public']);
  await tab.until('public', 'open');
});
