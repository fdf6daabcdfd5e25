import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { Agent } from 'agents';
import { describe, expect, test, vi } from 'vitest';
import { ticketed } from '../src/ticketed.ts';
import { gate } from './gate.ts';
import { ownSessions, witness } from './objects.ts';
import { expectEvents } from './record.ts';
import { connect, refusedSocket, upgrade } from './sockets.ts';
import { sweepNow } from './sweep.ts';
import { makeTicket, NOW, newInstance, SUBJECT } from './tickets.ts';
import { printed } from './watch.ts';

/** Agent code that overrides the very places where the mixin sits: what holds all the same. */

const usurper = (instance: string) => env.USURPER.get(env.USURPER.idFromName(instance));
const received = (instance: string) => runInDurableObject(usurper(instance), (agent) => agent.received);

async function enter(instance: string, scope = 'agent:connect', agent = 'usurper') {
  const ticket = await makeTicket({ instance, agent, scope });
  const socket = await connect(`/agents/${agent}/${instance}`, { ticket, front: gate });
  return { ticket, socket };
}

describe('a class that overrides fetch, webSocketMessage, webSocketClose and the rest above the mixin', () => {
  test('has its fetch called only for the admitted, once a ticket', async () => {
    const instance = newInstance();
    expect((await usurper(instance).fetch('http://127.0.0.1:8788/agents/usurper/x')).status).toBe(403);
    expect(await received(instance)).toEqual([]);
    const { ticket, socket } = await enter(instance);
    await socket.frame('welcome');
    const again = await upgrade(`/agents/usurper/${instance}`, { ticket, front: gate });
    expect(await refusedSocket(again)).toMatchObject({ code: 3000, reason: 'ticket_used', frames: [] });
    expect(await received(instance)).toEqual(['fetch']);
  });

  test('receives no frame without its scope, in its own webSocketMessage either', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance);
    socket.send('hello');
    socket.send({ type: 'cf_agent_state', state: { secret: 0 } });
    expect(await socket.call('add')).toMatchObject({ success: false, error: 'forbidden' });
    expect(await received(instance)).toEqual(['fetch']);
  });

  test('receives frames with their scope', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance, 'agent:connect agent:rpc:add');
    expect(await socket.call('add')).toMatchObject({ success: true, result: 1 });
    expect(await received(instance)).toEqual(['fetch', expect.stringContaining('add')]);
  });

  test('sends no state to clients that may not read it, whatever shouldSendProtocolMessages says', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance);
    await socket.frame('welcome');
    await runInDurableObject(usurper(instance), (agent) => agent.setState({ secret: 43 }));
    await socket.call('add');
    expect(JSON.stringify(socket.frames)).not.toContain('secret');
    const { socket: reader } = await enter(instance, 'agent:connect agent:state:read');
    expect(await reader.frame('cf_agent_state')).toMatchObject({ state: { secret: 43 } });
  });

  test('knows the principal whom the ticket named, and the tags of the mixin beside its own', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance);
    const [session] = await ownSessions(usurper(instance));
    const { principal, tags } = await socket.frame('welcome');
    expect(principal).toMatchObject({ principal: SUBJECT, session: session?.id });
    expect(tags).toEqual([
      session?.id,
      `sid:${session?.id}`,
      expect.stringMatching(/^p:/),
      'sid:forged',
      'mine',
    ]);
  });

  test('has its sessions ended when their clients leave', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance);
    await socket.frame('welcome');
    socket.close(4321, 'bye');
    // The agent keeps the close to itself; its client gets an answer all the same.
    expect(await socket.closed()).toEqual({ code: 4321, reason: 'bye' });
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(await received(instance)).toEqual(['fetch', 'close']);
  });

  test('has its sessions ended by the sweep, asleep or awake', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance);
    await socket.frame('welcome');
    await evictDurableObject(usurper(instance));
    vi.setSystemTime((NOW + 3600) * 1000);
    await runInDurableObject(usurper(instance), (agent) => sweepNow(agent));
    expect(await socket.closed()).toEqual({ code: 3000, reason: 'session_expired' });
    expect(await received(instance)).not.toContain('sweep');
  });

  test('has its sessions ended by destroy, which it does in its own way', async () => {
    const instance = newInstance();
    await enter(instance);
    await runInDurableObject(usurper(instance), (agent) => agent.destroy());
    expect(await ownSessions(usurper(instance))).toMatchObject([{ end_reason: 'destroyed' }]);
    expect(await received(instance)).toEqual(['fetch', 'destroy']);
  });
});

test('a class whose scheduler throws gets nobody in: no silent session of it would ever end', async () => {
  const instance = newInstance();
  const ticket = await makeTicket({ instance, agent: 'planless', scope: 'agent:connect agent:state:read' });
  const answer = await upgrade(`/agents/planless/${instance}`, { ticket, front: gate });
  expect(await refusedSocket(answer)).toMatchObject({ code: 1011, reason: 'internal', frames: [] });
  const object = env.PLANLESS.get(env.PLANLESS.idFromName(instance));
  expect(await ownSessions(object)).toMatchObject([{ end_reason: 'agent_failed' }]);
  expect(printed.join()).not.toContain('PRIVATE');
});

describe('a class with a field where the mixin sits', () => {
  const nothing = async (): Promise<void> => {};
  const fielded = {
    fetch: class extends ticketed(Agent<Cloudflare.Env, object>) {
      override fetch = async () => new Response('mine');
    },
    webSocketMessage: class extends ticketed(Agent<Cloudflare.Env, object>) {
      override webSocketMessage = nothing;
    },
    webSocketClose: class extends ticketed(Agent<Cloudflare.Env, object>) {
      override webSocketClose = nothing;
    },
    shouldSendProtocolMessages: class extends ticketed(Agent<Cloudflare.Env, object>) {
      override shouldSendProtocolMessages = () => true;
    },
    getConnectionTags: class extends ticketed(Agent<Cloudflare.Env, object>) {
      override getConnectionTags = async () => ['mine'];
    },
    alarm: class extends ticketed(Agent<Cloudflare.Env, object>) {
      override alarm = nothing;
    },
    destroy: class extends ticketed(Agent<Cloudflare.Env, object>) {
      override destroy = nothing;
    },
  };

  test.for(Object.entries(fielded))('%s is refused when the object is made', async ([name, Fielded]) => {
    await runInDurableObject(witness(newInstance()), (_, state) => {
      expect(() => new Fielded(state, env)).toThrow(TypeError);
      expect(() => new Fielded(state, env)).toThrow(name);
    });
  });
});
