import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, test, vi } from 'vitest';
import { cutoff, lock, placeOf, refresh, revoke, send } from './commands.ts';
import { entryOf, gateWith } from './gate.ts';
import { sweep, witness } from './objects.ts';
import { eventsOf, sessionsOf } from './record.ts';
import { ask, connect, type Socket } from './sockets.ts';
import { makeTicket, NOW, newInstance } from './tickets.ts';

/** However a session ends, the record has one row of it with its end and its reason, and one event that says the same. */

const ENTRY = entryOf('witness');
const LIMITS = { ...ENTRY.limits, frameBytes: 1000, messagesPerSecond: 3, idleSeconds: 600 };
const front = gateWith({ registry: [{ ...ENTRY, limits: LIMITS }] });

const LATER_MS = (NOW + 7) * 1000;
const IDLE_MS = (NOW + 600) * 1000;
/** Before silence is noticed. */
const EXPIRY_MS = (NOW + 300) * 1000;

const ticketOf = (instance: string, other: object = {}) =>
  makeTicket({
    instance,
    agent: 'witness',
    scope: 'agent:connect agent:message agent:state:read',
    session_expiry: EXPIRY_MS / 1000,
    ...other,
  });

interface Open {
  readonly instance: string;
  readonly socket: Socket;
}
const revokeAt = (instance: string, make: typeof lock) =>
  revoke(witness(instance), make(`instance:witness/${instance}`));

interface Ending {
  readonly how: string;
  readonly reason: string;
  readonly claims?: object;
  /** When it ends, in ms; left out: seven seconds after it began. */
  readonly endMs?: number;
  readonly end: (open: Open) => unknown;
}

const ENDINGS: readonly Ending[] = [
  { how: 'its client closes', reason: 'client_closed', end: ({ socket }) => socket.close() },
  {
    how: 'its client closes while the object sleeps',
    reason: 'client_closed',
    async end({ instance, socket }) {
      await evictDurableObject(witness(instance));
      socket.close();
    },
  },
  {
    how: 'its socket is lost with the object, and a sweep looks',
    reason: 'connection_lost',
    async end({ instance }) {
      await evictDurableObject(witness(instance), { webSockets: 'close' });
      await sweep(witness(instance));
    },
  },
  {
    how: 'its rights expire and a frame comes',
    reason: 'session_expired',
    endMs: EXPIRY_MS,
    end: ({ socket }) => socket.send('late'),
  },
  {
    how: 'its rights expire in silence',
    reason: 'session_expired',
    endMs: EXPIRY_MS,
    end: ({ instance }) => sweep(witness(instance)),
  },
  {
    how: 'its rights expire while the object sleeps',
    reason: 'session_expired',
    endMs: EXPIRY_MS,
    async end({ instance }) {
      await evictDurableObject(witness(instance));
      await sweep(witness(instance));
    },
  },
  {
    how: 'nobody speaks',
    reason: 'session_idle',
    claims: { session_expiry: NOW + 3600 },
    endMs: IDLE_MS,
    end: ({ instance }) => sweep(witness(instance)),
  },
  {
    how: 'it is terminated',
    reason: 'session_terminated',
    end: ({ instance }) => revokeAt(instance, cutoff),
  },
  {
    how: 'its instance is locked',
    reason: 'locked',
    end: ({ instance }) => revokeAt(instance, lock),
  },
  {
    how: 'the rights of its principal change',
    reason: 'rights_changed',
    end: ({ instance }) => revokeAt(instance, refresh),
  },
  {
    how: 'a renewal takes the right to read',
    reason: 'rights_changed',
    async end({ instance, socket }) {
      const ticket = await ticketOf(instance, { scope: 'agent:connect' });
      socket.send({ type: 'ticket.renew', ticket });
    },
  },
  {
    how: 'its instance is deleted',
    reason: 'session_terminated',
    async end({ instance }) {
      // The object ends with the deletion, and its answer may with it.
      const revocation = cutoff(`instance:witness/${instance}`);
      const destroy = { op: 'destroy', ...placeOf(instance, 'witness'), revocation } as const;
      await send(witness(instance), destroy).catch(() => {});
    },
  },
  {
    how: 'the agent destroys itself',
    reason: 'destroyed',
    async end({ instance }) {
      await runInDurableObject(witness(instance), (agent) => agent.destroy()).catch(() => {});
    },
  },
  {
    how: 'a frame is too large',
    reason: 'frame_too_large',
    end: ({ socket }) => socket.send('x'.repeat(1001)),
  },
  {
    how: 'frames come too fast',
    reason: 'too_many_messages',
    end({ socket }) {
      for (let n = 0; n < 36; n += 1) socket.send('quick');
    },
  },
];

/** The one row and the one event of an end, once they are there. */
const expectEnd = (instance: string, reason: string, endMs: number) =>
  eventually(async () => {
    expect(await sessionsOf(instance)).toMatchObject([{ end_reason: reason, ended_at: endMs }]);
    const ends = (await eventsOf(instance)).filter(({ type }) => /^session\.(closed|terminated)$/.test(type));
    const [row] = await sessionsOf(instance);
    expect(ends).toMatchObject([{ type: 'session.closed', code: reason, session_id: row?.id }]);
  });

test.for(ENDINGS)('when $how ($reason)', async ({ reason, claims, endMs = LATER_MS, end }) => {
  const instance = newInstance();
  const ticket = await ticketOf(instance, claims);
  const socket = await connect(`/agents/witness/${instance}`, { ticket, front });
  await socket.frame('seen');
  vi.setSystemTime(endMs);
  await end({ instance, socket });
  await expectEnd(instance, reason, endMs);
  // Whatever may still look at it finds it over.
  vi.setSystemTime(endMs + 1_000);
  await sweep(witness(instance));
  await expectEnd(instance, reason, endMs);
});

test('when the agent breaks off its stream (agent_failed)', async () => {
  const instance = newInstance();
  const ticket = await ticketOf(instance, { transport: 'http' });
  const answer = await ask(`/agents/witness/${instance}/stream/broken`, { ticket, front });
  vi.setSystemTime(LATER_MS);
  await answer.body?.pipeTo(new WritableStream()).catch(() => {});
  await expectEnd(instance, 'agent_failed', LATER_MS);
});
