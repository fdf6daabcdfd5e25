import { beforeEach, describe, expect, it } from 'vitest';
import type { RecordDatabase } from '../../record/database.ts';
import { recordLockQueries, selectLocks } from '../../record/locks.ts';
import { upsertSession } from '../../record/session-facts.ts';
import type { OpenDatabases } from './databases.ts';
import { NOW, sessionFact } from './rows.ts';

const TARGET = 'agent:counter';
/** Ends of a lock and of what takes its place. Null: for ever. */
const PAIRS: readonly [first: number | null, second: number | null][] = [
  [NOW + 1, NOW + 2],
  [NOW + 2, NOW + 1],
  [null, NOW + 1],
  [NOW + 1, null],
  [null, null],
];

export function describeRecordLocks(open: OpenDatabases): void {
  describe('locks that agent workers see', () => {
    let record: RecordDatabase;
    let queries: ReturnType<typeof recordLockQueries>;
    beforeEach(async () => {
      ({ record } = await open());
      queries = recordLockQueries(record);
    });

    it.each(PAIRS)('holds what was set last: %s, then %s', async (first, second) => {
      await queries.set(TARGET, first);
      await queries.set(TARGET, second);
      expect(await selectLocks(record, [TARGET], NOW)).toEqual([{ target: TARGET, until: second }]);
    });

    it('reads those that stand among the targets', async () => {
      await queries.set('everything:', null);
      await queries.set(TARGET, NOW + 1);
      await queries.set('agent:lobby', null);
      await queries.set('instance:counter/main', NOW);
      const targets = ['everything:', TARGET, 'instance:counter/main', 'session:none'];
      const read = await selectLocks(record, targets, NOW);
      expect(read.map(({ target }) => target).sort()).toEqual([TARGET, 'everything:']);
      expect(await selectLocks(record, [], NOW)).toEqual([]);
    });

    it('reads no lock that was removed, and removes no other', async () => {
      await queries.set('everything:', null);
      await queries.set(TARGET, null);
      await queries.remove(TARGET);
      await queries.remove('agent:unknown');
      const read = await selectLocks(record, ['everything:', TARGET], NOW);
      expect(read.map(({ target }) => target)).toEqual(['everything:']);
    });

    it('answers in the batch that writes a session', async () => {
      await queries.set(TARGET, null);
      const [, read] = await record.batch([
        upsertSession(record, sessionFact()),
        selectLocks(record, [TARGET], NOW),
      ]);
      expect(read).toEqual([{ target: TARGET, until: null }]);
    });
  });
}
