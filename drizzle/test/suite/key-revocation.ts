import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { changeEventQueries } from '../../control/change-events.ts';
import { revokeKey, type Successor } from '../../control/key-revocation.ts';
import { lockQueries } from '../../control/locks.ts';
import { outboxQueries } from '../../control/outbox.ts';
import { signingKeyQueries } from '../../control/signing-keys.ts';
import { type Databases, type OpenDatabases, whileRefusing } from './databases.ts';
import { auditEvent, lock, MINUTE, NOW, signingKey, uuidOf } from './rows.ts';

const NEXT_END = { retiresAt: NOW + 10 * MINUTE, removedAt: NOW + 20 * MINUTE };
const event = (name: number): AuditEvent => auditEvent({ eventId: uuidOf(name), type: 'key.revoked' });

export function describeKeyRevocation(open: OpenDatabases): void {
  describe('key revocation', () => {
    let databases: Databases;
    let keys: ReturnType<typeof signingKeyQueries>;
    beforeEach(async () => {
      databases = await open();
      keys = signingKeyQueries(databases.control);
      await keys.insertFirst(signingKey());
    });
    const pending = () =>
      keys.insertNext(signingKey({ kid: 'key-2', generation: 2, activatesAt: NEXT_END.retiresAt }), NEXT_END);
    const revoke = (kid: string, successor: Successor, name = 1) =>
      revokeKey(databases.control, {
        kid,
        at: NOW,
        successor,
        event: event(name),
        sockets: {
          lock: lock({ id: `lock-${name}`, target: `key:${kid}` }),
          command: { id: uuidOf(name), command: '{}', before: NOW, dueAt: NOW },
        },
      });
    const traces = async () => ({
      locks: (await lockQueries(databases.control).list(NOW, undefined, 10)).map(({ target }) => target),
      commands: await outboxQueries(databases.control).count(),
      events: (await changeEventQueries(databases.control).waiting()).map(({ type }) => type),
    });
    const next = { kind: 'made', key: signingKey({ kid: 'key-2', generation: 2 }) } as const;

    it('wipes the private part and brings successor, lock, command and event with it', async () => {
      expect(await revoke('key-1', next)).toBe(true);
      expect(await keys.list('ticket')).toMatchObject([
        { kid: 'key-2', activatesAt: NOW, retiresAt: null, revokedAt: null },
        { kid: 'key-1', revokedAt: NOW, retiresAt: NOW, removedAt: NOW, sealed: '' },
      ]);
      expect(await traces()).toEqual({ locks: ['key:key-1'], commands: 1, events: ['key.revoked'] });
    });

    it('changes nothing when a rotation took the generation of the new key', async () => {
      await pending();
      const before = await keys.list('ticket');
      const late = { kind: 'made', key: signingKey({ kid: 'key-x', generation: 2 }) } as const;
      expect(await revoke('key-1', late)).toBe(false);
      expect(await keys.list('ticket')).toEqual(before);
      expect(await traces()).toEqual({ locks: [], commands: 0, events: [] });
    });

    it('lets a pending key sign at once', async () => {
      await pending();
      expect(await revoke('key-1', { kind: 'activated', kid: 'key-2' })).toBe(true);
      expect(await keys.list('ticket')).toMatchObject([
        { kid: 'key-2', activatesAt: NOW },
        { kid: 'key-1', revokedAt: NOW, ...NEXT_END },
      ]);
    });

    it('takes the end away from the present key when the next one is revoked', async () => {
      await pending();
      expect(await revoke('key-2', { kind: 'kept', kid: 'key-1' })).toBe(true);
      expect(await keys.list('ticket')).toMatchObject([
        { kid: 'key-2', revokedAt: NOW },
        { kid: 'key-1', retiresAt: null, removedAt: null, revokedAt: null },
      ]);
    });

    it.each<readonly [string, string, Successor]>([
      ['activates', 'key-1', { kind: 'activated', kid: 'key-2' }],
      ['keeps', 'key-2', { kind: 'kept', kid: 'key-1' }],
    ])('changes nothing when the key that it %s was revoked meanwhile', async (_what, kid, successor) => {
      await pending();
      await revoke(kid === 'key-1' ? 'key-2' : 'key-1', { kind: 'same' }, 2);
      const before = await keys.list('ticket');
      expect(await revoke(kid, successor)).toBe(false);
      expect(await keys.list('ticket')).toEqual(before);
    });

    it('revokes once, with one successor, when ten ask at once', async () => {
      const won = await Promise.all(
        Array.from({ length: 10 }, (_, name) =>
          revoke('key-1', { kind: 'made', key: signingKey({ kid: `n-${name}`, generation: 2 }) }, name),
        ),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(await keys.list('ticket')).toHaveLength(2);
    });

    it('does all of it or nothing', async () => {
      const before = await keys.list('ticket');
      const refused = whileRefusing(databases, 'INSERT', 'outbox', () => revoke('key-1', next));
      await expect(refused).rejects.toThrow();
      expect(await keys.list('ticket')).toEqual(before);
      expect(await traces()).toEqual({ locks: [], commands: 0, events: [] });
    });

    it('writes the event of a rotation that went through, and none of one that lost', async () => {
      const second = signingKey({ kid: 'key-2', generation: 2 });
      await keys.insertNext(second, NEXT_END, event(2));
      await keys.insertNext({ ...second, kid: 'late' }, NEXT_END, event(3));
      const events = changeEventQueries(databases.control);
      expect((await events.waiting()).map(({ eventId }) => eventId)).toEqual([uuidOf(2)]);
      await events.settled(uuidOf(2));
      expect(await events.waiting()).toEqual([]);
    });

    it('forgets keys out of use, and never the newest', async () => {
      await revoke('key-1', next);
      await revoke('key-2', { kind: 'same' }, 2);
      expect(await keys.purge('ticket', NOW)).toEqual([]);
      expect(await keys.purge('ticket', NOW + 1)).toEqual(['key-1']);
      expect((await keys.list('ticket')).map(({ kid }) => kid)).toEqual(['key-2']);
    });

    it('replaces sealed text once, and only the text that it read', async () => {
      expect(await keys.reseal('key-1', 'other', 'new')).toBe(false);
      expect(await keys.reseal('key-1', 'sealed', 'new')).toBe(true);
      expect(await keys.reseal('key-1', 'sealed', 'newer')).toBe(false);
      expect((await keys.list('ticket'))[0]?.sealed).toBe('new');
    });
  });
}
