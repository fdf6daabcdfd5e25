import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { describe, expect, it } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { startBroker } from './broker.ts';
import { COUNTER, LOBBY, mint, newInstance, refusal, refusalOf, ticketOf } from './call.ts';
import { NOW } from './clock.ts';
import { SETTINGS } from './settings.ts';
import { claimsOf, headerOf, publishedKeys, verdict } from './tickets.ts';
import { grant, makeToken, type TokenOptions } from './tokens.ts';

const VIEWER = 'agent:connect agent:state:read agent:rpc:whoami';
const ADMIN =
  'agent:connect agent:state:read agent:state:write agent:message agent:rpc:whoami agent:rpc:increment';
const OWNER = 'agent:connect agent:state:read agent:state:write agent:message agent:rpc:*';

const iso = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** A token that is admin of every counter. */
const counterAdmin = async (options: TokenOptions = {}) => {
  const token = await makeToken(options);
  await grant(token.principal, { role: 'admin' });
  return token;
};

describe('a ticket', () => {
  it('comes with exactly the members of the contract, each saying what the claims say', async () => {
    const token = await counterAdmin();
    const instance = newInstance();
    const answer = ticketOf(await mint(token.pair, { agent: 'counter', instance }));
    const { ticket, jti, ...rest } = answer;
    expect(rest).toEqual({
      expires_in: 60,
      expires_at: iso(NOW + 60),
      agent: 'counter',
      instance,
      scope: ADMIN,
      role: 'admin',
      session_expires_at: iso(NOW + 3600),
      url: `wss://agents.test/agents/counter/${instance}?ticket=${ticket}`,
      protocols: ['agent-ticket.v1', ticket],
    });
    expect(claimsOf(answer).jti).toBe(jti);
  });

  it('has a header of exactly alg, typ and kid', async () => {
    const answer = ticketOf(await mint((await makeToken()).pair));
    expect(headerOf(answer)).toEqual({
      alg: 'ES256',
      typ: 'agent-ticket+jwt',
      kid: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    });
  });

  it('has exactly the claims of the contract', async () => {
    const token = await counterAdmin();
    const answer = ticketOf(await mint(token.pair, { agent: 'counter', instance: 'room-1' }));
    expect(claimsOf(answer)).toEqual({
      iss: SETTINGS.ISSUER,
      aud: SETTINGS.TICKET_AUDIENCE,
      sub: token.principal,
      jti: answer.jti,
      iat: NOW,
      nbf: NOW,
      exp: NOW + 60,
      agent: 'counter',
      instance: 'room-1',
      scope: ADMIN,
      role: 'admin',
      tier: 'pro',
      transport: 'websocket',
      session_expiry: NOW + 3600,
      rev: expect.any(Number),
      grant: expect.any(String),
    });
  });

  it('is taken by the verifier of the agent worker with the published keys', async () => {
    // A worker of its own: the shared one may hold the keys of an earlier file for five seconds.
    const { front } = startBroker();
    const answer = ticketOf(await mint((await makeToken()).pair, COUNTER, { front }));
    expect(await verdict(answer, await publishedKeys(front))).toBe('accepted');
  });

  it('has a name of its own each time', async () => {
    const token = await makeToken();
    const names = await Promise.all(
      Array.from({ length: 10 }, async () => ticketOf(await mint(token.pair)).jti),
    );
    expect(new Set(names).size).toBe(10);
  });

  it('names an anonymous caller anew each time and gives it nothing but the viewer role', async () => {
    const [first, second] = await Promise.all([mint(undefined, LOBBY), mint(undefined, LOBBY)]);
    const claims = [first, second].map((reply) => claimsOf(ticketOf(reply)));
    expect(claims.map(({ sub }) => sub)).toEqual([
      expect.stringMatching(/^anonymous:[0-9a-f-]{36}$/),
      expect.stringMatching(/^anonymous:[0-9a-f-]{36}$/),
    ]);
    expect(claims[0]?.sub).not.toBe(claims[1]?.sub);
    expect(claims[0]).toMatchObject({
      role: 'viewer',
      tier: 'free',
      scope: 'agent:connect agent:state:read',
    });
  });

  it('for plain requests says so', async () => {
    const token = await makeToken();
    const answer = ticketOf(await mint(token.pair, { ...COUNTER, transport: 'http' }));
    expect(claimsOf(answer).transport).toBe('http');
    expect(await verdict(answer, await publishedKeys())).toBe('accepted');
  });

  it('is for the instance "default" where none is named', async () => {
    const answer = ticketOf(await mint((await makeToken()).pair, { agent: 'counter' }));
    expect([answer.instance, claimsOf(answer).instance]).toEqual(['default', 'default']);
  });

  it('carries an unencrypted socket address where the agent worker is on loopback', async () => {
    const { front } = startBroker({ settings: { AGENT_WORKER_URL: 'http://127.0.0.1:8788' } });
    const answer = ticketOf(await mint((await makeToken()).pair, COUNTER, { front }));
    expect(answer.url).toBe(`ws://127.0.0.1:8788/agents/counter/default?ticket=${answer.ticket}`);
  });
});

describe('the scope of a ticket', () => {
  it.each([
    ['viewer', undefined, VIEWER],
    ['viewer', 'agent:connect', 'agent:connect'],
    ['viewer', 'agent:state:read', 'agent:connect agent:state:read'],
    ['viewer', 'agent:rpc:whoami agent:rpc:whoami', 'agent:connect agent:rpc:whoami'],
    ['admin', undefined, ADMIN],
    ['admin', 'agent:message agent:connect', 'agent:connect agent:message'],
    ['admin', ADMIN, ADMIN],
    ['owner', undefined, OWNER],
    ['owner', 'agent:rpc:reset', 'agent:connect agent:rpc:reset'],
    ['owner', 'agent:rpc:*', 'agent:connect agent:rpc:*'],
  ] as const)('of role %s, asked for %s, is %s', async (role, scope, expected) => {
    const token = await makeToken();
    await grant(token.principal, { role });
    const answer = ticketOf(
      await mint(token.pair, { ...COUNTER, ...(scope === undefined ? {} : { scope }) }),
    );
    expect([answer.role, answer.scope, claimsOf(answer).scope]).toEqual([role, expected, expected]);
  });

  it.each([
    ['viewer', 'agent:state:write'],
    ['viewer', 'agent:state:read agent:message'],
    ['viewer', 'agent:rpc:*'],
    ['viewer', 'agent:rpc:increment'],
    ['admin', 'agent:rpc:reset'],
    ['admin', 'agent:rpc:*'],
  ] as const)('of role %s is never widened to %s', async (role, scope) => {
    const token = await makeToken();
    await grant(token.principal, { role });
    expect(refusal(await mint(token.pair, { ...COUNTER, scope }))).toBe('403 FORBIDDEN');
  });

  it('too long for a ticket is the fault of the request', async () => {
    const token = await makeToken();
    await grant(token.principal, { role: 'owner' });
    const scope = Array.from({ length: 39 }, (_, i) => `agent:rpc:method_named_${i}`).join(' ');
    const request = { agent: 'counter', instance: 'i'.repeat(128), scope };
    const reply = await mint(token.pair, request);
    if (reply.status === 201) expect(ticketOf(reply).ticket.length).toBeLessThanOrEqual(2048);
    else expect(refusalOf(reply)).toMatchObject({ status: 400, message: expect.stringContaining('scope') });
  });
});

describe('the life of a ticket', () => {
  it.each([5, 6, 60, 299, 300])('is %i seconds when asked for', async (seconds) => {
    const reply = await mint((await makeToken()).pair, { ...COUNTER, expires_in: seconds });
    const answer = ticketOf(reply);
    expect([answer.expires_in, answer.expires_at]).toEqual([seconds, iso(NOW + seconds)]);
    expect(claimsOf(answer)).toMatchObject({ iat: NOW, nbf: NOW, exp: NOW + seconds });
  });

  it.each([4, 0, -1, 301, 86_400, 5.5, 2 ** 53, '60', null, true, [60]])(
    'of %j is a fault of the request that names the field',
    async (expires_in) => {
      const reply = await mint((await makeToken()).pair, { ...COUNTER, expires_in });
      expect(refusalOf(reply)).toMatchObject({
        status: 400,
        code: 'BAD_REQUEST',
        message: expect.stringContaining('expires_in'),
      });
    },
  );

  it.each([
    // [seconds left, asked for] → [life, session]
    [3600, 300, 300, 3600],
    [3599, 300, 300, 3599],
    [100, 300, 100, 100],
    [30, undefined, 30, 30],
    [6, 300, 6, 6],
    [5, undefined, 5, 5],
    [5, 5, 5, 5],
  ])(
    'on a credential that has %i s left, asked for %s, is %i and the session %i',
    async (left, expires_in, life, session) => {
      const token = await makeToken({ expiresAt: (NOW + left) * 1000 });
      const answer = ticketOf(await mint(token.pair, { ...COUNTER, ...(expires_in && { expires_in }) }));
      expect(claimsOf(answer)).toMatchObject({ exp: NOW + life, session_expiry: NOW + session });
      expect(answer.session_expires_at).toBe(iso(NOW + session));
    },
  );

  it.each([4.999, 4, 1, 0.001])('does not begin on a credential that has %d s left', async (left) => {
    const token = await makeToken({ expiresAt: (NOW + left) * 1000 });
    expect(refusal(await mint(token.pair))).toBe('401 TOKEN_EXPIRED');
  });

  it('ends with the grace time of a secret that was rotated out', async () => {
    const token = await makeToken({ secretExpiresAt: (NOW + 20) * 1000 });
    expect(claimsOf(ticketOf(await mint(token.pair)))).toMatchObject({
      exp: NOW + 20,
      session_expiry: NOW + 20,
    });
  });

  it.each([
    [7200, 300, 3600],
    [3600, 300, 3600],
    [200, 200, 200],
    [5, 5, 5],
  ])('under a grant that ends in %i s is %i and the session %i', async (ends, life, session) => {
    const token = await makeToken();
    await grant(token.principal, { role: 'admin', expiresAt: (NOW + ends) * 1000 });
    const answer = ticketOf(await mint(token.pair, { ...COUNTER, expires_in: 300 }));
    expect(answer.role).toBe('admin');
    expect(claimsOf(answer)).toMatchObject({ exp: NOW + life, session_expiry: NOW + session });
  });

  it('is that of the grant that ends last, where two give the role', async () => {
    const token = await makeToken();
    await grant(token.principal, { role: 'admin', expiresAt: (NOW + 10) * 1000 });
    await grant(token.principal, { role: 'admin', instance: 'default', expiresAt: (NOW + 100) * 1000 });
    expect(claimsOf(ticketOf(await mint(token.pair))).session_expiry).toBe(NOW + 100);
  });

  it.each([4.9, 3, 0.5])('a grant that ends in %d s leaves what there is without it', async (ends) => {
    const token = await makeToken();
    await grant(token.principal, { role: 'admin', expiresAt: (NOW + ends) * 1000 });
    const answer = ticketOf(await mint(token.pair));
    expect([answer.role, claimsOf(answer).session_expiry]).toEqual(['viewer', NOW + 3600]);
  });

  it('a grant that has ended gives nothing', async () => {
    const token = await makeToken();
    await grant(token.principal, { role: 'owner', expiresAt: NOW * 1000 });
    expect(ticketOf(await mint(token.pair)).role).toBe('viewer');
  });
});

describe('a grant', () => {
  it.each([
    ['this instance', { instance: 'room-a' }, 'admin'],
    ['every instance', { instance: '*' }, 'admin'],
    ['another instance', { instance: 'room-b' }, 'viewer'],
    ['the same name in other letters', { instance: 'ROOM-A' }, 'viewer'],
    ['another agent', { agent: 'lobby', instance: 'room-a' }, 'viewer'],
  ] as const)('on %s counts only where it says', async (_where, where, role) => {
    const token = await makeToken();
    await grant(token.principal, { ...where, role: 'admin' });
    expect(ticketOf(await mint(token.pair, { agent: 'counter', instance: 'room-a' })).role).toBe(role);
  });

  it('of another principal gives nothing', async () => {
    const [mine, other] = [await makeToken(), await makeToken()];
    await grant(other.principal, { role: 'owner' });
    expect(ticketOf(await mint(mine.pair)).role).toBe('viewer');
  });
});

describe('an agent that streams over HTTP', () => {
  const streaming: AgentEntry = {
    ...AGENTS[0],
    slug: 'streaming',
    bindingKey: 'STREAMING',
    transport: 'sse',
  };
  const { front } = startBroker({ ports: { registry: [...AGENTS, streaming] } });

  it('has no tickets for sockets, and tickets for requests', async () => {
    const { pair } = await makeToken();
    const request = { agent: 'streaming', instance: 'default' };
    expect(refusal(await mint(pair, request, { front }))).toBe('403 FORBIDDEN');
    expect(claimsOf(ticketOf(await mint(pair, { ...request, transport: 'http' }, { front })))).toMatchObject({
      agent: 'streaming',
      transport: 'http',
    });
  });
});
