import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test, vi } from 'vitest';
import { lock, revoke } from './commands.ts';
import { entryOf, gate, gateWith } from './gate.ts';
import { ownSessions, sweep, witness } from './objects.ts';
import type { Front } from './openapi.ts';
import { expectEvents, sessionsOf } from './record.ts';
import { ask, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, NOW, newInstance } from './tickets.ts';
import { printed } from './watch.ts';

/** Answers that stream (`text/event-stream`) are sessions of their own. */

const SCOPE = 'agent:connect agent:state:read agent:message';
const ticketOf = (instance: string, other: object = {}) =>
  makeTicket({ instance, agent: 'witness', scope: SCOPE, transport: 'http', ...other });

const open = (instance: string, ticket: string, kind = 'stream', front: Front = gate) =>
  ask(`/agents/witness/${instance}/${kind}`, { ticket, front });

/** A stream that has begun: its first event is read. */
async function begin(instance: string, ticket: string, kind = 'stream') {
  const answer = await open(instance, ticket, kind);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  if (answer.body === null) throw new TypeError('no body');
  const reader = answer.body.getReader();
  await reader.read();
  return reader;
}

/** Reads to the end; how it came. */
async function drained(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<'ended' | 'broken'> {
  try {
    while (!(await reader.read()).done);
    return 'ended';
  } catch {
    return 'broken';
  }
}

const ends = (instance: string, reason: string) =>
  eventually(async () => {
    expect(await ownSessions(witness(instance))).toMatchObject([{ end_reason: reason }]);
    expect(await sessionsOf(instance)).toMatchObject([{ end_reason: reason }]);
  });
const cancelled = (instance: string) => runInDurableObject(witness(instance), (agent) => agent.cancelled);

describe('a stream', () => {
  test('is a session: burned, recorded, and over when it has come to its end', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    expect(await drained(await begin(instance, ticket, 'stream/short'))).toBe('ended');
    await ends(instance, 'finished');
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect((await open(instance, ticket)).status).toBe(401);
  });

  test('that its agent breaks off is recorded as that, and its words stay inside', async () => {
    const instance = newInstance();
    expect(await drained(await begin(instance, await ticketOf(instance), 'stream/broken'))).toBe('broken');
    await ends(instance, 'agent_failed');
    expect(printed.join()).not.toContain('PRIVATE');
  });

  test('needs a ticket for plain requests, and leaves another unburned', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance, { transport: 'websocket' });
    const answer = await open(instance, ticket);
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ error: { code: 'FORBIDDEN' } });
    expect(await cancelled(instance)).toBe(1);
    expect((await upgrade(`/agents/witness/${instance}`, { ticket, front: gate })).status).toBe(101);
  });

  test('asked for by HEAD is none: nothing is sent, no session opens, and its source is given up', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    const head = { method: 'HEAD', ticket, front: gate };
    for (const kind of ['stream', 'stream/silent', 'long']) {
      const answer = await ask(`/agents/witness/${instance}/${kind}`, head);
      expect([answer.status, await answer.text()]).toEqual([200, '']);
    }
    expect(await cancelled(instance)).toBe(2);
    expect(await ownSessions(witness(instance))).toEqual([]);
    await (await begin(instance, ticket)).cancel();
  });

  test('uses its ticket up: no second stream and no socket, but plain requests while it lasts', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    const reader = await begin(instance, ticket);
    expect((await open(instance, ticket)).status).toBe(401);
    const socket = await refusedSocket(await upgrade(`/agents/witness/${instance}`, { ticket, front: gate }));
    expect(socket).toMatchObject({ code: 4003 });
    const plain = () => ask(`/agents/witness/${instance}`, { method: 'POST', ticket, front: gate });
    expect((await plain()).status).toBe(200);
    await reader.cancel();
    await ends(instance, 'client_closed');
    expect((await plain()).status).toBe(401);
  });

  test.for(['stream', 'stream/silent'])('%s ends when its client leaves', async (kind) => {
    const instance = newInstance();
    const reader = await begin(instance, await ticketOf(instance), kind);
    await reader.cancel();
    await ends(instance, 'client_closed');
    expect(await cancelled(instance)).toBe(1);
  });

  test.for(['stream', 'stream/silent'])('%s is cut when its rights end', async (kind) => {
    const instance = newInstance();
    const reader = await begin(instance, await ticketOf(instance, { session_expiry: NOW + 600 }), kind);
    vi.setSystemTime((NOW + 600) * 1000 - 1);
    await sweep(witness(instance));
    expect(await cancelled(instance)).toBe(0);
    vi.setSystemTime((NOW + 600) * 1000);
    await sweep(witness(instance));
    expect(await drained(reader)).toBe('broken');
    await ends(instance, 'session_expired');
    expect(await cancelled(instance)).toBe(1);
  });

  test('has its sweep set, and no warning: it cannot renew', async () => {
    const instance = newInstance();
    const reader = await begin(instance, await ticketOf(instance, { session_expiry: NOW + 600 }));
    await eventually(() =>
      runInDurableObject(witness(instance), (_, state) =>
        expect(state.storage.sql.exec('SELECT recorded FROM ticket_sessions').toArray()).toEqual([
          { recorded: 1 },
        ]),
      ),
    );
    // The first is for the hand-over.
    vi.setSystemTime((NOW + 6) * 1000);
    await runDurableObjectAlarm(witness(instance));
    const alarm = await runInDurableObject(witness(instance), (_, state) => state.storage.getAlarm());
    expect(alarm).toBeLessThanOrEqual((NOW + 602) * 1000);
    expect(alarm).toBeGreaterThanOrEqual((NOW + 600) * 1000);
    // A stream that nobody holds is collected, which is its end.
    expect(await first(reader)).toBe('goes on');
  });

  test('is cut by a termination, and counted in its receipt', async () => {
    const instance = newInstance();
    const reader = await begin(instance, await ticketOf(instance));
    const other = await begin(instance, await ticketOf(instance, { sub: 'auth0:t:other' }));
    const [session] = (await ownSessions(witness(instance))).slice(0, 1);
    const termination = lock(`session:${session?.id}`, { code: 'session_terminated' });
    expect(await revoke(witness(instance), termination)).toBe(1);
    const outcomes = await Promise.all([first(reader), first(other)]);
    expect(outcomes.toSorted()).toEqual(['broken', 'goes on']);
  });

  test('survives the sweep that looks for sessions whose socket was lost', async () => {
    const instance = newInstance();
    const reader = await begin(instance, await ticketOf(instance));
    await sweep(witness(instance));
    expect(await first(reader)).toBe('goes on');
  });

  test('is not ended by silence: its client cannot speak', async () => {
    const instance = newInstance();
    const entry = entryOf('witness');
    const front = gateWith({ registry: [{ ...entry, limits: { ...entry.limits, idleSeconds: 100 } }] });
    const answer = await open(instance, await ticketOf(instance), 'stream', front);
    vi.setSystemTime((NOW + 200) * 1000);
    await sweep(witness(instance));
    expect(await ownSessions(witness(instance))).toMatchObject([{ ended_at: null }]);
    await answer.body?.cancel();
  });

  test('counts among a principal’s sockets', async () => {
    const instance = newInstance();
    const entry = entryOf('witness');
    const front = gateWith({ registry: [{ ...entry, limits: { ...entry.limits, socketsPerPrincipal: 1 } }] });
    await begin(instance, await ticketOf(instance));
    const answer = await open(instance, await ticketOf(instance), 'stream', front);
    expect(answer.status).toBe(429);
  });

  test('opens once of a hundred tries with one ticket', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    const answers = await Promise.all(Array.from({ length: 100 }, () => open(instance, ticket)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(99);
  });
});

describe('an answer of another media type', () => {
  const TYPES = [
    'application/x-ndjson',
    'text/plain',
    'application/octet-stream',
    'multipart/x-mixed-replace',
  ];
  const get = (instance: string, ticket: string, path: string) =>
    ask(`/agents/witness/${instance}/${path}`, { ticket, front: gate });

  test.for(TYPES)('that goes on is a session, and is cut like every other: %s', async (type) => {
    const instance = newInstance();
    const ticket = await ticketOf(instance);
    const answer = await get(instance, ticket, `stream?type=${type}`);
    expect(answer.headers.get('content-type')).toBe(type);
    expect(await ownSessions(witness(instance))).toMatchObject([{ ended_at: null }]);
    expect((await get(instance, ticket, `stream?type=${type}`)).status).toBe(401);
    await revoke(witness(instance), lock(`instance:witness/${instance}`));
    const reader = answer.body?.getReader();
    if (reader === undefined) throw new TypeError('no body');
    expect(await drained(reader)).toBe('broken');
    await ends(instance, 'locked');
    expect(await cancelled(instance)).toBeGreaterThan(0);
  });

  test('that is silent after its first part loses nothing of it', async () => {
    const instance = newInstance();
    const answer = await get(instance, await ticketOf(instance), 'stream/silent?type=text/plain');
    const reader = answer.body?.getReader();
    const part = await reader?.read();
    expect(new TextDecoder().decode(part?.value)).toBe('data: 1\n\n');
    await reader?.cancel();
    await ends(instance, 'client_closed');
  });

  test('that takes its time is a session, also where its length is declared', async () => {
    const instance = newInstance();
    const answer = await get(instance, await ticketOf(instance), 'stream/silent?type=text/plain&length=60');
    expect(await ownSessions(witness(instance))).toHaveLength(1);
    await answer.body?.cancel();
    await ends(instance, 'client_closed');
  });

  test.for([
    ['ends at once', 'stream/short?type=application/x-ndjson', 9],
    ['is long but whole', 'long', 1_000_000],
  ] as const)('that %s needs no session, and no ticket for streams', async ([, path, length]) => {
    const instance = newInstance();
    const ticket = await ticketOf(instance, { transport: 'websocket' });
    for (let n = 0; n < 2; n += 1) {
      const answer = await get(instance, ticket, path);
      expect([answer.status, (await answer.text()).length]).toEqual([200, length]);
    }
    expect(await ownSessions(witness(instance))).toEqual([]);
  });

  test('that goes on needs a ticket for plain requests', async () => {
    const instance = newInstance();
    const ticket = await ticketOf(instance, { transport: 'websocket' });
    // More than is read ahead, so that nobody waits for the end.
    const answer = await get(instance, ticket, 'stream/wide?type=text/plain');
    expect(answer.status).toBe(403);
    expect(await cancelled(instance)).toBe(1);
  });

  test('that breaks off at once is a bare 500', async () => {
    const instance = newInstance();
    const answer = await get(instance, await ticketOf(instance), 'stream/broken?type=text/plain');
    expect(answer.status).toBe(500);
    expect(printed.join()).not.toContain('PRIVATE');
  });
});

/** Whether a stream is broken off within its next hundred events. */
async function first(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<'broken' | 'goes on'> {
  try {
    for (let n = 0; n < 100; n += 1) await reader.read();
    return 'goes on';
  } catch {
    return 'broken';
  }
}
