import { beforeEach, describe, expect, it } from 'vitest';
import { type LockPlace, lockQueries } from '../../control/locks.ts';
import { type NewCommand, outboxQueries } from '../../control/outbox.ts';
import type { LockRow } from '../../control/policy.ts';
import { locks, outbox } from '../../control/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { lock, NOW } from './rows.ts';

const newLock = (differs: Partial<LockRow> = {}): Omit<LockRow, 'liftedAt'> => {
  const { liftedAt: _lifted, ...rest } = lock(differs);
  return rest;
};
const command = (differs: Partial<NewCommand> = {}): NewCommand => ({
  id: 'command-1',
  command: '{"op":"close"}',
  before: NOW,
  dueAt: NOW,
  ...differs,
});

export function describeLocks(open: OpenDatabases): void {
  describe('locks', () => {
    let databases: Databases;
    let queries: ReturnType<typeof lockQueries>;
    beforeEach(async () => {
      databases = await open();
      queries = lockQueries(databases.control);
    });
    const rows = async () => ({
      locks: (await databases.control.select().from(locks)).map(({ id }) => id),
      commands: (await databases.control.select().from(outbox)).map(({ id }) => id),
    });
    const insert = (id: string, differs: Partial<LockRow> = {}) =>
      queries.insert(newLock({ id, ...differs }), command({ id: `close-${id}` }));

    it('writes a lock with the command that carries it', async () => {
      await queries.insert(newLock(), command());
      expect(await queries.find('lock-1')).toEqual(lock());
      expect(await databases.control.select().from(outbox)).toEqual([{ ...command(), attempts: 0 }]);
    });

    it('writes no command of a lock that is refused', async () => {
      await queries.insert(newLock(), command());
      await expect(queries.insert(newLock(), command({ id: 'command-2' }))).rejects.toThrow();
      expect(await rows()).toEqual({ locks: ['lock-1'], commands: ['command-1'] });
    });

    it('writes no lock whose command is refused', async () => {
      await queries.insert(newLock(), command());
      await expect(queries.insert(newLock({ id: 'lock-2' }), command())).rejects.toThrow();
      expect(await rows()).toEqual({ locks: ['lock-1'], commands: ['command-1'] });
    });

    it('lifts a lock once', async () => {
      await insert('a');
      const lifted = await Promise.all([queries.lift('a', NOW), queries.lift('a', NOW)]);
      expect(lifted.filter(Boolean)).toHaveLength(1);
      expect(await queries.find('a')).toBeUndefined();
      expect(await queries.lift('unknown', NOW)).toBe(false);
    });

    it('lists standing locks, newest first, on pages', async () => {
      for (const [id, createdAt] of [
        ['a', NOW],
        ['b', NOW],
        ['c', NOW - 1],
        ['d', NOW + 1],
      ] as const)
        await insert(id, { createdAt });
      await insert('ends-later', { createdAt: NOW - 2, expiresAt: NOW + 1 });
      await insert('ends-now', { expiresAt: NOW });
      await insert('lifted');
      await queries.lift('lifted', NOW);
      const pages: string[][] = [];
      let after: LockPlace | undefined;
      for (;;) {
        const page = await queries.list(NOW, after, 2);
        after = page.at(-1);
        if (after === undefined) break;
        pages.push(page.map(({ id }) => id));
      }
      expect(pages).toEqual([['d', 'b'], ['a', 'c'], ['ends-later']]);
    });

    it('names the locks that stand on one target', async () => {
      await insert('a');
      await insert('b', { expiresAt: NOW + 1 });
      await insert('ended', { expiresAt: NOW });
      await insert('other', { target: 'agent:lobby' });
      await insert('lifted');
      await queries.lift('lifted', NOW);
      expect(
        (await queries.onTargets(['agent:counter', 'agent:none'], NOW)).map(({ id }) => id).sort(),
      ).toEqual(['a', 'b']);
    });
  });

  describe('the outbox', () => {
    let queue: ReturnType<typeof outboxQueries>;
    beforeEach(async () => {
      queue = outboxQueries((await open()).control);
    });
    const due = async (now: number, limit = 50) => (await queue.due(now, limit)).map(({ id }) => id);

    it('gives commands whose time has come, oldest first and no more than asked for', async () => {
      for (const [id, after] of [
        ['a', 1],
        ['b', 0],
        ['c', 2],
      ] as const)
        await queue.insert(command({ id, dueAt: NOW + after }));
      expect(await due(NOW - 1)).toEqual([]);
      expect(await due(NOW + 1)).toEqual(['b', 'a']);
      expect(await due(NOW + 2, 2)).toEqual(['b', 'a']);
      expect(await queue.count()).toBe(3);
    });

    it('lets one of two workers take a command, and moves its next try', async () => {
      await queue.insert(command());
      const [row] = await queue.due(NOW, 1);
      const taken = await Promise.all(
        [NOW + 5, NOW + 5].map((dueAt) =>
          queue.take({ id: 'command-1', attempts: row?.attempts ?? -1 }, dueAt),
        ),
      );
      expect(taken.filter(Boolean)).toHaveLength(1);
      expect(await due(NOW + 4)).toEqual([]);
      expect(await queue.due(NOW + 5, 1)).toEqual([{ ...command(), attempts: 1, dueAt: NOW + 5 }]);
    });

    it('gives a command again and again until every object has answered', async () => {
      await queue.insert(command());
      expect(await queue.take({ id: 'command-1', attempts: 0 }, NOW + 1)).toBe(true);
      expect(await queue.take({ id: 'command-1', attempts: 0 }, NOW + 2)).toBe(false);
      expect(await queue.take({ id: 'command-1', attempts: 1 }, NOW + 2)).toBe(true);
      await queue.done('command-1');
      expect(await queue.count()).toBe(0);
      expect(await queue.take({ id: 'command-1', attempts: 2 }, NOW + 3)).toBe(false);
      await queue.done('command-1');
    });
  });
}
