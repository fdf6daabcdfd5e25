import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { PING } from '@agent-ticket/shared/heartbeat.ts';
import type { AgentLimits } from '@agent-ticket/shared/registry.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { describe, expect, test, vi } from 'vitest';
import { entryOf, gateWith } from './gate.ts';
import { ownSessions, receivedBy, sweep, witness } from './objects.ts';
import type { Front } from './openapi.ts';
import { expectEvents } from './record.ts';
import { ask, connect } from './sockets.ts';
import { makeTicket, NOW, newInstance } from './tickets.ts';

/** What the registry's limits allow one principal and one socket. */

const limited = (limits: Partial<AgentLimits>): Front => {
  const entry = entryOf('witness');
  return gateWith({ registry: [{ ...entry, limits: { ...entry.limits, ...limits } }] });
};

const ticketOf = (instance: string, other: object = {}) =>
  makeTicket({ instance, agent: 'witness', scope: 'agent:connect agent:message', ...other });

async function enter(instance: string, front: Front, other: object = {}) {
  const ticket = await ticketOf(instance, other);
  const socket = await connect(`/agents/witness/${instance}`, { ticket, front });
  return { ticket, socket };
}

describe('sockets per principal and instance', () => {
  const front = limited({ socketsPerPrincipal: 2 });

  test('are counted while they are open, and the ticket refused for a crowd is still good', async () => {
    const instance = newInstance();
    const { socket: first } = await enter(instance, front);
    await first.frame('seen');
    await (await enter(instance, front)).socket.frame('seen');
    const { ticket, socket } = await enter(instance, front);
    expect(await socket.closed()).toEqual({ code: 1013, reason: 'too_many_sockets' });
    expect(socket.frames).toEqual([]);

    first.close();
    await first.closed();
    await expectEvents(instance, [
      'ticket.used',
      'session.opened',
      'ticket.used',
      'session.opened',
      'session.closed',
    ]);
    const retried = await connect(`/agents/witness/${instance}`, { ticket, front });
    await retried.frame('seen');
  });

  test('do not hide that a ticket was used: it is answered so, and recorded, at the limit too', async () => {
    const instance = newInstance();
    const { ticket, socket } = await enter(instance, front);
    await socket.frame('seen');
    await (await enter(instance, front)).socket.frame('seen');
    const again = await connect(`/agents/witness/${instance}`, { ticket, front });
    expect(await again.closed()).toEqual({ code: 3000, reason: 'ticket_used' });
  });

  test('are counted for each principal and each instance by themselves', async () => {
    const instance = newInstance();
    for (let n = 0; n < 2; n += 1) await (await enter(instance, front)).socket.frame('seen');
    const bob = await enter(instance, front, { sub: 'auth0:t:bob' });
    await bob.socket.frame('seen');
    const elsewhere = newInstance();
    await (await enter(elsewhere, front)).socket.frame('seen');
  });

  test('are those of the ticket’s tier, where the tier has its own', async () => {
    const byTier = limited({ socketsPerPrincipal: 1, tiers: { pro: { socketsPerPrincipal: 2 } } });
    const instance = newInstance();
    const pro = { sub: 'auth0:t:pro', tier: 'pro' };
    await (await enter(instance, byTier)).socket.frame('seen');
    for (let n = 0; n < 2; n += 1) await (await enter(instance, byTier, pro)).socket.frame('seen');
    for (const other of [{}, pro]) {
      const { socket } = await enter(instance, byTier, other);
      expect(await socket.closed()).toEqual({ code: 1013, reason: 'too_many_sockets' });
    }
  });

  test('hold for many at once', async () => {
    const instance = newInstance();
    const all = await Promise.all(Array.from({ length: 20 }, () => enter(instance, front)));
    const open = (await ownSessions(witness(instance))).filter(({ ended_at }) => ended_at === null);
    expect(open).toHaveLength(2);
    const closes = await Promise.all(
      all.map(({ socket }) =>
        Promise.race([socket.frame('seen').then(() => 'in'), socket.closed().then(({ code }) => code)]),
      ),
    );
    expect(closes.filter((close) => close === 1013)).toHaveLength(18);
  });
});

describe('messages per second', () => {
  const front = limited({ messagesPerSecond: 5 });
  /** A burst, and the frames of a second that wait. */
  const [atOnce, waiting] = [32, 5];

  test('above the limit wait for their time, in their order, and the socket goes on', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance, limited({ messagesPerSecond: 50 }));
    await socket.frame('seen');
    const messages = Array.from({ length: 70 }, (_, n) => `message ${n}`);
    for (const message of messages) socket.send(message);
    await eventually(async () => expect(await receivedBy(instance)).toEqual(messages));
  });

  test('above what may wait close the socket, and nothing that waited is handled', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance, front);
    await socket.frame('seen');
    for (let n = 0; n < atOnce + waiting + 1; n += 1) socket.send(`message ${n}`);
    expect(await socket.closed()).toEqual({ code: 1008, reason: 'too_many_messages' });
    expect(await receivedBy(instance)).toHaveLength(atOnce);
    const events = await expectEvents(instance, ['ticket.used', 'session.opened', 'session.closed']);
    expect(events[2]).toMatchObject({ code: 'too_many_messages' });
  });

  test('that wait are a mebibyte at most, however large a frame may be', async () => {
    const instance = newInstance();
    const large = limited({ messagesPerSecond: 5, frameBytes: 4 * 1024 * 1024 });
    const { socket } = await enter(instance, large);
    await socket.frame('seen');
    for (let n = 0; n < atOnce; n += 1) socket.send(`message ${n}`);
    for (let n = 0; n < 2; n += 1) socket.send('x'.repeat(600 * 1024));
    expect(await socket.closed()).toEqual({ code: 1008, reason: 'too_many_messages' });
  });

  test('that wait are not handled once their session was ended', async () => {
    const instance = newInstance();
    const [ended, other] = [(await enter(instance, front)).socket, (await enter(instance, front)).socket];
    await Promise.all([ended.frame('seen'), other.frame('seen')]);
    for (let n = 0; n < atOnce - 1; n += 1) ended.send('in time');
    for (const message of ['terminate', 'waits']) ended.send(message);
    // The last of these waits as long, and came later.
    for (let n = 0; n < atOnce; n += 1) other.send('of another');
    other.send('last');
    await eventually(async () => expect(await receivedBy(instance)).toContain('last'));
    expect(await receivedBy(instance)).not.toContain('waits');
    expect(await ended.closed()).toEqual({ code: 4003, reason: 'forbidden' });
  });

  test('are let through again as time passes', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance, front);
    await socket.frame('seen');
    for (let second = 0; second < 3; second += 1) {
      vi.setSystemTime((NOW + second) * 1000);
      for (let n = 0; n < (second === 0 ? atOnce : 5); n += 1) socket.send('hello');
      await eventually(async () => expect(await receivedBy(instance)).toHaveLength(atOnce + 5 * second));
    }
  });

  test('count plain requests by principal, whatever the ticket', async () => {
    const instance = newInstance();
    const statuses: number[] = [];
    const more = async () => {
      const ticket = await ticketOf(instance, { scope: 'agent:connect agent:state:read agent:message' });
      for (const method of ['GET', 'PUT', 'DELETE'])
        statuses.push((await ask(`/agents/witness/${instance}`, { method, ticket, front })).status);
    };
    await more();
    await more();
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
    vi.setSystemTime((NOW + 1) * 1000);
    await more();
    expect(statuses.slice(6)).toEqual([200, 200, 200]);
  });

  test('count what is refused, too', async () => {
    const { socket } = await enter(newInstance(), front);
    await socket.frame('seen');
    for (let n = 0; n < atOnce + waiting + 1; n += 1) socket.send({ type: 'cf_agent_state', state: {} });
    expect(await socket.closed()).toEqual({ code: 1008, reason: 'too_many_messages' });
  });
});

describe('the size of a frame', () => {
  const front = limited({ frameBytes: 300 });
  const sizes: [what: string, frame: string | ArrayBuffer, fits: boolean][] = [
    ['text of the limit', 'x'.repeat(300), true],
    ['text above it', 'x'.repeat(301), false],
    ['text of the limit in bytes, of two each', 'ü'.repeat(150), true],
    ['text above it in bytes only', 'ü'.repeat(151), false],
    ['text of pairs at the limit, of four bytes each', '😀'.repeat(75), true],
    ['text of pairs above it', '😀'.repeat(76), false],
    ['a lone surrogate, which is three bytes on the wire', '\ud800'.repeat(101), false],
    ['binary of the limit', new ArrayBuffer(300), true],
    ['binary above it', new ArrayBuffer(301), false],
  ];
  test.for(sizes)('%s', async ([, frame, fits]) => {
    const instance = newInstance();
    const { socket } = await enter(instance, front);
    await socket.frame('seen');
    socket.send(frame);
    if (fits) {
      await socket.frame('received');
    } else {
      expect(await socket.closed()).toEqual({ code: 1008, reason: 'frame_too_large' });
      expect(await receivedBy(instance)).toEqual([]);
    }
  });
});

describe('silence', () => {
  const front = limited({ idleSeconds: 100 });

  test('ends a session by the sweep, which is set for it', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance, front);
    await socket.frame('seen');
    vi.setSystemTime((NOW + 100) * 1000 - 1);
    await sweep(witness(instance));
    expect(await ownSessions(witness(instance))).toMatchObject([{ ended_at: null }]);
    const alarm = await runInDurableObject(witness(instance), (_, state) => state.storage.getAlarm());
    expect(alarm).toBeLessThanOrEqual((NOW + 102) * 1000);
    vi.setSystemTime((NOW + 102) * 1000);
    await runDurableObjectAlarm(witness(instance));
    expect(await socket.closed()).toEqual({ code: 4008, reason: 'idle' });
    expect(await ownSessions(witness(instance))).toMatchObject([{ end_reason: 'session_idle' }]);
  });

  test('is broken by every frame, a refused one too', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance, front);
    await socket.frame('seen');
    for (const seconds of [90, 180, 270]) {
      vi.setSystemTime((NOW + seconds) * 1000);
      await socket.call('nothing it may');
      await sweep(witness(instance));
    }
    expect(await ownSessions(witness(instance))).toMatchObject([{ ended_at: null }]);
    vi.setSystemTime((NOW + 371) * 1000);
    await sweep(witness(instance));
    expect(await socket.closed()).toEqual({ code: 4008, reason: 'idle' });
  });

  test.for(['the runtime', 'the object'])('is not broken by a ping that %s answers', async (who) => {
    const instance = newInstance();
    const { socket } = await enter(instance, front);
    await socket.frame('seen');
    if (who === 'the object')
      await runInDurableObject(witness(instance), (_, state) => state.setWebSocketAutoResponse());
    vi.setSystemTime((NOW + 90) * 1000);
    socket.send(PING);
    await socket.frame('ticket.pong');
    vi.setSystemTime((NOW + 101) * 1000);
    await sweep(witness(instance));
    expect(await socket.closed()).toEqual({ code: 4008, reason: 'idle' });
  });

  test('is nobody’s concern where the registry sets no limit', async () => {
    const instance = newInstance();
    const { socket } = await enter(instance, limited({}));
    await socket.frame('seen');
    vi.setSystemTime((NOW + 3599) * 1000);
    await sweep(witness(instance));
    expect(await ownSessions(witness(instance))).toMatchObject([{ ended_at: null }]);
  });
});

describe('plain requests in flight', () => {
  const front = limited({ messagesPerSecond: 2 });
  const SCOPE = 'agent:connect agent:state:read';

  /** One request a second, so that the rate allows them. Those that are allowed wait in the agent. */
  async function send(instance: string, second: number, other: object, headers: Record<string, string>) {
    vi.setSystemTime((NOW + second) * 1000);
    const ticket = await ticketOf(instance, { scope: SCOPE, ...other });
    return ask(`/agents/witness/${instance}/task`, { ticket, front, headers });
  }

  test.for([
    ['a principal', 2, () => ({}), {}],
    [
      'a network of anonymous callers',
      16,
      (n: number) => ({ sub: `anonymous:${n}` }),
      { 'cf-connecting-ip': '192.0.2.7' },
    ],
  ] as const)('of %s are as many as it may send in a second', async ([, most, other, headers]) => {
    const instance = newInstance();
    const allowed = [];
    for (let n = 0; n < most; n += 1) {
      allowed.push(send(instance, n, other(n), headers));
      await eventually(async () => expect(await receivedBy(instance)).toHaveLength(n + 1));
    }
    expect((await send(instance, most, other(most), headers)).status).toBe(429);
    await runInDurableObject(witness(instance), (agent) => agent.finishTask());
    for (const answer of await Promise.all(allowed)) expect(answer.status).toBe(200);
    expect((await send(instance, most, other(most), headers)).status).toBe(200);
  });
});
