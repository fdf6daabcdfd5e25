import { beforeEach, describe, expect, it } from 'vitest';
import { revocations } from '../../control/schema.ts';
import type { Successor } from '../../control/signing-keys.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { auditEvent, MINUTE, NOW, newRevocation, signingKey, uuidOf } from './rows.ts';

const NEXT_END = { retiresAt: NOW + 10 * MINUTE, removedAt: NOW + 20 * MINUTE };

export function describeKeyRevocation(open: OpenDatabases): void {
  describe('the revocation of a key', () => {
    let databases: Databases;
    let control: Databases['control'];
    let keys: Databases['control']['keys'];
    beforeEach(async () => {
      databases = await open();
      control = databases.control;
      keys = control.keys;
      await control.change({
        ...keys.makeFirst(signingKey()),
        event: auditEvent({ eventId: uuidOf(900) }),
        dueAt: NOW,
      });
      await control.outbox.done(uuidOf(900));
    });
    const pending = async () => {
      const key = signingKey({ kid: 'key-2', generation: 2, activatesAt: NEXT_END.retiresAt });
      const event = auditEvent({ eventId: uuidOf(901) });
      await control.change({ ...keys.rotate(key, NEXT_END), event, dueAt: NOW });
      await control.outbox.done(uuidOf(901));
    };
    const revoke = async (kid: string, successor: Successor, name = 1) =>
      (await control.change({
        ...keys.revoke(kid, successor, NOW),
        event: auditEvent({ eventId: uuidOf(name), type: 'key.revoked' }),
        revocations: [newRevocation({ id: `any key:${kid}`, target: `key:${kid}` })],
        command: { op: 'revoke', ids: [`any key:${kid}`] },
        dueAt: NOW,
      })) !== undefined;
    const traces = async () => ({
      revocations: (await databases.controlDb.select().from(revocations)).map(({ target }) => target),
      outbox: (await control.outbox.due(NOW, 9)).map(({ id }) => id),
    });
    const next = { kind: 'made', key: signingKey({ kid: 'key-2', generation: 2 }) } as const;

    it('wipes the private part and brings successor, revocation, command and event with it', async () => {
      expect(await revoke('key-1', next)).toBe(true);
      expect(await keys.list('ticket')).toMatchObject([
        { kid: 'key-2', activatesAt: NOW, retiresAt: null, revokedAt: null },
        { kid: 'key-1', revokedAt: NOW, retiresAt: NOW, removedAt: NOW, sealed: '' },
      ]);
      expect(await traces()).toEqual({ revocations: ['key:key-1'], outbox: [uuidOf(1)] });
    });

    it('changes nothing when a rotation took the generation of the new key', async () => {
      await pending();
      const before = await keys.list('ticket');
      const late = { kind: 'made', key: signingKey({ kid: 'key-x', generation: 2 }) } as const;
      expect(await revoke('key-1', late)).toBe(false);
      expect(await keys.list('ticket')).toEqual(before);
      expect(await traces()).toEqual({ revocations: [], outbox: [] });
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

    it('writes the event of a rotation that went through, and none of one that lost', async () => {
      const second = signingKey({ kid: 'key-2', generation: 2 });
      for (const [name, key] of [second, { ...second, kid: 'late' }].entries())
        await control.change({
          ...keys.rotate(key, NEXT_END),
          event: auditEvent({ eventId: uuidOf(name) }),
          dueAt: NOW,
        });
      expect((await traces()).outbox).toEqual([uuidOf(0)]);
    });

    it('forgets keys out of use, and never the newest', async () => {
      await revoke('key-1', next);
      await revoke('key-2', { kind: 'same' }, 2);
      expect(await keys.purge('ticket', NOW)).toEqual([]);
      expect(await keys.purge('ticket', NOW + 1)).toEqual(['key-1']);
      expect((await keys.list('ticket')).map(({ kid }) => kid)).toEqual(['key-2']);
    });

    it('replaces sealed text once, and only the text that it read', async () => {
      const sealedAfter = async (from: string, to: string) => {
        const event = auditEvent({ eventId: crypto.randomUUID() });
        await control.change({ before: [keys.reseal('key-1', from, to)], event, dueAt: NOW });
        return (await keys.list('ticket'))[0]?.sealed;
      };
      expect(await sealedAfter('other', 'new')).toBe('sealed');
      expect(await sealedAfter('sealed', 'new')).toBe('new');
      expect(await sealedAfter('sealed', 'newer')).toBe('new');
    });
  });
}
