import { describe, expect, test } from 'vitest';
import { lock, revoke } from './commands.ts';
import { gate } from './gate.ts';
import { ownSessions, witness } from './objects.ts';
import { expectEvents } from './record.ts';
import { ask, connect } from './sockets.ts';
import { makeTicket, newInstance, ORIGIN, SUBJECT } from './tickets.ts';

/** Requests that open no socket. */

const SCOPE = 'agent:connect agent:state:read agent:message';
const ticketOf = (instance: string, other: object = {}) =>
  makeTicket({ instance, agent: 'witness', scope: SCOPE, ...other });

describe('a plain request', () => {
  test.for(
    (['websocket', 'http'] as const).flatMap((transport) =>
      ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method) => [method, transport] as const),
    ),
  )('%s with a %s ticket reaches the agent, with who asks and no ticket', async ([method, transport]) => {
    const instance = newInstance();
    const ticket = await ticketOf(instance, { transport });
    const answer = await ask(`/agents/witness/${instance}/deeper?a=1&ticket=other&_pk=mine`, {
      method,
      ticket,
      headers: { origin: ORIGIN },
      front: gate,
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-request-id')).toBeTruthy();
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    const seen: { method: string; url: string; headers: object; principal: object } = await answer.json();
    expect(seen.method).toBe(method);
    expect(JSON.stringify(seen)).not.toContain(ticket);
    expect(seen.url).not.toContain('ticket');
    expect(seen.url).not.toContain('mine');
    expect(seen.principal).toMatchObject({ principal: SUBJECT, scope: SCOPE.split(' ') });
  });

  test('of HEAD reaches the agent, and is answered by the headers of what it answers', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance, { scope: 'agent:connect agent:state:read' });
    const answer = await ask(`/agents/witness/${instance}`, { method: 'HEAD', ticket, front: gate });
    expect([answer.status, answer.headers.get('x-witness')]).toEqual([200, 'HEAD']);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(await answer.text()).toBe('');
  });

  test.for(['POST', 'PUT', 'PATCH', 'DELETE'])('of %s carries its body to the agent', async (method) => {
    const instance = newInstance();
    const answer = await ask(`/agents/witness/${instance}/body`, {
      method,
      body: 'words '.repeat(1000),
      ticket: await ticketOf(instance),
      front: gate,
    });
    expect(await answer.json()).toEqual({ length: 6000 });
  });

  test('may be made again and again with one ticket, and opens no session', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    for (let n = 0; n < 3; n += 1) {
      expect((await ask(`/agents/witness/${instance}`, { ticket, front: gate })).status).toBe(200);
    }
    expect(await ownSessions(witness(instance))).toEqual([]);
  });

  test('with the ticket of an open session is answered until that session is over', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
    await socket.frame('seen');
    expect((await ask(`/agents/witness/${instance}`, { ticket, front: gate })).status).toBe(200);
    socket.close();
    await socket.closed();
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect((await ask(`/agents/witness/${instance}`, { ticket, front: gate })).status).toBe(401);
  });

  test('with the ticket of a session that was terminated stays forbidden', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
    await socket.frame('seen');
    const [session] = await ownSessions(witness(instance));
    await revoke(witness(instance), lock(`session:${session?.id}`, { code: 'session_terminated' }));
    expect((await ask(`/agents/witness/${instance}`, { ticket, front: gate })).status).toBe(403);
  });

  test.for(['h2c', 'websocket, h2c', 'h2c, websocket', 'websocketx', 'web socket', 'WebSocket/13', ','])(
    'with Upgrade: %s is a plain request, and the agent sees nothing of that',
    async (odd) => {
      const instance = newInstance();
      const headers = {
        upgrade: odd,
        connection: 'Upgrade',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      };
      const ticket = await ticketOf(instance);
      const answer = await ask(`/agents/witness/${instance}`, { ticket, headers, front: gate });
      expect(answer.status).toBe(200);
      const { headers: seen }: { headers: Record<string, string> } = await answer.json();
      expect(seen).not.toHaveProperty('upgrade');
      expect(await ownSessions(witness(instance))).toEqual([]);
      const other = await ask(`/agents/witness/${instance}?ticket=${ticket}`, { headers, front: gate });
      expect(other.status).toBe(401);
    },
  );

  test('does not use its ticket up', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    await ask(`/agents/witness/${instance}`, { ticket, front: gate });
    await (await connect(`/agents/witness/${instance}`, { ticket, front: gate })).frame('seen');
  });

  test('that makes the agent throw is a bare 500', async () => {
    const instance = newInstance();
    const answer = await ask(`/agents/witness/${instance}/throw`, {
      ticket: await ticketOf(instance),
      front: gate,
    });
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toMatch(/PRIVATE|witness/);
  });

  test('with the name in capitals in Authorization is a Bearer all the same', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    for (const scheme of ['bearer', 'BEARER', 'Bearer ']) {
      const headers = { authorization: `${scheme} ${ticket}` };
      expect((await ask(`/agents/witness/${instance}`, { headers, front: gate })).status).toBe(200);
    }
  });
});
