import { evictDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test } from 'vitest';
import { gate } from './gate.ts';
import { ownSessions, witness } from './objects.ts';
import { eventsOf } from './record.ts';
import { connect, type Socket } from './sockets.ts';
import { makeTicket, NOW, newInstance } from './tickets.ts';

/** Calls of an agent's methods, as the record database has them. */

async function enter(instance: string, scope = 'agent:connect agent:rpc:*'): Promise<Socket> {
  const ticket = await makeTicket({ instance, agent: 'witness', scope });
  const socket = await connect(`/agents/witness/${instance}`, { ticket, front: gate });
  await socket.frame('seen');
  return socket;
}

/** Waits for this many calls of an instance's first session; without id and session, in order. */
const expectCalls = (instance: string, calls: readonly object[]) =>
  eventually(async () => {
    const [session] = await ownSessions(witness(instance));
    const { results } = await env.RECORD.prepare(
      'SELECT method, started_at, duration_ms, outcome, code FROM agent_invocations WHERE session_id = ? ORDER BY rowid',
    )
      .bind(session?.id ?? '')
      .all();
    expect(results).toEqual(calls);
  });

const call = (method: string, outcome = 'success', code: string | null = null) => ({
  method,
  started_at: NOW * 1000,
  duration_ms: expect.any(Number),
  outcome,
  code,
});

describe('a call is recorded', () => {
  test('with its outcome, once, in order, and without a word of the agent', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await socket.call('echo', 1);
    await socket.call('fail');
    await socket.call('nothingLikeIt');
    await socket.call('echo', { type: 'rpc', id: 'call-4', success: false });
    await expectCalls(instance, [
      call('echo'),
      call('fail', 'error', 'agent_failed'),
      call('nothingLikeIt', 'error', 'agent_failed'),
      call('echo'),
    ]);
    const { results } = await env.RECORD.prepare('SELECT * FROM agent_invocations').all();
    expect(JSON.stringify(results)).not.toContain('PRIVATE');
  });

  test('when it streams, by how the stream ended', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    for (const to of [3, -1]) {
      const seen = socket.frames.length;
      await socket.call('count', to);
      await socket.next(seen, ({ done, success }) => done === true || success === false);
    }
    await expectCalls(instance, [call('count'), call('count', 'error', 'agent_failed')]);
  });

  test('of many at once, each', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await Promise.all(Array.from({ length: 40 }, (_, n) => socket.call(n % 2 === 0 ? 'echo' : 'fail', n)));
    await eventually(async () => {
      const [session] = await ownSessions(witness(instance));
      const { results } = await env.RECORD.prepare(
        'SELECT outcome, count(*) AS n FROM agent_invocations WHERE session_id = ? GROUP BY outcome ORDER BY outcome',
      )
        .bind(session?.id ?? '')
        .all();
      expect(results).toEqual([
        { outcome: 'error', n: 20 },
        { outcome: 'success', n: 20 },
      ]);
    });
  });

  test('after the object slept', async () => {
    const instance = newInstance();
    const socket = await enter(instance);
    await socket.call('echo', 1);
    await evictDurableObject(witness(instance));
    await socket.call('echo', 2);
    await expectCalls(instance, [call('echo'), call('echo')]);
  });

  test('without a credential in place of the name, refused or not', async () => {
    const instance = newInstance();
    const secret = `atk_${'a1B'.repeat(16)}z`;
    const ticket = await makeTicket({ instance });
    const socket = await enter(instance);
    await socket.call(secret);
    await socket.call(ticket);
    await expectCalls(instance, [call('[redacted]', 'error', 'agent_failed')]);
    const [denied] = await eventually(async () => {
      const events = (await eventsOf(instance)).filter(({ type }) => type === 'rpc.denied');
      expect(events).toHaveLength(1);
      return events;
    });
    expect(denied?.details).toBe('{"frame":"rpc","method":"[redacted]"}');
  });

  test('not when it was refused: that is an event of its own', async () => {
    const instance = newInstance();
    const socket = await enter(instance, 'agent:connect agent:rpc:echo');
    await socket.call('fail');
    await socket.call('echo', 1);
    await expectCalls(instance, [call('echo')]);
  });
});
