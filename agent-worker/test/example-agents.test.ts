import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { validateAgentRegistry } from '@agent-ticket/shared/registry.ts';
import { describe, expect, test } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { connect, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, newInstance, rights } from './tickets.ts';

/** The agents that ship as examples, with the rights that the registry gives their roles. */

describe('the registry', () => {
  test('is sound, and every enabled agent has its binding', () => {
    expect(validateAgentRegistry(AGENTS, Object.keys(env))).toEqual([]);
  });
});

describe('the counter', () => {
  const CALLS: [role: 'viewer' | 'admin' | 'owner', allowed: string[]][] = [
    ['viewer', ['whoami']],
    ['admin', ['whoami', 'increment']],
    ['owner', ['whoami', 'increment', 'reset']],
  ];
  test.for(CALLS)('lets a %s call %j and nothing else', async ([role, allowed]) => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance, ...rights('counter', role) });
    const socket = await connect(`/agents/counter/${instance}`, { ticket });
    for (const method of ['whoami', 'increment', 'reset']) {
      expect(await socket.call(method)).toMatchObject({ success: allowed.includes(method) });
    }
  });

  test('counts for everybody in the instance, and for nobody in another', async () => {
    const [here, there] = [newInstance(), newInstance()];
    const enter = async (instance: string) =>
      connect(`/agents/counter/${instance}`, {
        ticket: await makeTicket({ instance, ...rights('counter', 'admin') }),
      });
    const [ann, bob, eve] = [await enter(here), await enter(here), await enter(there)];
    await Promise.all(Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? ann : bob).call('increment')));
    expect(await ann.call('increment')).toMatchObject({ result: 11 });
    expect(await eve.call('increment')).toMatchObject({ result: 1 });
    await bob.call('whoami');
    expect(bob.frames).toContainEqual({ type: 'cf_agent_state', state: { count: 11 } });
  });
});

describe('the lobby', () => {
  const anonymousTicket = (instance = 'main') =>
    makeTicket({ agent: 'lobby', instance, sub: 'anonymous:9b2f', ...rights('lobby', 'viewer') });

  test('shows its board to anonymous callers, and accepts no change from them', async () => {
    const socket = await connect('/agents/lobby/main', { ticket: await anonymousTicket() });
    expect(await socket.frame('cf_agent_state')).toMatchObject({ state: { title: 'Lobby' } });
    socket.send({ type: 'cf_agent_state', state: { title: 'Mine', notices: [] } });
    await socket.frame('cf_agent_state_error');
    socket.send('hello');
    await socket.frame('ticket.denied');
    const title = await runInDurableObject(
      env.LOBBY.get(env.LOBBY.idFromName('main')),
      (agent) => agent.state.title,
    );
    expect(title).toBe('Lobby');
  });

  test('has one instance: another is not found, even with a ticket for it', async () => {
    const refused = await refusedSocket(
      await upgrade('/agents/lobby/other', { ticket: await anonymousTicket('other') }),
    );
    expect(refused).toMatchObject({ code: 4004, reason: 'not_found' });
  });
});
