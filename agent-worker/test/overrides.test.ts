import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, test, vi } from 'vitest';
import { gate } from './gate.ts';
import { connect, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newInstance, SUBJECT } from './tickets.ts';

/** Agent code that overrides what the SDK lets it override: what holds all the same. */

const overrider = (instance: string) => env.OVERRIDER.get(env.OVERRIDER.idFromName(instance));
const inner = (instance: string) => env.INNER.get(env.INNER.idFromName(instance));

async function enter(agent: 'overrider' | 'inner', instance: string, scope: string) {
  const ticket = await makeTicket({ instance, agent, scope });
  const socket = await connect(`/agents/${agent}/${instance}`, { ticket, front: gate });
  return { ticket, socket };
}

describe('a class that overrides onMessage by a field, onConnect, getConnectionTags and connection state', () => {
  test('receives no frame without its scope', async () => {
    const instance = newInstance();
    const { socket } = await enter('overrider', instance, 'agent:connect');
    await socket.frame('welcome');
    socket.send('hello');
    socket.send({ type: 'cf_agent_state', state: { secret: 0 } });
    expect(await socket.call('anything')).toMatchObject({ success: false, error: 'forbidden' });
    await socket.frame('cf_agent_state_error');
    await socket.frame('ticket.denied');
    expect(await runInDurableObject(overrider(instance), (agent) => [agent.received, agent.state])).toEqual([
      [],
      { secret: 42 },
    ]);
  });

  test('receives frames with their scope and their sender', async () => {
    const instance = newInstance();
    const { socket } = await enter('overrider', instance, 'agent:connect agent:message');
    socket.send('hello');
    expect(await socket.frame('received')).toEqual({ type: 'received', principal: SUBJECT });
    expect(await socket.frame('welcome')).toEqual({ type: 'welcome', principal: SUBJECT });
  });

  test('has its sockets found and closed when their session ends, though its tags are its own', async () => {
    const instance = newInstance();
    const { socket } = await enter('overrider', instance, 'agent:connect agent:message');
    await socket.frame('welcome');
    await evictDurableObject(overrider(instance));
    vi.setSystemTime((NOW + 3600) * 1000);
    socket.send('late');
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    expect(await runInDurableObject(overrider(instance), (agent) => agent.received)).toEqual([]);
  });

  test('opens one session a ticket', async () => {
    const instance = newInstance();
    const { ticket } = await enter('overrider', instance, 'agent:connect');
    const again = await refusedSocket(
      await upgrade(`/agents/overrider/${instance}`, { ticket, front: gate }),
    );
    expect(again).toMatchObject({ code: 3000, reason: 'ticket_used', frames: [] });
  });
});

describe('a class with overrides beneath the mixin', () => {
  test('has its fetch called only for the admitted', async () => {
    const instance = newInstance();
    expect((await inner(instance).fetch('http://127.0.0.1:8788/agents/inner/x')).status).toBe(403);
    const { ticket, socket } = await enter('inner', instance, 'agent:connect');
    await refusedSocket(await upgrade(`/agents/inner/${instance}`, { ticket, front: gate }));
    expect(await socket.call('add')).toMatchObject({ success: false, error: 'forbidden' });
    expect(await runInDurableObject(inner(instance), (agent) => agent.received)).toEqual(['fetch']);
  });

  test('receives and runs only what the scopes allow', async () => {
    const instance = newInstance();
    const { socket } = await enter('inner', instance, 'agent:connect agent:message agent:rpc:add');
    socket.send('hello');
    await socket.frame('received');
    expect(await socket.call('add')).toMatchObject({ success: true, result: 3 });
    expect(await runInDurableObject(inner(instance), (agent) => agent.received)).toEqual([
      'fetch',
      'hello',
      'add',
    ]);
  });
});
