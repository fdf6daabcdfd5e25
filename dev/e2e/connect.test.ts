import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { expect, inject, it } from 'vitest';
import { asService, decodeHeader, decodePayload, mint } from './broker.ts';
import { connected, nextFrame, openSocket } from './sockets.ts';

interface CounterState {
  count: number;
}

const ADMIN_SCOPE =
  'agent:connect agent:state:read agent:state:write agent:message agent:rpc:whoami agent:rpc:increment';

it('the stock client connects with the ticket in the query', async () => {
  const client = await connected<CounterState>('counter', 'by-query', {
    query: async () => ({ ticket: (await mint({ instance: 'by-query' })).ticket }),
  });
  expect(client.identified).toBe(true);
  expect(client.state).toEqual({ count: 0 });
  expect(await client.call('increment')).toBe(1);
});

it('the stock client connects with the ticket in the subprotocol, which stays out of the URL', async () => {
  const client = await connected<CounterState>('counter', 'by-subprotocol', {
    protocols: async () => [...(await mint({ instance: 'by-subprotocol' })).protocols],
  });
  expect(client.state).toEqual({ count: 0 });
  expect(await client.call('increment')).toBe(1);
  expect(client.protocol).toBe('agent-ticket.v1');
  expect(client.url).not.toContain('ticket');
});

it.each(['query', 'subprotocol'])('by %s an agent sends its identity to a client', async (delivery) => {
  const instance = `whoami-${delivery}`;
  const { ticket, protocols } = await mint({ instance });
  const identities: [string, string][] = [];
  const client = await connected('counter', instance, {
    ...(delivery === 'query' ? { query: { ticket } } : { protocols: [...protocols] }),
    onIdentity: (name, agent) => identities.push([name, agent]),
  });
  expect(identities).toEqual([[instance, 'counter']]);
  expect(await client.call('whoami')).toEqual({
    principal: `token:${inject('stack').serviceToken.id}`,
    role: 'admin',
    scope: ADMIN_SCOPE,
    session: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  });
});

it('a call outside the scope of the ticket fails as the SDK lets calls fail, and the socket stays open', async () => {
  const { ticket } = await mint({ instance: 'reset' });
  const client = await connected<CounterState>('counter', 'reset', { query: { ticket } });
  await client.call('increment');
  await expect(client.call('reset')).rejects.toThrow(/^forbidden$/);
  await expect(client.call('noSuchMethod')).rejects.toThrow(/^forbidden$/);
  expect(await client.call('increment')).toBe(2);
  expect(client.state).toEqual({ count: 2 });
});

it('a ticket narrowed at the broker gives that much and no more', async () => {
  const instance = 'narrow';
  const { ticket, scope } = await mint({ instance, scope: 'agent:state:read agent:rpc:whoami' });
  expect(scope).toBe('agent:connect agent:state:read agent:rpc:whoami');
  const client = await connected<CounterState>('counter', instance, { query: { ticket } });
  await expect(client.call('increment')).rejects.toThrow(/^forbidden$/);
  expect(await client.call('whoami')).toMatchObject({ role: 'admin', scope });
});

it('a ticket without the right to read state opens a socket that stays silent', async () => {
  const instance = 'silent';
  const { url } = await mint({ instance, scope: 'agent:rpc:whoami' });
  const { socket, frames } = openSocket(url);
  socket.addEventListener('open', () =>
    socket.send(JSON.stringify({ type: 'rpc', id: 'first', method: 'whoami', args: [] })),
  );
  await nextFrame(socket);
  expect(frames.map((frame) => JSON.parse(frame))).toEqual([
    expect.objectContaining({ type: 'rpc', id: 'first', success: true }),
  ]);
});

it('all other clients see the change of one client', async () => {
  const instance = 'shared';
  const join = async () =>
    connected<CounterState>('counter', instance, { query: { ticket: (await mint({ instance })).ticket } });
  const [first, second] = await Promise.all([join(), join()]);
  first.setState({ count: 7 });
  await eventually(() => expect(second.state).toEqual({ count: 7 }));
});

it('the address in the answer opens a socket as it is, and so do the protocols', async () => {
  const byAddress = await mint({ instance: 'as-answered' });
  const first = openSocket(byAddress.url);
  expect(await nextFrame(first.socket)).toContain('cf_agent_identity');

  const byProtocols = await mint({ instance: 'as-answered' });
  const bare = new URL(byProtocols.url);
  bare.search = '';
  const second = openSocket(bare.href, { protocols: byProtocols.protocols });
  expect(await nextFrame(second.socket)).toContain('cf_agent_identity');
  expect(second.socket.protocol).toBe('agent-ticket.v1');
});

it('every way to send a service token gives a ticket that opens a socket', async () => {
  const { clientId, clientSecret } = inject('stack').serviceToken;
  const ways = [
    asService(),
    { authorization: `Bearer ${clientSecret}` },
    { 'cf-access-client-id': clientId, 'cf-access-client-secret': clientSecret },
  ];
  for (const headers of ways) {
    const { ticket } = await mint({ instance: 'any-way' }, headers);
    const client = await connected('counter', 'any-way', { query: { ticket } });
    expect(await client.call('whoami')).toMatchObject({ role: 'admin' });
  }
});

it('a ticket has exactly the agreed header and claims, and any JOSE library verifies it by the published keys', async () => {
  const { issuer, audience, broker, serviceToken } = inject('stack');
  const { ticket, jti, expires_in, expires_at, session_expires_at } = await mint({ instance: 'claims' });
  const keys = createRemoteJWKSet(new URL(`${broker}/.well-known/jwks.json`));
  const { payload, protectedHeader } = await jwtVerify(ticket, keys, { typ: 'agent-ticket+jwt' });

  expect(Object.keys(decodeHeader(ticket)).sort()).toEqual(['alg', 'kid', 'typ']);
  expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'agent-ticket+jwt' });
  const { iat, nbf, exp, session_expiry, rev, ...named } = decodePayload(ticket);
  expect(named).toEqual({
    iss: issuer,
    aud: audience,
    sub: `token:${serviceToken.id}`,
    jti,
    agent: 'counter',
    instance: 'claims',
    scope: ADMIN_SCOPE,
    role: 'admin',
    tier: 'pro',
    transport: 'websocket',
    grant: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect(rev).toEqual(expect.any(Number));
  expect(payload).toMatchObject({ iat, nbf: iat, exp: Number(iat) + 60, session_expiry: Number(iat) + 3600 });
  expect([nbf, expires_in]).toEqual([iat, 60]);
  expect(Date.parse(expires_at)).toBe(Number(exp) * 1000);
  expect(Date.parse(session_expires_at)).toBe(Number(session_expiry) * 1000);
});
