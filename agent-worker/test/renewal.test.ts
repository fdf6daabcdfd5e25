import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, test, vi } from 'vitest';
import { cutoff, NEXT_REV, revoke } from './commands.ts';
import { counter, ownSessions, sweep } from './objects.ts';
import { expectEvents, sessionsOf } from './record.ts';
import { enter, LIFE, later, renew, ticketOf } from './renewals.ts';
import { connect, type Socket } from './sockets.ts';
import { makeTicket, NOW, newInstance, nextSigner, rights, unknownSigner } from './tickets.ts';
import { printed } from './watch.ts';

/** Renewal in band: a newer ticket carries a session on. */

const END_MS = (NOW + LIFE) * 1000;

describe('a newer ticket', () => {
  test('carries the session on: its rights, jti and kid, under the same id', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance, 'viewer');
    const [before] = await ownSessions(counter(instance));
    const jti = crypto.randomUUID();
    const renewal = await makeTicket(
      { instance, ...rights('counter', 'owner'), session_expiry: NOW + 2 * LIFE, jti },
      { by: nextSigner },
    );
    expect(await renew(socket, renewal)).toEqual({
      type: 'ticket.renewed',
      scope: rights('counter', 'owner').scope,
      session_expires_at: new Date((NOW + 2 * LIFE) * 1000).toISOString(),
    });
    expect(await socket.call('whoami')).toMatchObject({
      result: { role: 'owner', session: before?.id },
    });
    expect(await socket.call('increment')).toMatchObject({ success: true });
    later(socket, LIFE + 1);
    expect(await socket.call('increment')).toMatchObject({ success: true });

    expect(await ownSessions(counter(instance))).toMatchObject([{ id: before?.id, jti }]);
    const [, , renewed] = await expectEvents(instance, ['ticket.used', 'session.opened', 'session.renewed']);
    expect(renewed).toMatchObject({ jti, session_id: before?.id });
    expect(await sessionsOf(instance)).toMatchObject([
      { id: before?.id, jti, kid: nextSigner.kid, role: 'owner', scope: rights('counter', 'owner').scope },
    ]);
  });

  test('with less rights takes them away at once', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance);
    expect(await socket.call('increment')).toMatchObject({ success: true });
    await renew(socket, await ticketOf(instance, 'viewer'));
    expect(await socket.call('increment')).toMatchObject({ success: false, error: 'forbidden' });
  });

  test('without the right to read the state closes: the SDK has no way to stop sending it', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance);
    const scope = 'agent:connect agent:rpc:whoami';
    expect(await renew(socket, await ticketOf(instance, 'viewer', { scope }))).toMatchObject({ scope });
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'rights_changed' });
    expect(await ownSessions(counter(instance))).toMatchObject([{ end_reason: 'rights_changed' }]);
  });

  test('never carries a session past 24 hours of life', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance, 'owner', { session_expiry: NOW + 24 * 3600 });
    later(socket, 24 * 3600 - 60);
    const renewal = await ticketOf(instance, 'owner', { session_expiry: NOW + 25 * 3600 });
    expect(await renew(socket, renewal)).toMatchObject({
      type: 'ticket.renewed',
      session_expires_at: new Date((NOW + 24 * 3600) * 1000).toISOString(),
    });
    later(socket, 24 * 3600).send('late');
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'session_expired' });
  });

  test('is burned: it opens no socket, and renews nothing else', async () => {
    const instance = newInstance();
    const { socket, ticket } = await enter(instance);
    const renewal = await ticketOf(instance);
    await renew(socket, renewal);
    const used = { type: 'ticket.refused', code: 'ticket_used' };
    expect(await renew(socket, renewal)).toEqual(used);
    expect(await renew(socket, ticket)).toEqual(used);
    const again = await connect(`/agents/counter/${instance}`, { ticket: renewal });
    expect(await again.closed()).toEqual({ code: 3000, reason: 'ticket_used' });
  });

  test('that burned before the end was noticed wins; at the end it is too late', async () => {
    const instance = newInstance();
    const { socket: quick } = await enter(instance);
    const { socket: late } = await enter(instance);
    const renewal = () => ticketOf(instance, 'owner', { session_expiry: NOW + 2 * LIFE });
    vi.setSystemTime(END_MS - 1);
    expect(await renew(quick, await renewal())).toMatchObject({ type: 'ticket.renewed' });
    vi.setSystemTime(END_MS);
    late.send({ type: 'ticket.renew', ticket: await renewal() });
    await sweep(counter(instance));
    expect(await late.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    expect(late.frames.filter(({ type }) => type === 'ticket.renewed')).toEqual([]);
    expect(await quick.call('whoami')).toMatchObject({ success: true });
  });

  test('renews one of a hundred sessions that show it at once', async () => {
    const instance = newInstance();
    const sockets: Socket[] = [];
    for (let n = 0; n < 100; n += 1) {
      const sub = `auth0:t:person-${n % 10}`;
      // Ten people with ten sessions each; the ticket is the first one's.
      sockets.push((await enter(instance, 'viewer', { sub })).socket);
    }
    const own = await ticketOf(instance, 'viewer', { sub: 'auth0:t:person-0' });
    const outcomes = await Promise.all(sockets.map((socket) => renew(socket, own)));
    const counted = (type: string, code?: string) =>
      outcomes.filter((frame) => frame.type === type && frame.code === code).length;
    expect(counted('ticket.renewed')).toBe(1);
    expect(counted('ticket.refused', 'ticket_used')).toBe(9);
    expect(counted('ticket.refused', 'forbidden')).toBe(90);
  });
});

describe('a renewal is refused, and the session goes on as it was,', () => {
  const refusals: [why: string, code: string, claims: object, how?: object][] = [
    ['of another principal', 'forbidden', { sub: 'auth0:tenant.example:auth0|43' }],
    ['through an actor', 'forbidden', { act: { sub: 'auth0:tenant.example:robot' } }],
    ['for another instance', 'forbidden', { instance: 'elsewhere' }],
    ['for another agent', 'forbidden', { agent: 'lobby' }],
    ['for plain requests', 'forbidden', { transport: 'http' }],
    ['for another audience', 'unauthorized', { aud: 'others' }],
    ['of another issuer', 'unauthorized', { iss: 'https://other.example' }],
    ['of a key nobody published', 'unauthorized', {}, { by: unknownSigner }],
    ['not valid yet', 'unavailable', { nbf: NOW + 60, iat: NOW + 60, exp: NOW + 120 }],
    ['that expired', 'ticket_expired', { iat: NOW - 60, nbf: NOW - 60, exp: NOW - 5 }],
    ['whose rights are over', 'session_expired', { session_expiry: NOW }],
  ];
  test.for(refusals)('%s', async ([, code, claims, how]) => {
    const instance = newInstance();
    const { socket } = await enter(instance, 'viewer');
    const jti = crypto.randomUUID();
    const other = { instance, ...rights('counter', 'owner'), jti, ...claims };
    expect(await renew(socket, await makeTicket(other, how))).toEqual({ type: 'ticket.refused', code });
    expect(await socket.call('increment')).toMatchObject({ success: false, error: 'forbidden' });
    expect(await socket.call('whoami')).toMatchObject({ success: true });
    const burned = await runInDurableObject(counter(instance), (_, state) =>
      state.storage.sql.exec('SELECT 1 FROM ticket_burns WHERE jti = ?', jti).toArray(),
    );
    expect(burned).toEqual([]);
    const events = await expectEvents(instance, [
      'ticket.used',
      'session.opened',
      'session.renewed',
      'rpc.denied',
    ]);
    expect(events[2]).toMatchObject({
      outcome: 'denied',
      code: expect.stringMatching(/_(wrong|refused|unknown|valid|expired)$/),
    });
    expect(printed.filter((line) => line.includes('renewal_refused'))).toHaveLength(1);
  });

  test.for([undefined, null, 42, '', 'nonsense', {}, ['a']])('for %j', async (ticket) => {
    const { socket } = await enter(newInstance());
    expect(await renew(socket, ticket)).toEqual({ type: 'ticket.refused', code: 'unauthorized' });
    expect(await socket.call('whoami')).toMatchObject({ success: true });
  });

  test('of somebody anonymous, who is not warned either', async () => {
    const instance = newInstance();
    const sub = `anonymous:${crypto.randomUUID()}`;
    const { socket } = await enter(instance, 'viewer', { sub });
    const renewal = await ticketOf(instance, 'viewer', { sub });
    expect(await renew(socket, renewal)).toEqual({ type: 'ticket.refused', code: 'forbidden' });
    later(socket, LIFE - 10);
    await sweep(counter(instance));
    await socket.call('whoami');
    expect(socket.frames.filter(({ type }) => type === 'ticket.expiring')).toEqual([]);
  });

  test('from before a revocation of the instance, for a session that the revocation does not hit', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance, 'owner', { rev: NEXT_REV });
    expect(await revoke(counter(instance), cutoff(`instance:counter/${instance}`))).toBe(0);
    expect(await renew(socket, await ticketOf(instance))).toEqual({
      type: 'ticket.refused',
      code: 'forbidden',
    });
    expect(await socket.call('whoami')).toMatchObject({ success: true });
  });
});

test('a client is warned once ahead of the end, and once more after it renewed', async () => {
  const instance = newInstance();
  const { socket } = await enter(instance);
  const warnings = () => socket.frames.filter(({ type }) => type === 'ticket.expiring');
  const sweepAt = async (seconds: number) => {
    later(socket, seconds);
    await sweep(counter(instance));
    await socket.call('whoami');
    return warnings().length;
  };
  expect(await sweepAt(LIFE - 61)).toBe(0);
  expect(await sweepAt(LIFE - 60)).toBe(1);
  expect(await sweepAt(LIFE - 30)).toBe(1);
  const renewal = await ticketOf(instance, 'owner', { session_expiry: NOW + 2 * LIFE });
  await renew(socket, renewal);
  expect(await sweepAt(LIFE + 1)).toBe(1);
  expect(await sweepAt(2 * LIFE - 60)).toBe(2);
});
