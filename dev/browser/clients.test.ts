import { expect, inject, it } from 'vitest';
import { auth0Token } from './access-token.ts';
import { openApp } from './app-tab.ts';
import { openTab } from './tab.ts';

it('a plain WebSocket takes address and protocols unchanged, and renews its session in band', async () => {
  const tab = await openApp();
  // A session lasts as long as its credential; the agent warns at half of such a short lifetime.
  const [short, long] = await Promise.all([auth0Token('auth0|clients', 16), auth0Token('auth0|clients')]);
  const frames = await tab.page.evaluate(
    async ([broker, host, short, long]) => {
      let token = short;
      const ticket = window.app.createTicketProvider({
        ...{ broker, host, agent: 'counter', instance: 'plain' },
        credential: { kind: 'access-token', get: async () => token },
      });
      const { url, protocols } = await ticket.mint();
      token = long;
      const socket = new WebSocket(url, protocols);
      ticket.attachRenewal(socket);
      const frames: string[] = [];
      await new Promise((resolve) => {
        socket.addEventListener('message', ({ data }) => {
          const { type }: { type: string } = JSON.parse(data);
          frames.push(type);
          if (type === 'ticket.renewed' || type === 'ticket.refused') resolve(undefined);
        });
        socket.addEventListener('close', resolve);
      });
      socket.close();
      return [socket.protocol, url.includes('ticket='), ...frames];
    },
    [tab.broker.url, tab.agents.url, short, long] as const,
  );
  expect(frames.slice(0, 3)).toEqual(['agent-ticket.v1', false, 'cf_agent_identity']);
  expect(frames.slice(-2)).toEqual(['ticket.expiring', 'ticket.renewed']);
  expect(tab.broker.mints).toEqual(['plain', 'plain']);
});

it('the hook renews its session in band, and stays the same session', async () => {
  const tab = await openApp();
  const [short, long] = await Promise.all([auth0Token('auth0|clients', 16), auth0Token('auth0|clients')]);
  await tab.page.evaluate(
    ([broker, host, short, long]) => {
      let token = short;
      window.app.tickets.mine = window.app.createTicketProvider({
        ...{ broker, host, agent: 'counter', instance: 'renewing' },
        credential: {
          kind: 'access-token',
          get: async () => {
            const now = token;
            token = long;
            return now;
          },
        },
      });
    },
    [tab.broker.url, tab.agents.url, short, long] as const,
  );
  await tab.show(['mine']);
  await tab.until('mine', 'open');
  const renewal = await tab.page.evaluate(async () => {
    const before = await window.app.whoami('mine');
    const renewed = await new Promise<string>((resolve) => {
      window.app.agent('mine').addEventListener('message', ({ data }) => {
        if (String(data).includes('"ticket.re')) resolve(JSON.parse(data).type);
      });
    });
    const after = await window.app.whoami('mine');
    return [renewed, before.session === after.session];
  });
  expect(renewal).toEqual(['ticket.renewed', true]);
  expect([tab.broker.mints.length, tab.agents.upgrades.length]).toEqual([2, 1]);
});

it('the app renews the session of an open hook when it wants to, and it stays the same session', async () => {
  const tab = await openApp();
  await tab.provide({ name: 'asked', instance: 'asked' });
  await tab.show(['asked']);
  await tab.until('asked', 'open');
  const renewal = await tab.page.evaluate(async () => {
    const before = await window.app.whoami('asked');
    const answer = new Promise<string>((resolve) => {
      window.app.agent('asked').addEventListener('message', ({ data }) => {
        if (String(data).includes('"ticket.re')) resolve(JSON.parse(data).type);
      });
    });
    window.app.ticket('asked').renewNow();
    const renewed = await answer;
    const after = await window.app.whoami('asked');
    return [renewed, before.session === after.session];
  });
  expect(renewal).toEqual(['ticket.renewed', true]);
  expect([tab.broker.mints.length, tab.agents.upgrades.length]).toEqual([2, 1]);
});

it('plain HTTP accepts one ticket in a header for many requests, on another origin', async () => {
  const tab = await openApp({ expects: [/404/] });
  await tab.provide({ name: 'http', instance: 'over-http' });
  const statuses = await tab.page.evaluate(async (agents) => {
    const get = async (headers: Record<string, string>): Promise<string> => {
      const answer = await fetch(`${agents}/agents/counter/over-http`, { headers });
      return `${answer.status} ${(await answer.text()).includes('UNAUTHORIZED')}`;
    };
    const ticket = window.app.ticket('http');
    return [await get(await ticket.headers()), await get(await ticket.headers())];
  }, tab.agents.url);
  // The counter answers no HTTP itself: 404 is its own word, from behind the gate.
  expect(statuses).toEqual(['404 false', '404 false']);
  expect(tab.broker.mints).toHaveLength(1);
});

it('useAgentChat mounts, and asks for its history with a ticket in a header', async () => {
  const tab = await openTab(`${inject('pages')}/chat`, { expects: [/404/] });
  const requests: string[] = [];
  tab.page.on('request', (request) => {
    if (request.url().includes('get-messages'))
      requests.push(
        `${request.method()} ${request.headers().authorization?.slice(0, 9)} ${new URL(request.url()).search}`,
      );
  });
  const { broker, agentWorker: host } = inject('stack');
  const token = await auth0Token('auth0|clients');
  await tab.page.evaluate(
    ([broker, host, token]) =>
      window.showChat({
        ...{ broker, host, agent: 'counter', instance: 'chatting' },
        credential: { kind: 'access-token', get: async () => token },
      }),
    [broker, host, token] as const,
  );
  await tab.page.locator('#chat', { hasText: 'open ready 0' }).waitFor();
  expect(requests).toEqual(['GET Bearer ey ']);
});
