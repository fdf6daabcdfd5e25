import { beforeEach, describe, expect, it } from 'vitest';
import { backlogStore } from '../../object/backlog.ts';
import type { Databases } from '../suite/databases.ts';
import { add, arrivedIn, LOST, PASS, upTo, watched } from './facts.ts';
import { barrier } from './faulty-record.ts';
import { inObject } from './object.ts';
import { openD1 } from './open.ts';

let record: Databases['record'];
let recordDb: Databases['recordDb'];
beforeEach(async () => {
  ({ record, recordDb } = await openD1());
});
const arrived = () => arrivedIn(recordDb);

describe('the delivery of an object', () => {
  it('delivers beside the request that started it, and keeps the object awake meanwhile', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      add(backlog, 0);
      const { start, works, failures } = watched(backlog, PASS);
      expect(start()).toBeUndefined();
      expect(works).toHaveLength(1);
      await Promise.all(works);
      expect(await arrived()).toEqual([0]);
      expect(failures).toEqual([]);
    }));

  it('never drains twice at once, however often it is started', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      let running = 0;
      let most = 0;
      const gate = barrier();
      const { start, works } = watched(backlog, async (call) => {
        running += 1;
        most = Math.max(most, running);
        await gate.opened;
        await call();
        running -= 1;
      });
      for (const name of upTo(10)) {
        add(backlog, name);
        start();
      }
      expect(works).toHaveLength(1);
      gate.open();
      await Promise.all(works);
      expect(most).toBe(1);
      expect(await arrived()).toEqual(upTo(10));
    }));

  it('delivers a fact that is added and started while it drains', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      const begun = barrier();
      const gate = barrier();
      add(backlog, 0);
      const { start, works } = watched(backlog, async (call, nth) => {
        if (nth === 1) begun.open();
        await gate.opened;
        await call();
      });
      start();
      await begun.opened;
      add(backlog, 1);
      start();
      gate.open();
      await Promise.all(works);
      expect(await arrived()).toEqual([0, 1]);
      expect(works).toHaveLength(1);
    }));

  it('looks once more when it is started just after it found nothing more', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      add(backlog, 0);
      let late = true;
      const { start, works } = watched(
        {
          ...backlog,
          oldest: (limit) => {
            const items = backlog.oldest(limit);
            if (items.length === 0 && late) {
              late = false;
              queueMicrotask(() => {
                add(backlog, 1);
                start();
              });
            }
            return items;
          },
        },
        PASS,
      );
      start();
      await Promise.all(works);
      expect(await arrived()).toEqual([0, 1]);
      expect(works).toHaveLength(1);
    }));

  it('delivers again after it was done', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      const { start, works } = watched(backlog, PASS);
      for (const name of upTo(3)) {
        add(backlog, name);
        start();
        await works.at(-1);
      }
      expect(works).toHaveLength(3);
      expect(await arrived()).toEqual(upTo(3));
    }));

  it('reports a failure once, keeps the facts, and delivers them at the next start', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      add(backlog, ...upTo(70));
      const { start, works, failures } = watched(backlog, (call, nth) =>
        nth === 2 ? Promise.reject(LOST) : call(),
      );
      start();
      await Promise.all(works);
      expect(failures).toEqual([LOST]);
      expect(backlog.count()).toBe(20);
      start();
      await Promise.all(works);
      expect(failures).toHaveLength(1);
      expect(await arrived()).toEqual(upTo(70));
    }));

  it('does not try again by itself when it was started while it failed, and keeps the new facts too', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      add(backlog, 0);
      const again = { start: (): void => undefined };
      const { start, works, batches } = watched(
        backlog,
        (call, nth) => (nth === 1 ? Promise.reject(LOST) : call()),
        {
          onFailure: async () => {
            add(backlog, 1);
            again.start();
          },
        },
      );
      again.start = start;
      start();
      await Promise.all(works);
      expect([works.length, batches(), backlog.count()]).toEqual([1, 1, 2]);
      start();
      await Promise.all(works);
      expect(await arrived()).toEqual([0, 1]);
    }));

  it('takes a record database that cannot even be opened for a failure', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      add(backlog, 0);
      const { start, works, failures } = watched(backlog, PASS, {
        openRecord: () => {
          throw LOST;
        },
      });
      start();
      await Promise.all(works);
      expect(failures).toEqual([LOST]);
      expect(backlog.count()).toBe(1);
    }));

  it('opens the record database once, and again only where that failed', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      let opened = 0;
      const { start, works } = watched(backlog, PASS, {
        openRecord: () => {
          opened += 1;
          if (opened === 1) throw LOST;
          return record;
        },
      });
      for (const name of upTo(4)) {
        add(backlog, name);
        start();
        await Promise.all(works);
      }
      expect(opened).toBe(2);
      expect(await arrived()).toEqual(upTo(4));
    }));

  it('can be started again when even the care for a failure fails', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      add(backlog, 0);
      const { start, works } = watched(backlog, (call, nth) => (nth === 1 ? Promise.reject(LOST) : call()), {
        onFailure: () => Promise.reject(new Error('no alarm')),
      });
      start();
      await expect(works[0]).rejects.toThrow('no alarm');
      start();
      await works[1];
      expect(await arrived()).toEqual([0]);
    }));
});
