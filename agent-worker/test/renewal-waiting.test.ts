import { runInDurableObject } from 'cloudflare:test';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { makeSigner, type Signer } from '@agent-ticket/shared/test/tickets.ts';
import { describe, expect, test, vi } from 'vitest';
import { broker, publishes } from './broker.ts';
import { cutoff, lock, refresh, revoke } from './commands.ts';
import { counter } from './objects.ts';
import { eventsOf, sessionsOf } from './record.ts';
import { enter, LIFE } from './renewals.ts';
import type { Socket } from './sockets.ts';
import { makeTicket, newDay, newInstance, nextSigner, rights, signer } from './tickets.ts';

describe('while a renewal waits for keys', () => {
  /** The broker holds the keys back until they are let go; it must not await what belongs to another request. */
  function holdKeys(...signers: Signer[]) {
    const state = { asked: false, held: true };
    broker.answer = async (request) => {
      state.asked = true;
      while (state.held) await scheduler.wait(5);
      return publishes(...signers)(request);
    };
    return {
      asked: () => eventually(async () => expect(state.asked).toBe(true)),
      letGo: () => {
        state.held = false;
      },
    };
  }

  async function enterWaiting(role: 'viewer' | 'owner', claims: object = {}) {
    const now = newDay();
    const instance = newInstance();
    const { socket } = await enter(instance, role, { session_expiry: now + 5 });
    vi.setSystemTime((now + 2) * 1000);
    const fresh = await makeSigner('ES256');
    const keys = holdKeys(signer, nextSigner, fresh);
    const jti = crypto.randomUUID();
    const other = { instance, jti, ...rights('counter', 'owner'), session_expiry: now + LIFE, ...claims };
    socket.send({ type: 'ticket.renew', ticket: await makeTicket(other, { by: fresh }) });
    await keys.asked();
    return { now, instance, socket, keys, jti };
  }

  const burnsOf = (instance: string, jti: string) =>
    runInDurableObject(counter(instance), (_, state) =>
      state.storage.sql.exec('SELECT 1 FROM ticket_burns WHERE jti = ?', jti).toArray(),
    );
  const revokeAt = (instance: string, make: typeof lock) =>
    revoke(counter(instance), make(`instance:counter/${instance}`));

  const ENDS: [
    what: string,
    end: (at: { instance: string; now: number; socket: Socket }) => unknown,
    reason: string,
    close: { code: number; reason: string },
  ][] = [
    [
      'a termination',
      ({ instance }) => revokeAt(instance, cutoff),
      'session_terminated',
      { code: 4003, reason: 'forbidden' },
    ],
    ['a lock', ({ instance }) => revokeAt(instance, lock), 'locked', { code: 4003, reason: 'forbidden' }],
    [
      'a change of rights',
      ({ instance }) => revokeAt(instance, refresh),
      'rights_changed',
      { code: 3000, reason: 'rights_changed' },
    ],
    [
      'the clock',
      ({ now }) => vi.setSystemTime((now + 5) * 1000),
      'session_expired',
      { code: 3000, reason: 'session_expired' },
    ],
    ['its client', ({ socket }) => socket.close(), 'client_closed', { code: 1000, reason: 'done' }],
  ];
  test.for(ENDS)(
    '%s that ends its session wins, and its ticket is not burned',
    async ([, end, reason, close]) => {
      const { keys, jti, ...at } = await enterWaiting('viewer');
      const { instance, socket } = at;
      await end(at);
      if (reason !== 'session_expired') expect(await socket.closed()).toEqual(close);
      keys.letGo();
      expect(await socket.closed()).toEqual(close);
      const events = await eventually(async () => {
        const found = await eventsOf(instance);
        expect(found.map(({ type }) => type).toSorted()).toEqual([
          'session.closed',
          'session.opened',
          'session.renewed',
          'ticket.used',
        ]);
        return found;
      });
      expect(events.find(({ type }) => type === 'session.renewed')).toMatchObject({ outcome: 'denied' });
      expect(await burnsOf(instance, jti)).toEqual([]);
      expect(socket.frames.filter(({ type }) => type === 'ticket.renewed')).toEqual([]);
      expect(await sessionsOf(instance)).toMatchObject([
        { end_reason: reason, ...rights('counter', 'viewer') },
      ]);
    },
  );
});
