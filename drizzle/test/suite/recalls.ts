import { beforeEach, describe, expect, it } from 'vitest';
import type { RecordDatabase } from '../../record/database.ts';
import { recordLockQueries } from '../../record/locks.ts';
import { recallQueries, selectRecalls } from '../../record/recalls.ts';
import { whyStopped } from '../../record/stops.ts';
import type { OpenDatabases } from './databases.ts';
import { ALICE, MINUTE, NOW } from './rows.ts';

const TARGET = 'agent:counter';
const BOB = 'auth0:people.test:bob';
/** The longest that a session goes on by one ticket, and what clocks may differ by. */
const KEPT = 60 * MINUTE + 10_000;

export function describeRecalls(open: OpenDatabases): void {
  describe('recalls of tickets', () => {
    let record: RecordDatabase;
    let queries: ReturnType<typeof recallQueries>;
    beforeEach(async () => {
      ({ record } = await open());
      queries = recallQueries(record);
    });
    const isRecalled = async (issuedAt: number, principal: string = ALICE) =>
      (await selectRecalls(record, { targets: ['everything:', TARGET], principal, issuedAt })).length > 0;

    it.each([
      ['then the later', NOW, NOW + 5],
      ['then the earlier', NOW + 5, NOW],
    ])('of one target hold the furthest: %s', async (_what, first, second) => {
      await queries.set({ target: TARGET, issuedBy: first });
      await queries.set({ target: TARGET, issuedBy: second });
      expect([await isRecalled(NOW + 5), await isRecalled(NOW + 6)]).toEqual([true, false]);
      await queries.purge(NOW + KEPT);
      expect(await isRecalled(NOW)).toBe(true);
    });

    it('of one principal and of everybody stand side by side', async () => {
      await queries.set({ target: TARGET, issuedBy: NOW });
      await queries.set({ target: TARGET, principal: ALICE, issuedBy: NOW + 5 });
      expect([await isRecalled(NOW + 5), await isRecalled(NOW + 5, BOB)]).toEqual([true, false]);
      expect([await isRecalled(NOW), await isRecalled(NOW, BOB)]).toEqual([true, true]);
    });

    it('are found beside locks for a ticket that opens no session, and a lock says more', async () => {
      const hit = { principal: ALICE, agent: 'counter', instance: 'main', issuedAt: NOW };
      expect(await whyStopped(record, hit, NOW)).toBeUndefined();
      await queries.set({ target: TARGET, issuedBy: NOW });
      expect(await whyStopped(record, hit, NOW)).toBe('rights_changed');
      expect(await whyStopped(record, { ...hit, issuedAt: NOW + 1 }, NOW)).toBeUndefined();
      await recordLockQueries(record).set(`principal:${BOB}`, NOW + 1);
      expect(await whyStopped(record, { ...hit, actors: [BOB] }, NOW)).toBe('locked');
      expect(await whyStopped(record, { ...hit, actors: [BOB] }, NOW + 1)).toBe('rights_changed');
    });

    it('are kept for as long as a session of such a ticket may last, and no longer', async () => {
      await queries.set({ target: TARGET, issuedBy: NOW });
      await queries.purge(NOW + KEPT - 1);
      expect(await isRecalled(NOW)).toBe(true);
      await queries.purge(NOW + KEPT);
      expect(await isRecalled(NOW)).toBe(false);
    });
  });
}
