import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test } from 'vitest';
import { PRIVATE } from './agents/faulty.ts';
import { gate, gateWith } from './gate.ts';
import { type EventRow, eventsOf, expectEvents, sessionsOf } from './record.ts';
import { ask, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, newInstance } from './tickets.ts';

/** Agent code that throws: its client learns that, and nothing else. */

const SCOPE = 'agent:connect agent:state:read agent:message';
const faultyTicket = (instance: string) => makeTicket({ instance, agent: 'faulty', scope: SCOPE });

const AT_OPENING = ['onStart', 'onConnect', 'getConnectionTags', 'onConnect-text'];
const AT_REQUESTS = ['onStart', 'onRequest', 'onRequest-text'];

describe('an agent that throws', () => {
  test.for(AT_OPENING)('in %s closes the socket 1011, and not one frame was sent', async (instance) => {
    const ticket = await faultyTicket(instance);
    const answer = await upgrade(`/agents/faulty/${instance}`, {
      ticket,
      delivery: 'subprotocol',
      front: gate,
    });
    expect(answer.headers.get('sec-websocket-protocol')).toBe('agent-ticket.v1');
    expect(answer.headers.get('x-request-id')).toBeTruthy();
    expect(await refusedSocket(answer)).toEqual({ status: 101, code: 1011, reason: 'internal', frames: [] });
  });

  test.for(AT_OPENING)('in %s is a bare 500 to an upgrade that asks for JSON', async (instance) => {
    const ticket = await faultyTicket(instance);
    const answer = await upgrade(`/agents/faulty/${instance}`, {
      ticket,
      headers: { accept: 'application/json' },
      front: gate,
    });
    expect(answer.status).toBe(500);
    expect(await answer.json()).toEqual({
      error: { code: 'INTERNAL', message: 'internal error', request_id: answer.headers.get('x-request-id') },
    });
  });

  test.for(AT_REQUESTS)('in %s is a bare 500 to a request', async (instance) => {
    for (const method of ['GET', 'POST']) {
      const ticket = await faultyTicket(instance);
      const answer = await ask(`/agents/faulty/${instance}`, { method, ticket, front: gate });
      expect(answer.status).toBe(500);
      const body = await answer.text();
      expect(body).not.toContain(PRIVATE);
      expect(JSON.parse(body)).toEqual({
        error: {
          code: 'INTERNAL',
          message: 'internal error',
          request_id: answer.headers.get('x-request-id'),
        },
      });
    }
  });

  test('in onConnect has its session ended, with the reason', async () => {
    await expectLives('onConnect', 2);
    for (const session of await sessionsOf('onConnect')) expect(session.end_reason).toBe('agent_failed');
  });

  test('whatever it throws, has its session ended', async () => {
    await expectLives('onConnect-text', 2);
    for (const session of await sessionsOf('onConnect-text')) expect(session.end_reason).toBe('agent_failed');
  });

  test('has burned the ticket all the same', async () => {
    const ticket = await faultyTicket('getConnectionTags');
    const tries = [];
    for (let n = 0; n < 2; n += 1) {
      tries.push(
        await refusedSocket(await upgrade('/agents/faulty/getConnectionTags', { ticket, front: gate })),
      );
    }
    expect(tries.map(({ code, reason }) => [code, reason])).toEqual([
      [1011, 'internal'],
      [3000, 'ticket_used'],
    ]);
  });
});

describe('a URL too long for what the SDK remembers of a connection', () => {
  test('closes the socket 1011, and the session with it', async () => {
    const instance = newInstance();
    const path = `/agents/witness/${instance}?long=${'x'.repeat(20_000)}`;
    const refused = await refusedSocket(
      await upgrade(path, { ticket: await ticketOf(instance), front: gate }),
    );
    expect(refused).toEqual({ status: 101, code: 1011, reason: 'internal', frames: [] });
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
  });
});

test.for([
  ['Network connection lost', 1013, 503],
  ['destroyed', 1011, 500],
] as const)(
  'an object out of reach (%s) closes the socket %d and answers a request %d, without a word of it',
  async ([message, code, status]) => {
    const front = gateWith({
      destination: () => ({ fetch: () => Promise.reject(new Error(`${message}: ${PRIVATE}`)) }),
    });
    const instance = 'away';
    const refused = await refusedSocket(
      await upgrade('/agents/witness/away', { ticket: await ticketOf(instance), front }),
    );
    expect(refused).toMatchObject({ code, frames: [] });
    const answer = await ask('/agents/witness/away', { ticket: await ticketOf(instance), front });
    expect(answer.status).toBe(status);
    expect(await answer.text()).not.toContain(PRIVATE);
  },
);

const ticketOf = (instance: string) => makeTicket({ instance, agent: 'witness', scope: SCOPE });
/** Waits until an instance has had so many sessions and no more, each of which was opened and has ended. */
const expectLives = (instance: string, sessions: number): Promise<void> =>
  eventually(async () => {
    const lives = new Map<string | null, EventRow[]>();
    for (const event of await eventsOf(instance))
      lives.set(event.session_id, [...(lives.get(event.session_id) ?? []), event]);
    expect([...lives.values()].map((events) => events.map(({ type }) => type))).toEqual(
      Array(sessions).fill(['ticket.used', 'session.opened', 'session.closed']),
    );
  });
