import { beforeEach, describe, expect, it } from 'vitest';
import type { Change } from '../../control/change.ts';
import type { NewSigningKey } from '../../control/signing-keys.ts';
import { type Databases, type OpenDatabases, whileRefusing } from './databases.ts';
import { auditEvent, MINUTE, NOW, signingKey, uuidOf } from './rows.ts';

const END = { retiresAt: NOW + MINUTE, removedAt: NOW + 2 * MINUTE };

export function describeSigningKeys(open: OpenDatabases): void {
  describe('signing keys', () => {
    let databases: Databases;
    let keys: Databases['control']['keys'];
    beforeEach(async () => {
      databases = await open();
      keys = databases.control.keys;
    });
    let changes = 0;
    /** Whether a change applied. */
    const change = async (statements: Pick<Change, 'before' | 'statement' | 'after'>) => {
      changes += 1;
      const event = auditEvent({ eventId: uuidOf(changes), type: 'key.rotated' });
      return (await databases.control.change({ ...statements, event, dueAt: NOW })) !== undefined;
    };
    const makeFirst = (key: NewSigningKey) => change(keys.makeFirst(key));
    const rotate = (key: NewSigningKey, end: typeof END) => change(keys.rotate(key, end));
    const generations = async () => (await keys.list('ticket')).map((key) => key.generation);
    const retirements = async () => (await keys.list('ticket')).map((key) => [key.kid, key.retiresAt]);

    it('gives back the first key as it was made, without an end', async () => {
      expect(await makeFirst(signingKey())).toBe(true);
      expect(await keys.list('ticket')).toEqual([
        { ...signingKey(), retiresAt: null, removedAt: null, revokedAt: null },
      ]);
    });

    it('makes one first key when twenty instances start together', async () => {
      const made = await Promise.all(
        Array.from({ length: 20 }, (_, index) => makeFirst(signingKey({ kid: `key-${index}` }))),
      );
      expect(made.filter(Boolean)).toHaveLength(1);
      expect((await keys.list('ticket')).map((key) => key.kid)).toEqual([`key-${made.indexOf(true)}`]);
    });

    it('makes a first key of the first generation, whatever the caller counted', async () => {
      await makeFirst(signingKey({ generation: 7 }));
      expect(await generations()).toEqual([1]);
    });

    it('makes no first key once there is one, not even after it retired', async () => {
      await makeFirst(signingKey());
      await rotate(signingKey({ kid: 'key-2', generation: 2 }), END);
      expect(await makeFirst(signingKey({ kid: 'key-3' }))).toBe(false);
      expect(await generations()).toEqual([2, 1]);
    });

    it('keeps the purposes apart: each has its own first key, list and rotation', async () => {
      expect(await makeFirst(signingKey())).toBe(true);
      expect(await makeFirst(signingKey({ kid: 'audit-1', purpose: 'audit' }))).toBe(true);
      await rotate(signingKey({ kid: 'key-2', generation: 2 }), END);
      expect((await keys.list('audit')).map((key) => [key.kid, key.retiresAt])).toEqual([['audit-1', null]]);
      expect((await keys.list('ticket')).map((key) => key.kid)).toEqual(['key-2', 'key-1']);
    });

    it('lists the newest generation first', async () => {
      await makeFirst(signingKey({ kid: 'z' }));
      await rotate(signingKey({ kid: 'a', generation: 2 }), END);
      await rotate(signingKey({ kid: 'm', generation: 3 }), END);
      expect((await keys.list('ticket')).map((key) => key.kid)).toEqual(['m', 'a', 'z']);
    });

    it('gives the predecessor its end together with the successor', async () => {
      await makeFirst(signingKey());
      expect(await rotate(signingKey({ kid: 'key-2', generation: 2 }), END)).toBe(true);
      const [successor, predecessor] = await keys.list('ticket');
      expect(successor).toMatchObject({ kid: 'key-2', retiresAt: null, removedAt: null });
      expect(predecessor).toMatchObject({ kid: 'key-1', ...END });
    });

    it('leaves the ends of older keys as they were', async () => {
      const later = { retiresAt: NOW + 8 * MINUTE, removedAt: NOW + 9 * MINUTE };
      await makeFirst(signingKey());
      await rotate(signingKey({ kid: 'key-2', generation: 2 }), END);
      await rotate(signingKey({ kid: 'key-3', generation: 3 }), later);
      expect(await retirements()).toEqual([
        ['key-3', null],
        ['key-2', later.retiresAt],
        ['key-1', END.retiresAt],
      ]);
    });

    it('lets one of two rotations at once through, with its own end for the predecessor', async () => {
      await makeFirst(signingKey());
      const ends = [END, { retiresAt: NOW + 8 * MINUTE, removedAt: NOW + 9 * MINUTE }];
      const won = await Promise.all(
        ends.map((end, index) => rotate(signingKey({ kid: `next-${index}`, generation: 2 }), end)),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      const winner = won.indexOf(true);
      expect(await retirements()).toEqual([
        [`next-${winner}`, null],
        ['key-1', ends[winner]?.retiresAt],
      ]);
    });

    it('changes nothing for a rotation that counted from an older key', async () => {
      await makeFirst(signingKey());
      await rotate(signingKey({ kid: 'key-2', generation: 2 }), END);
      const before = await keys.list('ticket');
      const late = { retiresAt: NOW + 8 * MINUTE, removedAt: NOW + 9 * MINUTE };
      expect(await rotate(signingKey({ kid: 'late', generation: 2 }), late)).toBe(false);
      expect(await keys.list('ticket')).toEqual(before);
    });

    it('changes nothing when a rotation that went through is repeated', async () => {
      await makeFirst(signingKey());
      const second = signingKey({ kid: 'key-2', generation: 2 });
      await rotate(second, END);
      const before = await keys.list('ticket');
      expect(await rotate(second, { retiresAt: NOW, removedAt: NOW })).toBe(false);
      expect(await keys.list('ticket')).toEqual(before);
    });

    it('changes nothing when a rotation is repeated after the next one went through', async () => {
      await makeFirst(signingKey());
      const second = signingKey({ kid: 'key-2', generation: 2 });
      await rotate(second, END);
      await rotate(signingKey({ kid: 'key-3', generation: 3 }), END);
      const before = await keys.list('ticket');
      expect(await rotate(second, { retiresAt: NOW, removedAt: NOW })).toBe(false);
      expect(await keys.list('ticket')).toEqual(before);
    });

    it('changes nothing for a key that is there already under another generation', async () => {
      await makeFirst(signingKey());
      const before = await keys.list('ticket');
      expect(await rotate(signingKey({ generation: 2 }), END)).toBe(false);
      expect(await keys.list('ticket')).toEqual(before);
    });

    it('makes no successor when the end of the predecessor cannot be written', async () => {
      await makeFirst(signingKey());
      const before = await keys.list('ticket');
      const rotation = whileRefusing(databases, 'UPDATE', 'signing_keys', () =>
        rotate(signingKey({ kid: 'key-2', generation: 2 }), END),
      );
      await expect(rotation).rejects.toThrow();
      expect(await keys.list('ticket')).toEqual(before);
    });

    it('writes no end when the successor cannot be written', async () => {
      await makeFirst(signingKey());
      const before = await keys.list('ticket');
      const rotation = whileRefusing(databases, 'INSERT', 'signing_keys', () =>
        rotate(signingKey({ kid: 'key-2', generation: 2 }), END),
      );
      await expect(rotation).rejects.toThrow();
      expect(await keys.list('ticket')).toEqual(before);
    });
  });
}
