import { beforeEach, describe, expect, it } from 'vitest';
import { auditSeal } from '../../control/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { auditEvent, NOW } from './rows.ts';

const seal = (n: number, hash = `hash-${n}`) => ({ n, through: 10 * n, hash });

export function describeAuditSeal(open: OpenDatabases): void {
  describe('the noted seal', () => {
    let databases: Databases;
    beforeEach(async () => {
      databases = await open();
    });
    const read = () => databases.control.auditSeal.read();

    it('is the newest one, in whatever order and however often checkpoints are noted', async () => {
      expect(await read()).toBeUndefined();
      await Promise.all([3, 1, 4, 2].map((n) => databases.control.auditSeal.note(seal(n))));
      expect(await read()).toEqual(seal(4));
      await databases.control.auditSeal.note(seal(4, 'other'));
      expect(await read()).toEqual(seal(4));
      expect(await databases.controlDb.$count(auditSeal)).toBe(1);
    });

    it('is replaced by an earlier one only where it is the very one that was named', async () => {
      const { control } = databases;
      await control.auditSeal.note(seal(4));
      const replace = (noted: ReturnType<typeof seal>) =>
        control.change({
          event: auditEvent(),
          statement: control.auditSeal.replace(noted, seal(2)),
          dueAt: NOW,
        });
      expect(await replace(seal(3))).toBeUndefined();
      // A quiet minute leaves the hash as it was.
      expect(await replace(seal(3, 'hash-4'))).toBeUndefined();
      expect(await replace(seal(4, 'other'))).toBeUndefined();
      expect(await read()).toEqual(seal(4));
      expect(await replace(seal(4))).toBeDefined();
      expect(await read()).toEqual(seal(2));
    });
  });
}
