import { sealCookie } from '@agent-ticket/broker/src/credentials/session-cookie.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import type { AgentClient } from 'agents/client';
import { expect, inject, it } from 'vitest';
import type { Browser } from './browser.ts';
import { mintBy, signedIn } from './person.ts';
import { PromptSocket } from './prompt-socket.ts';
import { connected } from './sockets.ts';
import { sessionsOf } from './stack-queries.ts';

/** The stock client on an instance by the session of a person, once the record has its session. */
async function clientOf(browser: Browser, instance: string): Promise<AgentClient> {
  const { ticket } = await mintBy(browser.cookies(inject('stack').broker), instance);
  const client = await connected('counter', instance, { query: { ticket }, WebSocket: PromptSocket });
  await eventually(async () => expect(await sessionsOf('counter', instance)).toHaveLength(1));
  return client;
}

/** How the server ended a client's socket. */
const endOf = (client: AgentClient): Promise<{ code: number; reason: string }> =>
  new Promise((resolve) => {
    client.addEventListener('close', ({ code, reason }) => resolve({ code, reason }));
  });

const FORBIDDEN = { code: 4003, reason: 'forbidden' };

it('a logout at the broker closes every socket of the person, and no other', async () => {
  const [bob, dev] = [await signedIn('bob'), await signedIn('dev')];
  const [one, two, other] = [
    await clientOf(bob, 'logout-one'),
    await clientOf(bob, 'logout-two'),
    await clientOf(dev, 'logout-other'),
  ];
  const ends = [endOf(one), endOf(two)];
  await bob.get(`${inject('stack').broker}/auth/logout`);
  expect(await Promise.all(ends)).toEqual([FORBIDDEN, FORBIDDEN]);
  expect(await other.call('whoami')).toMatchObject({ principal: 'auth0:dev-tenant.auth.test:auth0|dev' });
  expect((await dev.get(`${inject('stack').broker}/me`)).status).toBe(200);
});

it('a sign-out at the tenant ends session and sockets here, by its back-channel', async () => {
  const { broker, identityProvider } = inject('stack');
  const alice = await signedIn('alice');
  const client = await clientOf(alice, 'back-channel');
  const end = endOf(client);

  await alice.signOutAt(identityProvider);

  expect(await end).toEqual(FORBIDDEN);
  expect((await alice.get(`${broker}/me`)).status).toBe(401);
});

it('an expired session closes its socket, and mints nothing afterwards', async () => {
  const { broker } = inject('stack');
  const createdAt = Math.floor(Date.now() / 1000);
  const exp = createdAt + 12;
  // As a stock auth0-hono application on the broker's host would have left it.
  const session = {
    user: { sub: 'auth0|vera' },
    internal: { sid: 'short', createdAt },
    exp,
  };
  const value = await sealCookie(session, {
    name: 'appSession',
    secret: inject('testStack').keyEncryptionKey,
    kid: crypto.randomUUID(),
  });
  const cookie = `appSession.0=${value}`;
  const { ticket, session_expires_at } = await mintBy(cookie, 'short-session');
  expect(Date.parse(session_expires_at)).toBe(exp * 1000);
  const client = await connected('counter', 'short-session', {
    query: { ticket },
    WebSocket: PromptSocket,
  });
  const end = await endOf(client);
  client.close();
  expect(end).toEqual({ code: 3000, reason: 'session_expired' });
  expect((await fetch(`${broker}/me`, { headers: { cookie } })).status).toBe(401);
});
