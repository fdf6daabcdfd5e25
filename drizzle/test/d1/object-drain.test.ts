import { beforeEach, describe, expect, it } from 'vitest';
import { backlogStore } from '../../object/backlog.ts';
import { drain, enqueue, waitingSince } from '../../object/drain.ts';
import type { Databases } from '../suite/databases.ts';
import { auditEvent, NOW, uuidOf } from '../suite/rows.ts';
import { add, arrivedIn, LOST, PASS, portsOf, upTo } from './facts.ts';
import { recordWith } from './faulty-record.ts';
import { inObject } from './object.ts';
import { openD1 } from './open.ts';

let recordDb: Databases['recordDb'];
beforeEach(async () => {
  ({ recordDb } = await openD1());
});
const arrived = () => arrivedIn(recordDb);

describe('a drain', () => {
  it('moves everything in order, fifty facts at a time', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      const faulty = recordWith(PASS);
      add(backlog, ...upTo(120));
      await drain(portsOf(backlog, faulty.record));
      expect(await arrived()).toEqual(upTo(120));
      expect(backlog.count()).toBe(0);
      expect(faulty.batches()).toBe(3);
    }));

  it('asks nothing of the record database when nothing waits', () =>
    inObject(async (sql) => {
      const faulty = recordWith(PASS);
      await drain(portsOf(backlogStore(sql), faulty.record));
      expect(faulty.batches()).toBe(0);
    }));

  it('keeps what was not acknowledged when the record database goes away midway', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      add(backlog, ...upTo(120));
      const faulty = recordWith((call, nth) => (nth === 2 ? Promise.reject(LOST) : call()));
      await expect(drain(portsOf(backlog, faulty.record))).rejects.toThrow(LOST.message);
      expect(await arrived()).toEqual(upTo(50));
      expect(backlog.count()).toBe(70);
      await drain(portsOf(backlog, faulty.record));
      expect(await arrived()).toEqual(upTo(120));
      expect(backlog.count()).toBe(0);
    }));

  it('loses and doubles nothing when an acknowledgement is lost', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      add(backlog, ...upTo(70));
      const faulty = recordWith(async (call, nth) => {
        await call();
        if (nth === 1) throw LOST;
      });
      await expect(drain(portsOf(backlog, faulty.record))).rejects.toThrow(LOST.message);
      expect(backlog.count()).toBe(70);
      add(backlog, 70);
      await drain(portsOf(backlog, faulty.record));
      expect(await arrived()).toEqual(upTo(71));
    }));

  it('delivers a fact that is added while it drains', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      add(backlog, 0);
      const faulty = recordWith((call, nth) => {
        if (nth === 1) add(backlog, 1);
        return call();
      });
      await drain(portsOf(backlog, faulty.record));
      expect(await arrived()).toEqual([0, 1]);
      expect(backlog.count()).toBe(0);
    }));
});

describe('how long something waits', () => {
  it('follows from the oldest fact, an event or a call', () =>
    inObject((sql) => {
      const backlog = backlogStore(sql);
      expect(waitingSince(backlog)).toBeUndefined();
      const call = { id: uuidOf(1), sessionId: uuidOf(2), method: 'add', durationMs: 1, code: null } as const;
      enqueue(backlog, { invocation: { ...call, startedAt: NOW - 5, outcome: 'success' } });
      enqueue(backlog, { event: auditEvent({ at: NOW - 9 }) });
      expect(waitingSince(backlog)).toBe(NOW - 5);
      backlog.removeThrough(1);
      expect(waitingSince(backlog)).toBe(NOW - 9);
    }));

  it.each(['{', '7', '{"event": null, "invocation": {}}', '{"event": {"at": "noon"}}'])(
    'does not follow from text that is no fact (%s)',
    (text) =>
      inObject((sql) => {
        const backlog = backlogStore(sql);
        backlog.add(text);
        expect(waitingSince(backlog)).toBeUndefined();
      }),
  );
});
