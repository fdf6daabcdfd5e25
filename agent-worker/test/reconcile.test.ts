import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { RecordFact } from '@agent-ticket/drizzle/record/deliver.ts';
import type { AgentSessionRow } from '@agent-ticket/drizzle/record/sessions.ts';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { reconcile } from '../src/control/reconcile.ts';
import { questionRequest } from '../src/handover.ts';
import { command, makeCommand } from './commands.ts';
import { counter, ownSessions } from './objects.ts';
import { eventsOf, expectEvents, sessionsOf } from './record.ts';
import { connect, type Socket } from './sockets.ts';
import { makeTicket, NOW, newInstance, rights, signer } from './tickets.ts';

/** The record and the objects agree about which sessions are open, whatever happened to either. */

const run = async () => (await command(await makeCommand({ op: 'reconcile' }))).body;
const later = (seconds: number) => vi.setSystemTime((NOW + seconds) * 1000);

async function enter(instance: string): Promise<Socket> {
  const ticket = await makeTicket({ instance, ...rights('counter', 'owner') });
  const socket = await connect(`/agents/counter/${instance}`, { ticket });
  await socket.frame('cf_agent_state');
  await expectEvents(instance, ['ticket.used', 'session.opened']);
  return socket;
}

beforeEach(() => env.RECORD.exec('UPDATE agent_sessions SET ended_at = 1 WHERE ended_at IS NULL'));

describe('a session that the record takes for open', () => {
  test('stays so while it is, asleep too, and however often it is asked about', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await evictDurableObject(counter(instance));
    later(600);
    expect(await run()).toMatchObject({ closed: 0, objects: 1, unreachable: 0, pending: 0 });
    expect(await run()).toMatchObject({ closed: 0, objects: 1 });
    expect(await socket.call('whoami')).toMatchObject({ success: true });
    expect(await sessionsOf(instance)).toMatchObject([{ ended_at: null }]);
  });

  test('is not asked about while it is young', async () => {
    const instance = newInstance();
    await enter(instance);
    later(59);
    expect(await run()).toMatchObject({ objects: 0 });
  });

  test('ends when its socket died with the object, by the object itself', async () => {
    const instance = newInstance();
    await enter(instance);
    await evictDurableObject(counter(instance), { webSockets: 'close' });
    later(600);
    await run();
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(await sessionsOf(instance)).toMatchObject([
      { end_reason: 'connection_lost', ended_at: (NOW + 600) * 1000 },
    ]);
  });

  test('ends with the reason that its object knows, when the news of it was lost', async () => {
    const instance = newInstance();
    await enter(instance);
    await runInDurableObject(counter(instance), (_, state) => {
      state.storage.sql.exec(
        `UPDATE ticket_sessions SET ended_at = ${NOW * 1000 + 5}, end_reason = 'locked'`,
      );
    });
    later(600);
    expect(await run()).toMatchObject({ closed: 1, objects: 1 });
    expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'locked', ended_at: NOW * 1000 + 5 }]);
    const [, , closed] = await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(closed).toMatchObject({ code: 'locked', details: JSON.stringify({ found: 'reconciled' }) });
  });

  test('ends when its object does not know it, once', async () => {
    const instance = newInstance();
    await enter(instance);
    await runInDurableObject(counter(instance), (_, state) => {
      state.storage.sql.exec('DELETE FROM ticket_sessions');
    });
    later(600);
    // The second may begin when the first has written the end.
    const [first, second] = await Promise.all([run(), run()]);
    expect([first, second]).toContainEqual(expect.objectContaining({ closed: 1, objects: 1 }));
    expect(await run()).toMatchObject({ closed: 0, objects: 0 });
    expect(await sessionsOf(instance)).toMatchObject([{ end_reason: 'connection_lost' }]);
    await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
  });

  test('is left alone while facts of its object still wait: they say more', async () => {
    const instance = newInstance();
    await enter(instance);
    await runInDurableObject(counter(instance), (_, state) => {
      state.storage.sql.exec('DELETE FROM ticket_sessions');
      state.storage.sql.exec("INSERT INTO ticket_backlog (fact) VALUES ('not json')");
    });
    later(600);
    expect(await run()).toMatchObject({ closed: 0, objects: 1 });
    expect(await sessionsOf(instance)).toMatchObject([{ ended_at: null }]);
    await runInDurableObject(counter(instance), (_, state) => {
      state.storage.sql.exec('DELETE FROM ticket_backlog');
    });
  });
});

test('an object answers no question about its sessions that did not come from its worker', async () => {
  const instance = newInstance();
  await enter(instance);
  const [session] = await ownSessions(counter(instance));
  const forged = new Request(questionRequest({ sessions: [] }), { cf: {} });
  forged.headers.set('agentTicketSessions', JSON.stringify({ sessions: [session?.id] }));
  expect((await counter(instance).fetch(forged)).status).toBe(403);
  expect((await eventsOf(instance)).length).toBe(2);
});

describe('a run', () => {
  const row = (n: number): AgentSessionRow => ({
    id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    userId: 'auth0:t:a',
    agentSlug: 'counter',
    instanceId: `i${n}`,
    audience: 'agents.test',
    role: 'viewer',
    scope: 'agent:connect',
    startedAt: n * 60_000,
    endedAt: null,
    endReason: null,
    ipAddress: null,
    userAgent: null,
    jti: crypto.randomUUID(),
    kid: signer.kid,
    rev: 7,
    grantId: null,
    loginId: null,
  });
  // Two days, one session a minute.
  const rows = Array.from({ length: 2880 }, (_, n) => row(n));
  const now = 2880 * 60_000;

  async function runWith(random: number, answer = async () => ({ open: [] as string[], ended: [] })) {
    const asked: string[] = [];
    const facts: RecordFact[] = [];
    const outcome = await reconcile({
      config: { audience: 'agents.test' },
      record: {
        sessions: {
          listOpen: async (_, from, until, limit) =>
            rows.filter(({ startedAt }) => startedAt >= from && startedAt <= until).slice(0, limit),
        },
        deliver: async (given) => {
          facts.push(...given);
          return [];
        },
      },
      listSessions: async (_, instance) => {
        asked.push(instance);
        return answer();
      },
      clock: () => now,
      random: () => random,
    });
    return { asked, facts, outcome };
  }

  test('compares the oldest, and others from anywhere in a day', async () => {
    const seen = new Set<string>();
    for (const random of [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.999]) {
      const { asked } = await runWith(random);
      expect(asked.slice(0, 250)).toEqual(rows.slice(0, 250).map(({ instanceId }) => instanceId));
      for (const instance of asked) seen.add(instance);
    }
    const ofTheDay = rows.filter(
      ({ startedAt }) => startedAt >= now - 1440 * 60_000 && startedAt < now - 60_000,
    );
    const missed = ofTheDay.filter(({ instanceId }) => !seen.has(instanceId));
    expect(missed.length).toBeLessThan(ofTheDay.length / 100);
  });

  test('closes nothing of an object that does not answer', async () => {
    const { facts, outcome } = await runWith(0.5, async () => {
      throw new Error('overloaded');
    });
    expect(facts).toEqual([]);
    expect(outcome).toEqual({ closed: 0, objects: 0, unreachable: 500 });
  });
});
