import { describe, expect, it } from 'vitest';
import { objectRateStore } from '../../object/rates.ts';
import { MINUTE, NOW } from '../suite/rows.ts';
import { inObject, inSameObject, newObject } from './object.ts';

type Rates = ReturnType<typeof objectRateStore>;
const inRates = (work: (rates: Rates) => void): Promise<void> =>
  inObject((sql) => work(objectRateStore(sql)));

describe('rate windows of an object', () => {
  it('starts a window with the first event', () =>
    inRates((rates) => {
      expect(rates.count('alice', NOW, MINUTE)).toEqual({ startedAt: NOW, count: 1 });
    }));

  it('counts every event of a window up to its last millisecond', () =>
    inRates((rates) => {
      rates.count('alice', NOW, MINUTE);
      expect(rates.count('alice', NOW, MINUTE)).toEqual({ startedAt: NOW, count: 2 });
      expect(rates.count('alice', NOW + MINUTE - 1, MINUTE)).toEqual({ startedAt: NOW, count: 3 });
    }));

  it('counts an event by its units, the first of a window too', () =>
    inRates((rates) => {
      const countOf = (now: number, cost?: number) => rates.count('alice', now, MINUTE, cost).count;
      expect([countOf(NOW, 4), countOf(NOW), countOf(NOW, 15)]).toEqual([4, 5, 20]);
      expect(countOf(NOW + MINUTE, 4)).toBe(4);
    }));

  it('starts the next window at the millisecond in which the last one ends', () =>
    inRates((rates) => {
      rates.count('alice', NOW, MINUTE);
      rates.count('alice', NOW + MINUTE - 1, MINUTE);
      expect(rates.count('alice', NOW + MINUTE, MINUTE)).toEqual({ startedAt: NOW + MINUTE, count: 1 });
      expect(rates.count('alice', NOW + 2 * MINUTE - 1, MINUTE)).toEqual({
        startedAt: NOW + MINUTE,
        count: 2,
      });
    }));

  it('starts a window with the first event after a pause, not on a grid', () =>
    inRates((rates) => {
      rates.count('alice', NOW, MINUTE);
      const late = NOW + 7 * MINUTE + 123;
      expect(rates.count('alice', late, MINUTE)).toEqual({ startedAt: late, count: 1 });
    }));

  it('counts on by a clock that is slow, and begins a window anew once the clock was put back', () =>
    inRates((rates) => {
      rates.count('alice', NOW, MINUTE);
      expect(rates.count('alice', NOW - 5_000, MINUTE)).toEqual({ startedAt: NOW, count: 2 });
      for (const back of [5_001, 60 * MINUTE])
        expect(rates.count('alice', NOW - back, MINUTE)).toEqual({ startedAt: NOW - back, count: 1 });
    }));

  it('counts each key by itself', () =>
    inRates((rates) => {
      for (const key of ['alice', 'bob', 'alice', 'ALICE']) rates.count(key, NOW, MINUTE);
      expect(['alice', 'bob', 'ALICE', ''].map((key) => rates.count(key, NOW, MINUTE).count)).toEqual([
        3, 2, 2, 1,
      ]);
    }));

  it('counts exactly when a thousand events come at once', async () => {
    const object = newObject();
    const counts = await Promise.all(
      Array.from({ length: 10 }, () =>
        inSameObject(object, (sql) => {
          const rates = objectRateStore(sql);
          return Array.from({ length: 100 }, () => rates.count('alice', NOW, MINUTE).count);
        }),
      ),
    );
    expect(counts.flat().sort((a, b) => a - b)).toEqual(
      Array.from({ length: 1000 }, (_, index) => index + 1),
    );
  });

  it('forgets windows that started before a moment, and keeps the one that started at it', () =>
    inRates((rates) => {
      rates.count('before', NOW - 1, MINUTE);
      rates.count('at', NOW, MINUTE);
      rates.purge(NOW, NOW);
      expect(rates.count('before', NOW, MINUTE).count).toBe(1);
      expect(rates.count('at', NOW, MINUTE).count).toBe(2);
    }));

  it('keeps what was counted when its table is made again', () =>
    inObject((sql) => {
      objectRateStore(sql).count('alice', NOW, MINUTE);
      expect(objectRateStore(sql).count('alice', NOW, MINUTE).count).toBe(2);
    }));
});
