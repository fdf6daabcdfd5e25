import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { broker } from './broker.ts';
import { counter } from './objects.ts';
import { eventsOf, expectEvents, sessionsOf } from './record.ts';
import { connect, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newInstance, rights, SUBJECT, signedTickets, signer } from './tickets.ts';
import { printed } from './watch.ts';

/** What the record database says happened, and that it says so exactly once. */

/** Facts that wait in an object: sessions in their rows, and others. */
const backlog = (instance: string) =>
  runInDurableObject(
    counter(instance),
    (_, state) =>
      state.storage.sql
        .exec(
          'SELECT id FROM ticket_sessions WHERE recorded < version UNION ALL SELECT id FROM ticket_backlog',
        )
        .toArray().length,
  );

const expectBacklog = (instance: string, length: number) =>
  eventually(async () => expect(await backlog(instance)).toBe(length));

const visit = async (instance: string, claims: object = {}) => {
  const ticket = await makeTicket({ instance, ...claims });
  const socket = await connect(`/agents/counter/${instance}`, {
    ticket,
    headers: { 'cf-connecting-ip': '203.0.113.7', 'user-agent': 'u'.repeat(300) },
  });
  await socket.frame('cf_agent_state');
  return { ticket, socket };
};

describe('the record', () => {
  test('has one row for a session, and its two events, with who, where and by what', async () => {
    const instance = newInstance();
    const jti = crypto.randomUUID();
    const { socket } = await visit(instance, { jti, grant: 'grant-7', ...rights('counter', 'admin') });
    const [used, opened] = await expectEvents(instance, ['ticket.used', 'session.opened']);
    const session = opened?.session_id ?? '';
    expect(used).toEqual({
      type: 'ticket.used',
      outcome: 'success',
      code: null,
      session_id: session,
      jti,
      user_id: SUBJECT,
      details: JSON.stringify({ delivery: 'query' }),
    });
    const row = await env.RECORD.prepare('SELECT * FROM agent_sessions WHERE id = ?').bind(session).first();
    expect(row).toEqual({
      id: session,
      user_id: SUBJECT,
      agent_slug: 'counter',
      instance_id: instance,
      ...rights('counter', 'admin'),
      started_at: NOW * 1000,
      ended_at: null,
      end_reason: null,
      ip_address: '203.0.113.7',
      user_agent: 'u'.repeat(256),
      jti,
      kid: signer.kid,
      rev: 7,
      grant_id: 'grant-7',
      login_id: null,
      audience: 'agents.test',
    });
    expect((await socket.call('whoami')).result).toMatchObject({ session });
    expect(
      await env.RECORD.prepare(
        'SELECT request_id, agent_slug, kid, at FROM audit_events WHERE event_id IS NOT NULL AND jti = ? AND type = ?',
      )
        .bind(jti, 'ticket.used')
        .first(),
    ).toEqual({
      request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      agent_slug: 'counter',
      kid: signer.kid,
      at: NOW * 1000,
    });
  });

  test('has nothing of refusals at the gate: those are for the log', async () => {
    const instance = newInstance();
    await refusedSocket(
      await upgrade(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance, aud: 'x' }) }),
    );
    const { socket } = await visit(instance);
    socket.close();
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
  });

  test('has everything of many sessions that come and go at once, each once', async () => {
    const instance = newInstance();
    const visits = await Promise.all(
      Array.from({ length: 20 }, (_, n) => visit(instance, { sub: `auth0:t:person-${n}` })),
    );
    for (const { socket } of visits) socket.close();
    await Promise.all(visits.map(({ socket }) => socket.closed()));
    const events = await eventually(async () => {
      const all = await eventsOf(instance);
      expect(all).toHaveLength(60);
      return all;
    });
    const sessions = await sessionsOf(instance);
    expect(sessions).toHaveLength(20);
    for (const session of sessions) {
      expect(session.end_reason).toBe('client_closed');
      const own = events.filter(({ session_id }) => session_id === session.id).map(({ type }) => type);
      expect(own).toEqual(['ticket.used', 'session.opened', 'session.closed']);
    }
    await expectBacklog(instance, 0);
  });

  test('holds no ticket anywhere', async () => {
    const instance = newInstance();
    await visit(instance);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    const { results: events } = await env.RECORD.prepare('SELECT * FROM audit_events').all();
    const { results: sessions } = await env.RECORD.prepare('SELECT * FROM agent_sessions').all();
    const own = await runInDurableObject(counter(instance), (_, state) =>
      ['ticket_burns', 'ticket_sessions', 'ticket_backlog', 'cf_agents_state', 'cf_agents_jobs'].map(
        (table) => state.storage.sql.exec(`SELECT * FROM ${table}`).toArray(),
      ),
    );
    const everything = JSON.stringify([events, sessions, own]);
    const parts = signedTickets().flatMap((ticket) => [ticket, ticket.split('.')[2] ?? ticket]);
    expect(parts.filter((part) => everything.includes(part))).toEqual([]);
  });
});

describe('a record database that refuses', () => {
  const breakIt = () => env.RECORD.exec('ALTER TABLE audit_events RENAME TO audit_events_away');
  const mendIt = () => env.RECORD.exec('ALTER TABLE audit_events_away RENAME TO audit_events');
  const table = () =>
    env.RECORD.prepare("SELECT name FROM sqlite_master WHERE name = 'audit_events'").first();
  afterEach(async () => {
    if ((await table()) === null) await mendIt();
  });

  test('keeps nobody out, and gets everything later, once, by the sweep', async () => {
    const instance = newInstance();
    await breakIt();
    const { socket } = await visit(instance);
    expect(await socket.call('whoami')).toMatchObject({ success: true });
    await socket.call('increment');
    socket.close();
    await socket.closed();
    await expectBacklog(instance, 3);

    vi.setSystemTime((NOW + 7) * 1000);
    await runDurableObjectAlarm(counter(instance));
    expect(await backlog(instance)).toBe(3);

    await mendIt();
    vi.setSystemTime((NOW + 14) * 1000);
    expect(await runDurableObjectAlarm(counter(instance))).toBe(true);
    await expectEvents(instance, ['ticket.used', 'session.opened', 'rpc.denied', 'session.closed']);
    expect(await sessionsOf(instance)).toMatchObject([{ ended_at: NOW * 1000, end_reason: 'client_closed' }]);
    await expectBacklog(instance, 0);
  });

  test('loses nothing to a sleeping object either', async () => {
    const instance = newInstance();
    await breakIt();
    const { socket } = await visit(instance);
    await expectBacklog(instance, 1);
    await evictDurableObject(counter(instance));
    await mendIt();
    vi.setSystemTime((NOW + 7) * 1000);
    expect(await runDurableObjectAlarm(counter(instance))).toBe(true);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    expect(await socket.call('whoami')).toMatchObject({ success: true });
  });

  test('gets what a killed object had still to say by the sweep that was planned with it, though nobody comes', async () => {
    const instance = newInstance();
    const { socket } = await visit(instance);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    // An earlier alarm looks after facts on their way.
    vi.setSystemTime((NOW + 30) * 1000);
    await runDurableObjectAlarm(counter(instance));
    await breakIt();
    socket.close();
    await socket.closed();
    await eventually(async () => expect(printed.join(' ')).toContain('record_delivery_failed'));
    await expectBacklog(instance, 1);
    // As if it had been killed before it could plan another try.
    await runInDurableObject(counter(instance), async (agent) => {
      const [soonest, planned] = agent.getSchedules().toSorted((a, b) => a.time - b.time);
      expect(planned?.time).toBe(NOW + 36);
      await agent.cancelSchedule(soonest?.id ?? '');
    });
    await evictDurableObject(counter(instance));
    await mendIt();
    vi.setSystemTime((NOW + 36) * 1000);
    expect(await runDurableObjectAlarm(counter(instance))).toBe(true);
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(await sessionsOf(instance)).toMatchObject([{ ended_at: (NOW + 30) * 1000 }]);
  });

  test('wakes the object up again soon, also when it refused only later facts', async () => {
    const instance = newInstance();
    const { socket } = await visit(instance);
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    vi.setSystemTime((NOW + 30) * 1000);
    await runDurableObjectAlarm(counter(instance));
    await breakIt();
    await socket.call('increment');
    const alarm = () => runInDurableObject(counter(instance), (_, state) => state.storage.getAlarm());
    await eventually(async () => expect(await alarm()).toBeLessThanOrEqual((NOW + 37) * 1000));
    await mendIt();
    vi.setSystemTime((NOW + 37) * 1000);
    await runDurableObjectAlarm(counter(instance));
    await expectEvents(instance, ['ticket.used', 'session.opened', 'rpc.denied']);
  });

  test('is asked again by the next event after a second, without waiting for the sweep', async () => {
    const instance = newInstance();
    await breakIt();
    const { socket } = await visit(instance);
    await eventually(async () => expect(printed.join(' ')).toContain('record_delivery_failed'));
    await mendIt();
    vi.setSystemTime((NOW + 2) * 1000);
    await socket.call('increment');
    await expectEvents(instance, ['ticket.used', 'session.opened', 'rpc.denied']);
  });

  const reportsOf = (instance: string) =>
    broker.received.filter(({ object }) => object === counter(instance).id.toString());

  test('is reported to the broker with how much waits since when, again by each sweep, and when it is over', async () => {
    const instance = newInstance();
    const object = counter(instance).id.toString();
    await breakIt();
    await visit(instance);
    await eventually(async () => expect(reportsOf(instance)).toHaveLength(1));
    const [{ waiting } = { waiting: 0 }] = reportsOf(instance);
    expect(waiting).toBeGreaterThan(0);
    await expectBacklog(instance, 1);

    const sweptAt = (later: number, count: number) => {
      vi.setSystemTime((NOW + later) * 1000);
      return eventually(async () => {
        await runDurableObjectAlarm(counter(instance));
        expect(reportsOf(instance)).toHaveLength(count);
        return reportsOf(instance).at(-1);
      });
    };
    expect(await sweptAt(7, 2)).toEqual({ object, waiting: 1, since: NOW * 1000 });
    expect(await sweptAt(14, 3)).toEqual({ object, waiting: 1, since: NOW * 1000 });
    await mendIt();
    expect(await sweptAt(21, 4)).toEqual({ object, waiting: 0, since: (NOW + 21) * 1000 });
    await expectEvents(instance, ['ticket.used', 'session.opened']);
  });

  test('is reported a few times a minute, however busy the object is, and by its next life too', async () => {
    const instance = newInstance();
    await breakIt();
    const { socket } = await visit(instance);
    for (let n = 0; n < 10; n += 1) await socket.call('whoami');
    await expectBacklog(instance, 11);
    await eventually(async () => expect(reportsOf(instance)).toHaveLength(1));

    await evictDurableObject(counter(instance));
    await socket.call('whoami');
    await eventually(async () => expect(reportsOf(instance)).toHaveLength(2));
    expect(reportsOf(instance)[1]?.waiting).toBeGreaterThanOrEqual(11);

    // A life that never failed takes back the report of an earlier one.
    await mendIt();
    await evictDurableObject(counter(instance));
    await socket.call('whoami');
    await eventually(async () => expect(reportsOf(instance)[2]?.waiting).toBe(0));
    await expectBacklog(instance, 0);
  });

  test('refuses nobody where the report does not reach the broker, and logs the failure', async () => {
    const instance = newInstance();
    broker.receives = false;
    await breakIt();
    const { socket } = await visit(instance);
    expect(await socket.call('whoami')).toMatchObject({ success: true });
    await eventually(async () => expect(printed.join(' ')).toContain('backlog_report_failed'));
    await mendIt();
    vi.setSystemTime((NOW + 2) * 1000);
    await socket.call('increment');
    await expectEvents(instance, ['ticket.used', 'session.opened', 'rpc.denied']);
    expect(broker.received).toEqual([]);
  });

  test('says so in the log, with no fact in it', async () => {
    const instance = newInstance();
    await breakIt();
    await visit(instance);
    const said = await eventually(async () => {
      expect(printed.join(' ')).toContain('record_delivery_failed');
      return printed.join(' ');
    });
    expect(said).not.toContain(instance);
    expect(said).not.toContain(SUBJECT);
  });
});
