import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { verifierOf } from '../src/verifier.ts';
import { counter, ownSessions, sweep } from './objects.ts';
import { type EventRow, eventsOf } from './record.ts';
import { connect, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newInstance } from './tickets.ts';

/** What becomes of a ticket that is shown again. */

const FIRST = { 'cf-connecting-ip': '203.0.113.7', 'user-agent': 'the owner' };
const LATER = { 'cf-connecting-ip': '198.51.100.9', 'user-agent': 'somebody else' };

const pathOf = (instance: string) => `/agents/counter/${instance}`;

const open = async (claims: object = {}) => {
  const instance = newInstance();
  const ticket = await makeTicket({ instance, ...claims });
  const socket = await connect(pathOf(instance), { ticket, headers: FIRST });
  await socket.frame('cf_agent_state');
  return { instance, ticket, socket };
};
const replay = async (instance: string, ticket: string) =>
  refusedSocket(await upgrade(pathOf(instance), { ticket, headers: LATER }));

/** Lets what is held be due, and has the object look. */
const later = async (instance: string) => {
  vi.setSystemTime(Date.now() + 3_000);
  await sweep(counter(instance));
};
const replaysOf = async (instance: string): Promise<EventRow[]> =>
  (await eventsOf(instance)).filter(({ type }) => type === 'ticket.replayed');

describe('a ticket that is shown again', () => {
  test('is one event with the number of showings, both presenters and the session that it opened', async () => {
    const { instance, ticket } = await open();
    const closes = await Promise.all(Array.from({ length: 50 }, () => replay(instance, ticket)));
    expect(new Set(closes.map(({ reason }) => reason))).toEqual(new Set(['ticket_used']));
    expect(await replaysOf(instance)).toEqual([]);
    await later(instance);
    const [event] = await eventually(async () => {
      const found = await replaysOf(instance);
      expect(found).toHaveLength(1);
      return found;
    });
    const [session] = await ownSessions(counter(instance));
    expect(event).toMatchObject({ outcome: 'denied', code: 'ticket_used', session_id: session?.id });
    expect(JSON.parse(event?.details ?? '')).toEqual({
      delivery: 'query',
      first_ip_address: '203.0.113.7',
      first_user_agent: 'the owner',
      replays: 50,
    });
    expect(
      await env.RECORD.prepare(
        "SELECT ip_address, user_agent, at FROM audit_events WHERE type = 'ticket.replayed' AND instance_id = ?",
      )
        .bind(instance)
        .first(),
    ).toEqual({ ip_address: '198.51.100.9', user_agent: 'somebody else', at: NOW * 1000 });
  });

  test('is no second event however long it goes on, and none is lost to sleep', async () => {
    const { instance, ticket } = await open();
    await replay(instance, ticket);
    await evictDurableObject(counter(instance));
    vi.setSystemTime((NOW + 4) * 1000);
    expect(await runDurableObjectAlarm(counter(instance))).toBe(true);
    await eventually(async () => expect(await replaysOf(instance)).toHaveLength(1));
    await replay(instance, ticket);
    await later(instance);
    await replay(instance, ticket);
    await later(instance);
    expect(await replaysOf(instance)).toHaveLength(1);
  });

  test('in a renewal is one too, with its own session as the presenter', async () => {
    const { instance, ticket, socket } = await open();
    socket.send({ type: 'ticket.renew', ticket });
    expect(await socket.frame('ticket.refused')).toMatchObject({ code: 'ticket_used' });
    await later(instance);
    const [event] = await eventually(async () => {
      const found = await replaysOf(instance);
      expect(found).toHaveLength(1);
      return found;
    });
    expect(JSON.parse(event?.details ?? '')).toMatchObject({ delivery: 'renewal', replays: 1 });
  });

  test('leaves its session alone', async () => {
    const { instance, ticket, socket } = await open();
    await replay(instance, ticket);
    expect(await socket.call('whoami')).toMatchObject({ success: true });
  });
});

describe('with TICKET_REPLAY=end-session', () => {
  const changed: object[] = [];
  /** The setting as the object reads it, whose env is its own. */
  const endSessions = (instance: string) =>
    runInDurableObject(counter(instance), (agent) => {
      const { config } = verifierOf(Reflect.get(agent, 'env'));
      changed.push(Object.assign(config, { endsReplayed: true }));
    });
  afterEach(() => {
    for (const config of changed.splice(0)) Object.assign(config, { endsReplayed: false });
  });

  test('the session that the ticket opened ends at once; its client may come back with a new one', async () => {
    const { instance, ticket, socket } = await open();
    await endSessions(instance);
    await replay(instance, ticket);
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'ticket_used' });
    expect(await ownSessions(counter(instance))).toMatchObject([{ end_reason: 'ticket_replayed' }]);
    const again = await connect(pathOf(instance), { ticket: await makeTicket({ instance }) });
    await again.frame('cf_agent_state');
  });

  test('also when the session went on with another ticket meanwhile', async () => {
    const { instance, ticket, socket } = await open();
    await endSessions(instance);
    socket.send({ type: 'ticket.renew', ticket: await makeTicket({ instance }) });
    await socket.frame('ticket.renewed');
    await replay(instance, ticket);
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'ticket_used' });
  });

  test('a renewal that is sent twice ends nothing', async () => {
    const { instance, socket } = await open();
    await endSessions(instance);
    const ticket = await makeTicket({ instance });
    socket.send({ type: 'ticket.renew', ticket });
    await socket.frame('ticket.renewed');
    socket.send({ type: 'ticket.renew', ticket });
    await socket.frame('ticket.refused');
    expect(await socket.call('whoami')).toMatchObject({ success: true });
  });
});
