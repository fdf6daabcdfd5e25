import { randomUUID } from 'node:crypto';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it } from 'vitest';
import * as z from 'zod';
import { asOperator, mint, post } from './broker.ts';
import { mintBy, signedIn } from './person.ts';
import { makeService, type Service } from './service.ts';
import { connect, connected, nextFrame, openSocket, socketUrl } from './sockets.ts';
import { sessionsOf } from './stack-queries.ts';

/** Tickets that were minted before the deletion of a grant or a sign-out. */

const RIGHTS_CHANGED = { code: 3000, reason: 'rights_changed' };
const grants = () => `${inject('stack').broker}/admin/grants`;
const newInstance = () => `revoked-${randomUUID()}`;

/** Grants a subject the role admin on a counter; without the grant the subject is a viewer. */
async function grant(service: Service, instance: string): Promise<string> {
  const subject = `token:${service.id}`;
  const body = { subject, agent: 'counter', instance, role: 'admin', reason: 'test' };
  const made = await post(grants(), asOperator(), body);
  expect(made.status).toBe(201);
  return z.object({ id: z.string() }).parse(await made.json()).id;
}

async function revoke(id: string): Promise<void> {
  const taken = await fetch(`${grants()}/${id}`, { method: 'DELETE', headers: asOperator() });
  expect([200, 202]).toContain(taken.status);
}

/** The status of a plain request. The counter itself handles none, so a 404 is its own. */
async function statusOf(instance: string, ticket: string): Promise<number> {
  const url = `${inject('stack').agentWorker}/agents/counter/${instance}`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${ticket}` } });
  await answer.body?.cancel();
  return answer.status;
}

/** Waits until the gate knows that a ticket is revoked, which takes a second. */
const untilRefused = (instance: string, ticket: string) =>
  eventually(async () => expect([401, 403]).toContain(await statusOf(instance, ticket)));

/** Connects the stock client with a ticket, and resolves with the messages and the end of its first connection. */
async function firstOf(instance: string, ticket: string) {
  const client = connect('counter', instance, { query: { ticket } });
  const messages: unknown[] = [];
  client.addEventListener('message', ({ data }) => messages.push(data));
  const end = await new Promise<{ code: number; reason: string }>((resolve) => {
    client.addEventListener('close', ({ code, reason }) => resolve({ code, reason }));
  });
  client.close();
  return { messages, end };
}

it('a ticket from before its grant was deleted opens nothing, and the next one has the rights of now', async () => {
  const [instance, service] = [newInstance(), await makeService()];
  const id = await grant(service, instance);
  const old = await mint({ instance, expires_in: 300 }, service.headers);
  expect(old.role).toBe('admin');
  await revoke(id);
  const { ticket } = await mint({ instance }, service.headers);

  await untilRefused(instance, old.ticket);
  expect(await firstOf(instance, old.ticket)).toEqual({ messages: [], end: RIGHTS_CHANGED });
  const client = await connected('counter', instance, { query: { ticket } });
  expect(await client.call('whoami')).toMatchObject({ role: 'viewer' });
  await expect(client.call('increment')).rejects.toThrow('forbidden');
});

it('a live client whose grant is deleted is back at once, with one ticket and the rights of now', async () => {
  const [instance, service] = [newInstance(), await makeService()];
  const id = await grant(service, instance);
  let minted = 0;
  const client = await connected('counter', instance, {
    protocols: async () => {
      minted += 1;
      return [...(await mint({ instance }, service.headers)).protocols];
    },
    minReconnectionDelay: 1,
    maxReconnectionDelay: 1,
  });
  expect(await client.call('whoami')).toMatchObject({ role: 'admin' });
  await eventually(async () => expect(await sessionsOf('counter', instance)).toHaveLength(1));
  const closed = new Promise((resolve) => client.addEventListener('close', resolve));
  await revoke(id);
  expect(await closed).toMatchObject(RIGHTS_CHANGED);
  await client.ready;
  expect(await client.call('whoami')).toMatchObject({ role: 'viewer' });
  expect(minted).toBe(2);
});

it('a session by new rights is not carried on by a ticket from before', async () => {
  const [instance, service] = [newInstance(), await makeService()];
  const id = await grant(service, instance);
  const old = await mint({ instance, expires_in: 300 }, service.headers);
  await revoke(id);
  const { socket, closed } = openSocket((await mint({ instance }, service.headers)).url);
  await nextFrame(socket);
  socket.send(JSON.stringify({ type: 'ticket.renew', ticket: old.ticket }));
  expect(await closed).toMatchObject(RIGHTS_CHANGED);
});

it('a plain request by a ticket from before is refused', async () => {
  const [instance, service] = [newInstance(), await makeService()];
  const id = await grant(service, instance);
  const old = await mint({ instance }, service.headers);
  expect(await statusOf(instance, old.ticket)).toBe(404);
  await revoke(id);
  await untilRefused(instance, old.ticket);
  expect(await statusOf(instance, old.ticket)).toBe(401);
  const { ticket } = await mint({ instance }, service.headers);
  // The tries above may have used up the requests of a second.
  await eventually(async () => expect(await statusOf(instance, ticket)).toBe(404));
});

it('of sockets that open while the grant is deleted none stays', async () => {
  const [instance, service] = [newInstance(), await makeService()];
  const id = await grant(service, instance);
  const tickets = await Promise.all(Array.from({ length: 6 }, () => mint({ instance }, service.headers)));
  const opening = tickets.map(({ url }) => openSocket(url));
  await revoke(id);
  for (const seen of await Promise.all(opening.map(({ closed }) => closed)))
    expect(seen).toMatchObject(RIGHTS_CHANGED);
});

it('a ticket from before a sign-out opens nothing, and one of a new sign-in does at once', async () => {
  const { broker } = inject('stack');
  const browser = await signedIn('bob');
  const instance = newInstance();
  const old = await mintBy(browser.cookies(broker), instance, { expires_in: 300 });
  await browser.get(`${broker}/auth/logout`);
  await signedIn('bob', browser);
  const { ticket } = await mintBy(browser.cookies(broker), instance);

  await untilRefused(instance, old.ticket);
  expect(await firstOf(instance, old.ticket)).toEqual({ messages: [], end: RIGHTS_CHANGED });
  const client = await connected('counter', instance, { query: { ticket } });
  expect(await client.call('whoami')).toMatchObject({ principal: 'auth0:dev-tenant.auth.test:auth0|bob' });
});

it('a ticket from before a sign-out at the tenant opens nothing', async () => {
  const { broker, identityProvider } = inject('stack');
  const browser = await signedIn('alice');
  const instance = newInstance();
  const old = await mintBy(browser.cookies(broker), instance, { expires_in: 300 });
  await browser.signOutAt(identityProvider);
  await untilRefused(instance, old.ticket);
  expect(await firstOf(instance, old.ticket)).toEqual({
    messages: [],
    end: { code: 4003, reason: 'forbidden' },
  });
});

const LOCKED = { code: 4003, reason: 'forbidden' };

async function lock(target: object): Promise<unknown> {
  const locked = await post(`${inject('stack').broker}/admin/locks`, asOperator(), {
    target,
    reason: 'test',
  });
  expect(locked.status).toBe(201);
  return locked.json();
}

/** A ticket by token exchange, for a subject and an actor; the headers may add a client. */
async function mintFor(subject: string, actor: string, instance: string, headers = {}): Promise<string> {
  const { auth0, broker, agentWorker } = inject('stack');
  const tokenOf = async (sub: string) => {
    const answer = await post(auth0.tokenUrl, {}, { sub });
    return z.object({ token: z.string() }).parse(await answer.json()).token;
  };
  const type = 'urn:ietf:params:oauth:token-type:access_token';
  const answer = await fetch(`${broker}/token`, {
    method: 'POST',
    headers,
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      resource: `${agentWorker}/agents/counter/${instance}`,
      subject_token: await tokenOf(subject),
      subject_token_type: type,
      actor_token: await tokenOf(actor),
      actor_token_type: type,
    }),
  });
  expect(answer.status).toBe(200);
  return z.object({ access_token: z.string() }).parse(await answer.json()).access_token;
}

it('a lock on an actor closes its delegated sockets, and earlier delegated tickets open nothing', async () => {
  const [instance, robot] = [newInstance(), `${randomUUID()}@clients`];
  const late = await mintFor('auth0|vera', robot, instance);
  const { socket, closed } = openSocket(
    socketUrl('counter', instance, { ticket: await mintFor('auth0|vera', robot, instance) }),
  );
  await nextFrame(socket);
  const other = await connected('counter', instance, {
    query: { ticket: await mintFor('auth0|vera', 'another@clients', instance) },
  });
  await eventually(async () => expect(await sessionsOf('counter', instance)).toHaveLength(2));

  const target = { kind: 'principal', id: `auth0:dev-tenant.auth.test:${robot}` };
  expect(await lock(target)).toMatchObject({ receipt: { closed: 1, objects: 1 } });
  expect(await closed).toMatchObject(LOCKED);
  await untilRefused(instance, late);
  expect(await firstOf(instance, late)).toEqual({ messages: [], end: LOCKED });
  expect(await other.call('whoami')).toMatchObject({ principal: 'auth0:dev-tenant.auth.test:auth0|vera' });
});

it('a lock on the client of an exchange does so too', async () => {
  const [instance, { id, headers }] = [newInstance(), await makeService()];
  const late = await mintFor('auth0|vera', 'one@clients', instance, headers);
  const { socket, closed } = openSocket(
    socketUrl('counter', instance, { ticket: await mintFor('auth0|vera', 'one@clients', instance, headers) }),
  );
  await nextFrame(socket);
  await eventually(async () => expect(await sessionsOf('counter', instance)).toHaveLength(1));
  expect(await lock({ kind: 'service-token', id })).toMatchObject({ receipt: { closed: 1, objects: 1 } });
  expect(await closed).toMatchObject(LOCKED);
  await untilRefused(instance, late);
  expect(await firstOf(instance, late)).toEqual({ messages: [], end: LOCKED });
});
