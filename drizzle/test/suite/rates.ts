import { asc } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { auditEvents, rateWindows } from '../../record/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { auditEvent, MINUTE, NOW, uuidOf } from './rows.ts';

export function describeRates(open: OpenDatabases): void {
  describe('rate windows of the record database', () => {
    let record: Databases['recordDb'];
    let rates: Databases['record']['rates'];
    beforeEach(async () => {
      const databases = await open();
      record = databases.recordDb;
      rates = databases.record.rates;
    });
    const count = (key: string, now: number) => rates.count({ key, limit: 100 }, now, MINUTE);
    const types = async () => {
      const rows = await record.select().from(auditEvents).orderBy(asc(auditEvents.seq));
      return rows.map(({ type }) => type);
    };
    /** One try of somebody with a limit of two. */
    const tryOf = (name: number, now = NOW) =>
      rates.count(
        {
          key: 'alice',
          limit: 2,
          event: auditEvent({ eventId: uuidOf(name) }),
          overLimit: auditEvent({ eventId: uuidOf(name), type: 'rate.limited', outcome: 'denied' }),
        },
        now,
        MINUTE,
      );

    it('start with the first event and last a minute to the millisecond', async () => {
      expect(await count('alice', NOW)).toEqual({ startedAt: NOW, count: 1 });
      expect(await count('alice', NOW + MINUTE - 1)).toEqual({ startedAt: NOW, count: 2 });
      expect(await count('alice', NOW + MINUTE)).toEqual({ startedAt: NOW + MINUTE, count: 1 });
    });

    it('count an event by its units, the first of a window too', async () => {
      const countOf = async (now: number, cost?: number) =>
        (await rates.count({ key: 'alice', limit: 100, cost }, now, MINUTE)).count;
      expect([await countOf(NOW, 4), await countOf(NOW), await countOf(NOW, 15)]).toEqual([4, 5, 20]);
      expect(await countOf(NOW + MINUTE, 4)).toBe(4);
    });

    it('start after a pause with the event that ends it, not on a grid', async () => {
      await count('alice', NOW);
      const late = NOW + 7 * MINUTE + 123;
      expect(await count('alice', late)).toEqual({ startedAt: late, count: 1 });
    });

    it('count on by a clock that is slow, and begin anew once the clock was put back', async () => {
      await count('alice', NOW);
      expect(await count('alice', NOW - 5_000)).toEqual({ startedAt: NOW, count: 2 });
      for (const back of [5_001, 60 * MINUTE])
        expect(await count('alice', NOW - back)).toEqual({ startedAt: NOW - back, count: 1 });
    });

    it('count each key by itself', async () => {
      const counts = [];
      for (const key of ['alice', 'bob', 'alice', 'ALICE', '']) counts.push((await count(key, NOW)).count);
      expect(counts).toEqual([1, 1, 2, 1, 1]);
    });

    it('count exactly when 200 events come at once', async () => {
      const windows = await Promise.all(Array.from({ length: 200 }, () => count('alice', NOW)));
      expect(windows.map((window) => window.count).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 200 }, (_, index) => index + 1),
      );
    });

    it('let as many events into the log as the limit says, then one about the flood', async () => {
      for (let name = 1; name <= 9; name += 1) await tryOf(name);
      expect(await types()).toEqual(['ticket.issued', 'ticket.issued', 'rate.limited']);
      await tryOf(10, NOW + MINUTE);
      expect(await types()).toEqual(['ticket.issued', 'ticket.issued', 'rate.limited', 'ticket.issued']);
    });

    it('write an event with every member, as one that is written alone', async () => {
      const event = auditEvent({
        details: { text: 'a "b" ü', tries: 2, clean: false },
        principal: undefined,
      });
      await rates.write(event);
      const [alone] = await record.select().from(auditEvents);
      await record.delete(auditEvents);
      await rates.count({ key: 'alice', limit: 1, event }, NOW, MINUTE);
      expect(await record.select().from(auditEvents)).toEqual([alone]);
    });

    it('count nothing when the event cannot be written, and write none that cannot be counted', async () => {
      const broken = auditEvent({ at: Number.NaN });
      await expect(rates.count({ key: 'alice', limit: 1, event: broken }, NOW, MINUTE)).rejects.toThrow();
      await expect(
        rates.count({ key: 'alice', limit: 1, event: auditEvent() }, Number.NaN, MINUTE),
      ).rejects.toThrow();
      expect(await record.select().from(rateWindows)).toEqual([]);
      expect(await types()).toEqual([]);
    });

    it('are not touched by a caller without a limit', async () => {
      await rates.write(auditEvent());
      expect(await record.select().from(rateWindows)).toEqual([]);
      expect(await types()).toEqual(['ticket.issued']);
    });

    it('are forgotten when they started before a moment, and kept when they started at it', async () => {
      await count('before', NOW - 1);
      await count('at', NOW);
      await rates.purge(NOW, NOW);
      expect((await record.select().from(rateWindows)).map(({ key }) => key)).toEqual(['at']);
    });
  });
}
