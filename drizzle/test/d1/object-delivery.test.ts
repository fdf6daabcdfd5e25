import { asc } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { backlogQueries } from '../../object/backlog.ts';
import { createDelivery, type DeliveryPorts } from '../../object/delivery.ts';
import { type DrainPorts, drain, enqueue } from '../../object/drain.ts';
import type { RecordDatabase } from '../../record/database.ts';
import { recordLockQueries } from '../../record/locks.ts';
import { auditEvents } from '../../record/schema.ts';
import { auditEvent, NOW, sessionFact, uuidOf } from '../suite/rows.ts';
import { door, type OnBatch, recordWith } from './faulty-record.ts';
import { inObject } from './object.ts';
import { openD1 } from './open.ts';

const LOST = new Error('D1_ERROR: Network connection lost.');
const PASS: OnBatch = (call) => call();

let record: RecordDatabase;
beforeEach(async () => {
  ({ record } = await openD1());
});

/** How much of what was enqueued arrived: names in the order of arrival, which must have no hole and no repeat. */
async function arrived(): Promise<number[]> {
  const rows = await record.select().from(auditEvents).orderBy(asc(auditEvents.seq));
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1));
  return rows.map(({ eventId }) => Number.parseInt(eventId.slice(-12), 16));
}
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

type Backlog = ReturnType<typeof backlogQueries>;
const add = (backlog: Backlog, ...names: readonly number[]): void => {
  for (const name of names) enqueue(backlog, { event: auditEvent({ eventId: uuidOf(name) }) });
};

const portsOf = (backlog: Backlog, from: RecordDatabase, onLocked: DrainPorts['onLocked'] = () => {}) => ({
  backlog,
  record: from,
  clock: () => NOW,
  onLocked,
});

/** A delivery with everything that it did outside of itself. */
function watched(backlog: Backlog, onBatch: OnBatch, ports: Partial<DeliveryPorts> = {}) {
  const works: Promise<void>[] = [];
  const failures: unknown[] = [];
  const faulty = recordWith(onBatch);
  const delivery = createDelivery({
    backlog,
    openRecord: () => faulty.record,
    clock: () => NOW,
    keepAlive: (work) => works.push(work),
    onFailure: async (error) => {
      failures.push(error);
    },
    ...ports,
  });
  return { start: delivery.start, works, failures, batches: faulty.batches };
}

describe('a drain', () => {
  it('moves everything in order, fifty facts at a time', () =>
    inObject(async (sql) => {
      const backlog = backlogQueries(sql);
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
      await drain(portsOf(backlogQueries(sql), faulty.record));
      expect(faulty.batches()).toBe(0);
    }));

  it('keeps what was not acknowledged when the record database goes away midway', () =>
    inObject(async (sql) => {
      const backlog = backlogQueries(sql);
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
      const backlog = backlogQueries(sql);
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
      const backlog = backlogQueries(sql);
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

describe('sessions that a lock hits', () => {
  const open = (backlog: Backlog, ...names: readonly number[]): void => {
    for (const name of names)
      enqueue(backlog, {
        event: auditEvent({ eventId: uuidOf(name), type: 'session.opened' }),
        session: sessionFact({ id: uuidOf(name) }),
      });
  };
  const locked = (name: number) => recordLockQueries(record).put(`session:${uuidOf(name)}`, null);

  it('are named when they have been delivered, batch by batch', () =>
    inObject(async (sql) => {
      const backlog = backlogQueries(sql);
      await locked(3);
      await locked(70);
      open(backlog, ...upTo(80));
      const named: (readonly string[])[] = [];
      await drain(portsOf(backlog, record, (ids) => named.push(ids)));
      expect(named).toEqual([[uuidOf(3)], [uuidOf(70)]]);
    }));

  it('are named by the delivery that comes after a lost acknowledgement', () =>
    inObject(async (sql) => {
      const backlog = backlogQueries(sql);
      await locked(0);
      open(backlog, 0);
      const faulty = recordWith(async (call, nth) => {
        await call();
        if (nth === 1) throw LOST;
      });
      const named: string[] = [];
      const ports = portsOf(backlog, faulty.record, (ids) => named.push(...ids));
      await expect(drain(ports)).rejects.toThrow(LOST.message);
      expect(named).toEqual([]);
      await drain(ports);
      expect(named).toEqual([uuidOf(0)]);
    }));

  it('are named to the object that asked for it, by its own clock', () =>
    inObject(async (sql) => {
      const backlog = backlogQueries(sql);
      await recordLockQueries(record).put('agent:counter', NOW + 1);
      const named: string[] = [];
      let now = NOW;
      const { start, works } = watched(backlog, PASS, {
        clock: () => now,
        onLocked: (ids) => named.push(...ids),
      });
      open(backlog, 0);
      start();
      await works[0];
      now = NOW + 1;
      open(backlog, 1);
      start();
      await works[1];
      expect(named).toEqual([uuidOf(0)]);
    }));

  it('can name sessions to an object that listens and adds facts of their end, which are delivered too', () =>
    inObject(async (sql) => {
      const backlog = backlogQueries(sql);
      await locked(0);
      open(backlog, 0);
      const { start, works } = watched(backlog, PASS, { onLocked: () => add(backlog, 1) });
      start();
      await Promise.all(works);
      expect(await arrived()).toEqual([0, 1]);
    }));
});

describe('the delivery of an object', () => {
  it('delivers beside the request that started it, and keeps the object awake meanwhile', () =>
    inObject(async (sql) => {
      const backlog = backlogQueries(sql);
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
      const backlog = backlogQueries(sql);
      let running = 0;
      let most = 0;
      const gate = door();
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
      const backlog = backlogQueries(sql);
      const reached = door();
      const gate = door();
      add(backlog, 0);
      const { start, works } = watched(backlog, async (call, nth) => {
        if (nth === 1) reached.open();
        await gate.opened;
        await call();
      });
      start();
      await reached.opened;
      add(backlog, 1);
      start();
      gate.open();
      await Promise.all(works);
      expect(await arrived()).toEqual([0, 1]);
      expect(works).toHaveLength(1);
    }));

  it('delivers again after it was done', () =>
    inObject(async (sql) => {
      const backlog = backlogQueries(sql);
      const { start, works } = watched(backlog, PASS);
      for (const name of upTo(3)) {
        add(backlog, name);
        start();
        await works.at(-1);
      }
      expect(works).toHaveLength(3);
      expect(await arrived()).toEqual(upTo(3));
    }));

  it('tells of a failure once, keeps the facts, and delivers them at the next start', () =>
    inObject(async (sql) => {
      const backlog = backlogQueries(sql);
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
      const backlog = backlogQueries(sql);
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
      const backlog = backlogQueries(sql);
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

  it('can be started again when even the care for a failure fails', () =>
    inObject(async (sql) => {
      const backlog = backlogQueries(sql);
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
