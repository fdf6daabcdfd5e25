import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test, vi } from 'vitest';
import { gate } from './gate.ts';
import { counter, ownSessions, receivedBy, sweep, witness } from './objects.ts';
import { expectEvents, sessionsOf } from './record.ts';
import { ask, connect } from './sockets.ts';
import { makeTicket, NOW, newInstance, rights, SUBJECT } from './tickets.ts';

/** Who somebody is, for as long as they are there; and how a session ends. */

async function enter(instance: string, role: 'viewer' | 'owner' = 'owner') {
  const socket = await connect(`/agents/counter/${instance}`, {
    ticket: await makeTicket({ instance, ...rights('counter', role) }),
  });
  await socket.frame('cf_agent_state');
  return socket;
}

const witnessAt = async (instance: string) =>
  connect(`/agents/witness/${instance}`, {
    ticket: await makeTicket({
      instance,
      agent: 'witness',
      scope: 'agent:connect agent:message agent:rpc:*',
      role: 'admin',
    }),
    front: gate,
  });

describe('who somebody is', () => {
  test('is what their ticket said: whoami', async () => {
    const instance = newInstance();
    const socket = await enter(instance, 'viewer');
    const [session] = await ownSessions(counter(instance));
    expect((await socket.call('whoami')).result).toEqual({
      principal: SUBJECT,
      role: 'viewer',
      scope: 'agent:connect agent:state:read agent:rpc:whoami',
      session: session?.id,
    });
  });

  test('is known to a message, a call and a request, and of each its own', async () => {
    const instance = newInstance();
    const scope = 'agent:connect agent:state:read agent:message agent:rpc:*';
    const ticketOf = (sub: string) => makeTicket({ instance, agent: 'witness', scope, sub });
    const path = `/agents/witness/${instance}`;
    const ann = await connect(path, { ticket: await ticketOf('auth0:t:ann'), front: gate });
    const bob = await connect(path, { ticket: await ticketOf('auth0:t:bob'), front: gate });
    ann.send('hello');
    bob.send('hello');
    expect(await ann.frame('received')).toMatchObject({ principal: { principal: 'auth0:t:ann' } });
    expect(await bob.frame('received')).toMatchObject({ principal: { principal: 'auth0:t:bob' } });
    const answer = await ask(path, { ticket: await ticketOf('auth0:t:cyd'), front: gate });
    const { principal }: { principal: object } = await answer.json();
    expect(principal).toEqual({
      principal: 'auth0:t:cyd',
      role: 'viewer',
      tier: 'free',
      scope: scope.split(' '),
    });
  });

  test('is not known to code that runs for nobody', async () => {
    const instance = newInstance();
    await enter(instance);
    await runInDurableObject(counter(instance), (agent) => {
      expect(() => agent.principal()).toThrow('principal() is only known while');
    });
  });

  test('survives hibernation, and so do their rights', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    const viewer = await enter(instance, 'viewer');
    const before = (await socket.call('whoami')).result;
    await evictDurableObject(counter(instance));
    expect((await socket.call('whoami')).result).toEqual(before);
    expect(await socket.call('increment')).toMatchObject({ success: true });
    expect(await viewer.call('increment')).toMatchObject({ success: false, error: 'forbidden' });
    expect(viewer.frames).toContainEqual({ type: 'cf_agent_state', state: { count: 1 } });
  });

  test('survives agent code that replaces what the connection remembers', async () => {
    const instance = newInstance();
    const socket = await witnessAt(instance);
    const before = (await socket.call('whoami')).result;
    await socket.call('forgetMe');
    expect((await socket.call('whoami')).result).toEqual(before);
    await evictDurableObject(witness(instance));
    expect((await socket.call('whoami')).result).toEqual(before);
  });
});

describe('a session ends', () => {
  test('when its client closes: with the code, once', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    vi.setSystemTime((NOW + 7) * 1000);
    socket.close(4321, 'had enough');
    await socket.closed();
    const events = await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(events[2]).toMatchObject({ code: 'client_closed', details: JSON.stringify({ code: 4321 }) });
    expect(await sessionsOf(instance)).toMatchObject([
      { ended_at: (NOW + 7) * 1000, end_reason: 'client_closed' },
    ]);
  });

  /** No client of this runtime sends such a code, so its report is made here, as the runtime makes it for a raw frame. */
  test.for([0, 999, 1004, 1006, 1015, 1016, 2999, 4999, 5000, 65_535])(
    'when its client closes with the code %d: answered, whatever the code',
    async (code) => {
      const instance = newInstance();
      const socket = await enter(instance);
      await runInDurableObject(counter(instance), async (agent, state) => {
        const [ws] = state.getWebSockets();
        if (ws === undefined) throw new TypeError('no socket');
        await agent.webSocketClose?.(ws, code, '', true);
      });
      const isSent = code === 1016 || code === 2999 || code === 4999;
      expect(await socket.closed()).toMatchObject({ code: isSent ? code : 1002 });
      await eventually(async () =>
        expect(await ownSessions(counter(instance))).toMatchObject([{ end_reason: 'client_closed' }]),
      );
    },
  );

  test('when its connection breaks, which leaves nobody to answer', async () => {
    const instance = newInstance();
    await enter(instance);
    await runInDurableObject(counter(instance), async (agent, state) => {
      const [ws] = state.getWebSockets();
      if (ws === undefined) throw new TypeError('no socket');
      await agent.webSocketClose?.(ws, 1006, '', false);
      expect(ws.readyState).toBe(WebSocket.OPEN);
    });
    await eventually(async () =>
      expect(await ownSessions(counter(instance))).toMatchObject([{ end_reason: 'connection_lost' }]),
    );
  });

  test('when its client closes while the object sleeps', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await evictDurableObject(counter(instance));
    socket.close();
    await socket.closed();
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'client_closed' }]);
  });

  test('when its socket died with the object: at the next wake, and the others go on', async () => {
    const instance = newInstance();
    await enter(instance);
    await evictDurableObject(counter(instance), { webSockets: 'close' });
    vi.setSystemTime((NOW + 1) * 1000);
    const later = await enter(instance);
    expect(await later.call('whoami')).toMatchObject({ success: true });
    const sessions = await ownSessions(counter(instance));
    expect(sessions.map(({ end_reason }) => end_reason)).toEqual(['connection_lost', null]);
    await eventually(async () =>
      expect((await sessionsOf(instance)).map(({ end_reason }) => end_reason)).toEqual([
        'connection_lost',
        null,
      ]),
    );
  });

  test('when its socket died with the object and nobody comes: by the sweep', async () => {
    const instance = newInstance();
    await enter(instance);
    await evictDurableObject(counter(instance), { webSockets: 'close' });
    await sweep(counter(instance));
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'connection_lost' }]);
  });

  test('when somebody ends it before it has a socket', async () => {
    const instance = `ended-${newInstance()}`;
    const socket = await witnessAt(instance);
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    expect(await ownSessions(witness(instance))).toMatchObject([{ end_reason: 'session_terminated' }]);
  });

  test('not by a sweep while the agent is still opening it', async () => {
    const instance = `sweeps-${newInstance()}`;
    const socket = await witnessAt(instance);
    expect(await socket.call('whoami')).toMatchObject({ success: true });
    expect(await ownSessions(witness(instance))).toMatchObject([{ ended_at: null }]);
  });

  test('not by the object going to sleep and waking up', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    for (let n = 0; n < 3; n += 1) {
      await evictDurableObject(counter(instance));
      await socket.call('whoami');
    }
    expect(await ownSessions(counter(instance))).toMatchObject([{ ended_at: null }]);
    expect(await sessionsOf(instance)).toMatchObject([{ ended_at: null }]);
  });

  test('and is over: the frame behind the one that ended it is not delivered', async () => {
    const instance = newInstance();
    const socket = await witnessAt(instance);
    socket.send('before');
    await socket.frame('received');
    socket.send('terminate');
    socket.send('after');
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    // The frames of another session come behind those.
    const other = await witnessAt(instance);
    other.send('last');
    await other.frame('received');
    expect(await receivedBy(instance)).toEqual(['before', 'terminate', 'last']);
  });

  test('and is over by its row: after the object slept, nothing is delivered', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    const watcher = await enter(instance, 'viewer');
    const { session } = Object((await socket.call('whoami')).result);
    await runInDurableObject(counter(instance), (_, state) => {
      state.storage.sql.exec(
        "UPDATE ticket_sessions SET ended_at = ?, end_reason = 'terminated' WHERE id = ?",
        NOW * 1000,
        session,
      );
    });
    await evictDurableObject(counter(instance));
    socket.send({ type: 'rpc', id: 'late', method: 'increment', args: [] });
    expect(await socket.closed()).toEqual({ code: 4003, reason: 'forbidden' });
    expect(await watcher.call('whoami')).toMatchObject({ success: true });
    expect(watcher.frames).not.toContainEqual({ type: 'cf_agent_state', state: { count: 1 } });
  });
});
