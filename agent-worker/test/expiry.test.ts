import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, test, vi } from 'vitest';
import { gate } from './gate.ts';
import { counter, ownSessions, sweep, witness } from './objects.ts';
import { expectEvents, sessionsOf } from './record.ts';
import { ask, connect } from './sockets.ts';
import { makeTicket, NOW, newInstance, rights } from './tickets.ts';

/** A session ends when its rights do, with or without anyone saying a word. */

const LIFE = 600;
const END_MS = (NOW + LIFE) * 1000;

async function enter(role: 'viewer' | 'admin' | 'owner', instance: string, life = LIFE) {
  const ticket = await makeTicket({ instance, ...rights('counter', role), session_expiry: NOW + life });
  const socket = await connect(`/agents/counter/${instance}`, { ticket });
  await socket.frame('cf_agent_state');
  return { socket, ticket };
}

describe('a session past its end', () => {
  test('closes at the next frame, and the frame does not run', async () => {
    const instance = newInstance();
    const { socket } = await enter('owner', instance);
    vi.setSystemTime(END_MS - 1);
    expect(await socket.call('increment')).toMatchObject({ success: true });
    vi.setSystemTime(END_MS);
    socket.send({ type: 'rpc', id: 'late', method: 'increment', args: [] });
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    expect(socket.frames.filter(({ id }) => id === 'late')).toEqual([]);
    expect(await runInDurableObject(counter(instance), (agent) => agent.state.count)).toBe(1);
  });

  test('closes once for a client that keeps sending, and delivers nothing of it', async () => {
    const instance = newInstance();
    const { socket } = await enter('owner', instance);
    vi.setSystemTime(END_MS);
    for (const id of ['a', 'b', 'c']) socket.send({ type: 'rpc', id, method: 'increment', args: [] });
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(await runInDurableObject(counter(instance), (agent) => agent.state.count)).toBe(0);
  });

  test('closes without traffic, by the sweep', async () => {
    const instance = newInstance();
    const { socket } = await enter('viewer', instance);
    vi.setSystemTime(END_MS + 2_000);
    expect(await runDurableObjectAlarm(counter(instance))).toBe(true);
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'session_expired' });
  });

  test('has its alarm set for within two seconds after it, and was warned a minute ahead', async () => {
    const instance = newInstance();
    const { socket } = await enter('viewer', instance);
    const alarm = () => runInDurableObject(counter(instance), (_, state) => state.storage.getAlarm());
    // An earlier alarm looks after facts on their way to the record database.
    await expectEvents(instance, ['ticket.used', 'session.opened']);
    vi.setSystemTime((NOW + 30) * 1000);
    await runDurableObjectAlarm(counter(instance));
    const warning = END_MS - 60_000;
    expect(await alarm()).toBeGreaterThanOrEqual(warning);
    expect(await alarm()).toBeLessThanOrEqual(warning + 2_000);

    vi.setSystemTime(warning + 2_000);
    await runDurableObjectAlarm(counter(instance));
    expect(await socket.frame('ticket.expiring')).toEqual({
      type: 'ticket.expiring',
      session_expires_at: new Date(END_MS).toISOString(),
    });
    expect(await alarm()).toBeGreaterThanOrEqual(END_MS);
    expect(await alarm()).toBeLessThanOrEqual(END_MS + 2_000);
  });

  test('is ended once, with its reason, in the object and in the record', async () => {
    const instance = newInstance();
    const { socket } = await enter('viewer', instance);
    vi.setSystemTime(END_MS);
    socket.send('anything');
    await socket.closed();
    await runDurableObjectAlarm(counter(instance));
    const events = await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(events[2]).toMatchObject({ outcome: 'success', code: 'session_expired' });
    expect(await ownSessions(counter(instance))).toMatchObject([
      { ended_at: END_MS, end_reason: 'session_expired' },
    ]);
    expect(await sessionsOf(instance)).toMatchObject([{ ended_at: END_MS, end_reason: 'session_expired' }]);
  });

  test('takes no other session with it: each ends at its own time', async () => {
    const instance = newInstance();
    const { socket: first } = await enter('viewer', instance, LIFE);
    const { socket: second } = await enter('viewer', instance, 2 * LIFE);
    const { socket: third } = await enter('viewer', instance, LIFE / 2);

    vi.setSystemTime((NOW + LIFE / 2) * 1000 + 2_000);
    await runDurableObjectAlarm(counter(instance));
    expect(await third.closed()).toMatchObject({ code: 3000 });
    expect(await first.call('whoami')).toMatchObject({ success: true });

    vi.setSystemTime(END_MS + 2_000);
    await runDurableObjectAlarm(counter(instance));
    expect(await first.closed()).toMatchObject({ code: 3000 });
    expect(await second.call('whoami')).toMatchObject({ success: true });

    vi.setSystemTime((NOW + 2 * LIFE) * 1000 + 2_000);
    await runDurableObjectAlarm(counter(instance));
    expect(await second.closed()).toMatchObject({ code: 3000 });
  });

  test('closes even if it ended before the object woke', async () => {
    const instance = newInstance();
    const { socket } = await enter('viewer', instance, 10);
    vi.setSystemTime((NOW + 3600) * 1000);
    await runDurableObjectAlarm(counter(instance));
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'session_expired' });
  });

  test('closes while a long task of the agent holds up the scheduler', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({
      instance,
      agent: 'witness',
      scope: 'agent:connect',
      session_expiry: NOW + LIFE,
    });
    const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
    await runInDurableObject(witness(instance), (agent) =>
      agent.schedule(new Date((NOW + 1) * 1000), 'longTask'),
    );
    vi.setSystemTime(END_MS);
    const alarm = runDurableObjectAlarm(witness(instance));
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    await runInDurableObject(witness(instance), (agent) => agent.finishTask());
    expect(await alarm).toBe(true);
  });

  test('of zero length closes at the first frame', async () => {
    const instance = newInstance();
    const { socket } = await enter('owner', instance, 0);
    socket.send({ type: 'rpc', id: 'late', method: 'increment', args: [] });
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'session_expired' });
  });
});

describe('a ticket past its end', () => {
  test('does not end the session it opened', async () => {
    const instance = newInstance();
    const { socket } = await enter('owner', instance);
    vi.setSystemTime((NOW + 300) * 1000);
    expect(await socket.call('increment')).toMatchObject({ success: true, result: 1 });
  });

  test('answers no plain request, nor does one whose session is over', async () => {
    const instance = newInstance();
    const { socket, ticket } = await enter('viewer', instance);
    expect((await ask(`/agents/counter/${instance}`, { ticket })).status).toBe(404); // the agent's own answer
    socket.close();
    await socket.closed();
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    const over = await ask(`/agents/counter/${instance}`, { ticket });
    expect(over.status).toBe(401);
    expect(await over.json()).toMatchObject({ error: { code: 'UNAUTHORIZED' } });
    vi.setSystemTime((NOW + 65) * 1000);
    expect((await ask(`/agents/counter/${instance}`, { ticket })).status).toBe(401);
  });

  test('is forgotten by the sweep once no verifier would take it, and not before', async () => {
    const instance = newInstance();
    const { socket } = await enter('viewer', instance, 3600);
    socket.close();
    await socket.closed();
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    const burns = async () => (await ownSessions(counter(instance))).length;
    const sweepAt = async (seconds: number) => {
      vi.setSystemTime((NOW + seconds) * 1000);
      await sweep(counter(instance));
    };
    await sweepAt(60 + 65);
    expect(await burns()).toBe(1);
    await sweepAt(60 + 66);
    expect(await burns()).toBe(0);
  });
});
