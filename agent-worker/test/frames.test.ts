import { runInDurableObject } from 'cloudflare:test';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test } from 'vitest';
import { gate } from './gate.ts';
import { counter, receivedBy } from './objects.ts';
import { eventsOf, expectEvents } from './record.ts';
import { connect, type Socket } from './sockets.ts';
import { makeTicket, newInstance, rights } from './tickets.ts';

/** Every inbound frame needs its scope. */

async function counterAs(role: 'viewer' | 'admin' | 'owner', instance = newInstance()) {
  const ticket = await makeTicket({ instance, ...rights('counter', role) });
  const socket = await connect(`/agents/counter/${instance}`, { ticket });
  await socket.frame('cf_agent_state');
  return { instance, socket };
}

async function witnessWith(scope: string): Promise<{ instance: string; socket: Socket }> {
  const instance = newInstance();
  const ticket = await makeTicket({ instance, agent: 'witness', scope });
  const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
  await socket.frame('seen');
  return { instance, socket };
}

const count = (instance: string) => runInDurableObject(counter(instance), (agent) => agent.state.count);

describe('a call', () => {
  test('without its scope fails as the SDK says so, does not run, and is recorded', async () => {
    const { instance, socket } = await counterAs('viewer');
    socket.send({ type: 'rpc', id: 'mine', method: 'increment', args: [] });
    expect(await socket.frame('rpc')).toEqual({
      type: 'rpc',
      id: 'mine',
      success: false,
      error: 'forbidden',
    });
    expect(await count(instance)).toBe(0);
    const events = await expectEvents(instance, ['ticket.used', 'session.opened', 'rpc.denied']);
    expect(events[2]).toMatchObject({
      outcome: 'denied',
      code: 'frame_scope_missing',
      details: JSON.stringify({ frame: 'rpc', method: 'increment' }),
    });
  });

  test('with its scope runs', async () => {
    const { instance, socket } = await counterAs('admin');
    expect(await socket.call('increment')).toMatchObject({ success: true, result: 1 });
    expect(await socket.call('increment')).toMatchObject({ success: true, result: 2 });
    expect(await count(instance)).toBe(2);
  });

  test('needs the scope of its own method, not of another', async () => {
    const { instance, socket } = await counterAs('admin');
    await socket.call('increment');
    expect(await socket.call('reset')).toMatchObject({ success: false, error: 'forbidden' });
    expect(await count(instance)).toBe(1);
  });

  test('is any with agent:rpc:*', async () => {
    const { instance, socket } = await counterAs('owner');
    await socket.call('increment');
    expect(await socket.call('reset')).toMatchObject({ success: true, result: 0 });
    expect(await count(instance)).toBe(0);
  });

  test.for(['setState', 'destroy', 'ticketSweep', 'principal', 'sql', 'fetch', 'constructor', 'nothing'])(
    'to %s is no callable even with agent:rpc:*',
    async (method) => {
      const { socket } = await counterAs('owner');
      expect(await socket.call(method)).toMatchObject({
        success: false,
        error: expect.stringMatching(/not callable|not exist/),
      });
      expect(await socket.call('whoami')).toMatchObject({ success: true });
    },
  );
});

describe('a state frame', () => {
  test('without its scope is refused as the SDK says so, and changes nothing', async () => {
    const { instance, socket } = await counterAs('viewer');
    const other = await counterAs('viewer', instance);
    socket.send({ type: 'cf_agent_state', state: { count: 1000 } });
    expect(await socket.frame('cf_agent_state_error')).toEqual({
      type: 'cf_agent_state_error',
      error: 'forbidden',
    });
    expect(await count(instance)).toBe(0);
    await other.socket.call('whoami');
    expect(other.socket.frames.filter(({ type }) => type === 'cf_agent_state')).toHaveLength(1);
  });

  test('with its scope reaches the agent and everybody else', async () => {
    const { instance, socket } = await counterAs('admin');
    const { socket: other } = await counterAs('viewer', instance);
    socket.send({ type: 'cf_agent_state', state: { count: 7 } });
    await socket.call('whoami');
    await other.call('whoami');
    expect(await count(instance)).toBe(7);
    expect(other.frames).toContainEqual({ type: 'cf_agent_state', state: { count: 7 } });
  });
});

describe('any other frame', () => {
  test.for([
    ['a text', 'hello'],
    ['JSON of no known type', '{"type":"greeting"}'],
    ['a chat request', '{"type":"cf_agent_use_chat_request","id":"1","init":{}}'],
    ['bytes', new TextEncoder().encode('{"type":"rpc","id":"x","method":"echo","args":[1]}').buffer],
  ] as [string, string | ArrayBuffer][])('%s without the message scope is refused', async ([, frame]) => {
    const { instance, socket } = await witnessWith('agent:connect agent:rpc:echo');
    socket.send(frame);
    expect(await socket.frame('ticket.denied')).toEqual({
      type: 'ticket.denied',
      code: 'forbidden',
      scope: 'agent:message',
    });
    expect(await receivedBy(instance)).toEqual([]);
  });

  test('reaches the agent with the message scope, as it came', async () => {
    const { instance, socket } = await witnessWith('agent:connect agent:message');
    socket.send('hello');
    socket.send(new ArrayBuffer(3));
    socket.send('{"type":"greeting"}');
    await eventually(async () =>
      expect(await receivedBy(instance)).toEqual(['hello', 3, '{"type":"greeting"}']),
    );
  });

  test('that makes the agent throw ends in its log, not with the client', async () => {
    const { socket } = await witnessWith('agent:connect agent:message agent:rpc:echo');
    socket.send('fail');
    expect(await socket.call('echo', 'still here')).toMatchObject({ result: 'still here' });
    expect(JSON.stringify(socket.frames)).not.toContain('PRIVATE');
  });
});

describe('a refused frame', () => {
  test('is recorded once each, with the session and no content', async () => {
    const { instance, socket } = await counterAs('viewer');
    socket.send('PRIVATE words of a client');
    socket.send({ type: 'cf_agent_state', state: { count: 5 } });
    await socket.call('x'.repeat(500));
    await expectEvents(instance, ['ticket.used', 'session.opened', 'rpc.denied', 'rpc.denied', 'rpc.denied']);
    const denied = (await eventsOf(instance)).slice(2);
    const [, opened] = await eventsOf(instance);
    expect(denied.map(({ session_id }) => session_id)).toEqual(Array(3).fill(opened?.session_id));
    expect(denied.map(({ details }) => JSON.parse(details ?? ''))).toEqual([
      { frame: 'message' },
      { frame: 'state' },
      { frame: 'rpc', method: 'x'.repeat(128) },
    ]);
  });

  test('of one socket says nothing about the rights of another', async () => {
    const { instance, socket: viewer } = await counterAs('viewer');
    const { socket: owner } = await counterAs('owner', instance);
    const calls = await Promise.all([
      viewer.call('increment'),
      owner.call('increment'),
      viewer.call('reset'),
      owner.call('increment'),
    ]);
    expect(calls.map(({ success }) => success)).toEqual([false, true, false, true]);
    expect(await count(instance)).toBe(2);
  });
});
