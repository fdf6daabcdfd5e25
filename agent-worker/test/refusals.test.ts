import { evictDurableObject } from 'cloudflare:test';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test, vi } from 'vitest';
import { entryOf, gate, gateWith } from './gate.ts';
import { counter, sweep, witness } from './objects.ts';
import { eventsOf, expectEvents } from './record.ts';
import { enter, renew, ticketOf } from './renewals.ts';
import { connect, type Socket } from './sockets.ts';
import { makeTicket, NOW, newInstance } from './tickets.ts';

/** What refused frames and renewals cost: events by session, code and minute, and an end to the socket of a flood. */

const MINUTE = NOW - (NOW % 60) + 60;
const LIVED = { iat: MINUTE, nbf: MINUTE, exp: MINUTE + 60, session_expiry: MINUTE + 3600 };
const at = (seconds: number) => vi.setSystemTime((MINUTE + seconds) * 1000);

const REFUSED = ['ticket.used', 'session.opened', 'rpc.denied'];
const countIn = (details: string | null): unknown => JSON.parse(details ?? '{}').count;

/** A viewer of the counter, whose frames are refused. */
async function watcher() {
  at(0);
  const instance = newInstance();
  const socket = await connect(`/agents/counter/${instance}`, {
    ticket: await makeTicket({ instance, ...LIVED }),
  });
  await socket.frame('cf_agent_state');
  return { instance, socket };
}
async function refusedTimes(socket: Socket, times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) socket.send('ping');
  await socket.call('whoami');
}

describe('refused frames', () => {
  test('alike are one event, and one more with their number when the minute is over', async () => {
    const { instance, socket } = await watcher();
    await refusedTimes(socket, 20);
    await sweep(counter(instance));
    await expectEvents(instance, REFUSED);
    at(60);
    await sweep(counter(instance));
    const events = await expectEvents(instance, [...REFUSED, 'rpc.denied']);
    expect(events.at(-1)).toMatchObject({
      outcome: 'denied',
      code: 'frame_scope_missing',
      session_id: events[1]?.session_id,
      details: JSON.stringify({ frame: 'message', count: 19 }),
    });
  });

  test('of a later minute are counted anew', async () => {
    const { instance, socket } = await watcher();
    await refusedTimes(socket, 3);
    at(61);
    await refusedTimes(socket, 2);
    const events = await expectEvents(instance, [...REFUSED, 'rpc.denied', 'rpc.denied']);
    expect(events.slice(2).map(({ details }) => countIn(details))).toEqual([undefined, 2, undefined]);
  });

  test('that were counted are written before the end of their session', async () => {
    const { instance, socket } = await watcher();
    await refusedTimes(socket, 5);
    socket.close();
    const events = await expectEvents(instance, [...REFUSED, 'rpc.denied', 'session.closed']);
    expect(countIn(events[3]?.details ?? null)).toBe(4);
  });

  test('are counted by session', async () => {
    const { instance, socket } = await watcher();
    const other = await connect(`/agents/counter/${instance}`, {
      ticket: await makeTicket({ instance, ...LIVED }),
    });
    await refusedTimes(socket, 2);
    await refusedTimes(other, 2);
    await expectEvents(instance, [
      'ticket.used',
      'session.opened',
      'ticket.used',
      'session.opened',
      'rpc.denied',
      'rpc.denied',
    ]);
  });

  test('in the next life of an object are an event again', async () => {
    const { instance, socket } = await watcher();
    await refusedTimes(socket, 1);
    await expectEvents(instance, REFUSED);
    await evictDurableObject(counter(instance));
    await refusedTimes(socket, 1);
    await expectEvents(instance, [...REFUSED, 'rpc.denied']);
  });

  test('above sixty in a burst close the socket, and the record has two rows of them and its end', async () => {
    const { instance, socket } = await watcher();
    for (let second = 0; second < 3; second += 1) {
      at(second * 2);
      for (let n = 0; n < 30; n += 1) socket.send('ping');
      if (second < 2) await socket.call('whoami');
    }
    expect(await socket.closed()).toEqual({ code: 1008, reason: 'too_many_messages' });
    const events = await expectEvents(instance, [...REFUSED, 'rpc.denied', 'session.closed']);
    expect(events.at(-1)).toMatchObject({ code: 'too_many_messages' });
  });
});

describe('renewals', () => {
  test('come no more often than three at once and one in ten seconds', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance);
    for (let n = 0; n < 3; n += 1)
      expect(await renew(socket, await ticketOf(instance))).toMatchObject({ type: 'ticket.renewed' });
    const kept = await ticketOf(instance);
    expect(await renew(socket, kept)).toEqual({ type: 'ticket.refused', code: 'rate_limited' });
    vi.setSystemTime((NOW + 10) * 1000);
    expect(await renew(socket, kept)).toMatchObject({ type: 'ticket.renewed' });
  });

  test('that are refused in a loop are two rows for each reason, and close the socket', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance);
    for (let second = 0; second < 3; second += 1) {
      vi.setSystemTime((NOW + second * 2) * 1000);
      for (let n = 0; n < 30; n += 1) socket.send({ type: 'ticket.renew', ticket: 'x' });
      if (second < 2) await socket.call('whoami');
    }
    expect(await socket.closed()).toMatchObject({ code: 1008 });
    const events = await eventually(async () => {
      const all = await eventsOf(instance);
      expect(all.at(-1)).toMatchObject({ type: 'session.closed', code: 'too_many_messages' });
      return all;
    });
    const renewals = events.filter(({ type }) => type === 'session.renewed');
    expect(renewals.map(({ code, details }) => [code, countIn(details)])).toEqual([
      ['ticket_malformed', undefined],
      ['rate_limited', undefined],
      ['ticket_malformed', 2],
      ['rate_limited', expect.any(Number)],
    ]);
  });
});

describe('anonymous sockets of one network', () => {
  const ENTRY = entryOf('witness');
  const front = gateWith({ registry: [{ ...ENTRY, limits: { ...ENTRY.limits, socketsPerPrincipal: 1 } }] });
  const come = async (instance: string, address: string, sub = `anonymous:${crypto.randomUUID()}`) => {
    const ticket = await makeTicket({ instance, agent: 'witness', scope: 'agent:connect', sub });
    const headers = { 'cf-connecting-ip': address };
    return connect(`/agents/witness/${instance}`, { ticket, headers, front });
  };

  test('are eight times the limit of one principal, whatever principals the tickets name', async () => {
    const instance = newInstance();
    const first: Socket[] = [];
    for (let n = 0; n < 8; n += 1) first.push(await come(instance, `2001:db8::${n + 1}`));
    await Promise.all(first.map((socket) => socket.frame('seen')));
    const refused = await come(instance, '2001:db8::ffff');
    expect(await refused.closed()).toEqual({ code: 1013, reason: 'too_many_sockets' });
    await (await come(instance, '2001:db8:0:1::1')).frame('seen');
    await (await come(instance, '203.0.113.9')).frame('seen');
    await (await come(instance, '2001:db8::ffff', 'auth0:t:known')).frame('seen');
    await (await come(newInstance(), '2001:db8::ffff')).frame('seen');
  });
});

test('an agent’s own refusals are counted the same way', async () => {
  at(0);
  const instance = newInstance();
  const ticket = await makeTicket({
    instance,
    agent: 'witness',
    scope: 'agent:connect agent:rpc:*',
    ...LIVED,
  });
  const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
  await socket.call('deny', 50);
  at(60);
  await sweep(witness(instance));
  const events = (await expectEvents(instance, [...REFUSED, 'rpc.denied'])).slice(2);
  expect(events.map(({ code, details }) => [code, countIn(details)])).toEqual([
    ['not_now', undefined],
    ['not_now', 49],
  ]);
});
