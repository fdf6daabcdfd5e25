import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it } from 'vitest';
import * as z from 'zod';
import { askForTicket, asOperator, asService, decodePayload, mint, post, throughAccess } from './broker.ts';
import { connected, nextFrame, openSocket } from './sockets.ts';

interface CounterState {
  count: number;
}

const VIEWER = { role: 'viewer', scope: 'agent:connect agent:state:read agent:rpc:whoami' } as const;
const USER = /^access:dev-team\.cloudflareaccess\.com:user:[0-9a-f-]{36}$/;

it('a user from Cloudflare Access watches a counter and changes nothing', async () => {
  const instance = 'watched';
  const { ticket, role, scope } = await mint(
    { instance },
    await throughAccess({ email: 'vera@example.com' }),
  );
  expect({ role, scope }).toEqual(VIEWER);
  const viewer = await connected<CounterState>('counter', instance, { query: { ticket } });
  expect(await viewer.call('whoami')).toMatchObject({ principal: expect.stringMatching(USER), ...VIEWER });
  await expect(viewer.call('increment')).rejects.toThrow(/^forbidden$/);

  const admin = await connected('counter', instance, {
    query: { ticket: (await mint({ instance })).ticket },
  });
  await admin.call('increment');
  await eventually(() => expect(viewer.state).toEqual({ count: 1 }));
});

it('a grant to an address serves whom the issuer knows by it, and nobody else', async () => {
  const instance = 'granted-by-address';
  const body = {
    subject: 'email:gerda@example.com',
    agent: 'counter',
    instance,
    role: 'admin',
    reason: 'test',
  };
  expect((await post(`${inject('stack').broker}/admin/grants`, asOperator(), body)).status).toBe(201);
  const roleOf = async (email: string) => (await mint({ instance }, await throughAccess({ email }))).role;
  expect(await roleOf('gerda@example.com')).toBe('admin');
  expect(await roleOf('vera@example.com')).toBe('viewer');
});

it('a viewer who writes state gets an error, and no other client sees the state', async () => {
  const instance = 'unwritten';
  const errors: string[] = [];
  const { ticket } = await mint({ instance }, await throughAccess({ email: 'vera@example.com' }));
  const viewer = await connected<CounterState>('counter', instance, {
    query: { ticket },
    onStateUpdateError: (error) => errors.push(error),
  });
  viewer.setState({ count: 99 });
  await eventually(() => expect(errors).toEqual(['forbidden']));
  const { ticket: other } = await mint({ instance });
  const admin = await connected<CounterState>('counter', instance, { query: { ticket: other } });
  expect(admin.state).toEqual({ count: 0 });
});

it('the same person is the same principal each time, and no e-mail is in the ticket', async () => {
  const headers = () => throughAccess({ email: 'vera@example.com' });
  const [first, second] = [
    await mint({ instance: 'a' }, await headers()),
    await mint({ instance: 'b' }, await headers()),
  ].map(({ ticket }) => decodePayload(ticket));
  expect(first?.sub).toMatch(USER);
  expect(second?.sub).toBe(first?.sub);
  expect(JSON.stringify(first)).not.toContain('@');
});

it('an Access service token is a viewer named by its client id', async () => {
  const commonName = `${'5e'.repeat(16)}.access`;
  const { ticket, role } = await mint({ instance: 'machine' }, await throughAccess({ commonName }));
  expect(role).toBe('viewer');
  const client = await connected('counter', 'machine', { query: { ticket } });
  expect(await client.call('whoami')).toMatchObject({
    principal: `access:dev-team.cloudflareaccess.com:service:${commonName}`,
    ...VIEWER,
  });
});

it('an explicit credential beats the one that Access adds', async () => {
  const both = { ...(await throughAccess({ email: 'vera@example.com' })), ...asService() };
  const { ticket } = await mint({ instance: 'both' }, both);
  expect(decodePayload(ticket).sub).toBe(`token:${inject('stack').serviceToken.id}`);
});

it('an Auth0 access token gives a ticket as well', async () => {
  const answer = await post(inject('stack').auth0.tokenUrl, {}, { sub: 'auth0|vera' });
  const { token } = z.object({ token: z.string() }).parse(await answer.json());
  const { ticket } = await mint({ instance: 'auth0' }, { authorization: `Bearer ${token}` });
  const client = await connected('counter', 'auth0', { query: { ticket } });
  expect(await client.call('whoami')).toMatchObject({
    principal: 'auth0:dev-tenant.auth.test:auth0|vera',
    ...VIEWER,
  });
});

it.each([
  ['has expired', { expiresIn: -60 }, 'TOKEN_EXPIRED'],
  ['is for another application', { aud: 'ff'.repeat(32) }, 'UNAUTHORIZED'],
  ['is of another issuer', { claims: { iss: 'https://other.cloudflareaccess.com' } }, 'UNAUTHORIZED'],
  ['is a session and no identity', { claims: { type: 'org' } }, 'UNAUTHORIZED'],
])('an assertion that %s is refused, also where nobody needs one', async (_name, how, code) => {
  const made = await post(inject('stack').access.tokenUrl, {}, { email: 'vera@example.com', ...how });
  const { token } = z.object({ token: z.string() }).parse(await made.json());
  for (const request of [{ instance: 'refused' }, { agent: 'lobby', instance: 'main' }]) {
    const answer = await askForTicket(request, { 'cf-access-jwt-assertion': token });
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ error: { code } });
  }
});

it('the name that Access sends beside its assertion is no credential', async () => {
  const headers = { 'cf-access-authenticated-user-email': 'vera@example.com' };
  expect((await askForTicket({ instance: 'named' }, headers)).status).toBe(401);
});

it('a viewer who sends anything else gets the missing scope as the answer', async () => {
  const { url } = await mint({ instance: 'talk' }, await throughAccess({ email: 'vera@example.com' }));
  const { socket, frames } = openSocket(url);
  await nextFrame(socket);
  socket.send('hello');
  const denied = { type: 'ticket.denied', code: 'forbidden', scope: 'agent:message' };
  await eventually(() => expect(frames.map((frame) => JSON.parse(frame))).toContainEqual(denied));
});
