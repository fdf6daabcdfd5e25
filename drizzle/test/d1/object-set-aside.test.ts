import { beforeEach, describe, expect, it } from 'vitest';
import { backlogStore } from '../../object/backlog.ts';
import { drain, type SetAside } from '../../object/drain.ts';
import type { Databases } from '../suite/databases.ts';
import { auditEvent, uuidOf } from '../suite/rows.ts';
import { add, arrivedIn, LOST, PASS, portsOf, upTo, watched } from './facts.ts';
import { recordWith } from './faulty-record.ts';
import { inObject } from './object.ts';
import { openD1 } from './open.ts';

let record: Databases['record'];
let recordDb: Databases['recordDb'];
beforeEach(async () => {
  ({ record, recordDb } = await openD1());
});

const without = (member: string): string =>
  JSON.stringify({ event: { ...auditEvent({ eventId: uuidOf(99) }), [member]: null } });

/** Drains a backlog in which one fact is between others. */
const around = (bad: string, work: (sql: SqlStorage, aside: readonly SetAside[]) => void) =>
  inObject(async (sql) => {
    const backlog = backlogStore(sql);
    const aside: SetAside[] = [];
    add(backlog, ...upTo(3));
    backlog.add(bad);
    add(backlog, 3, 4);
    await drain(portsOf(backlog, record, (fact) => aside.push(fact)));
    expect(backlog.count()).toBe(0);
    work(sql, aside);
  });

describe('a fact that can never be delivered', () => {
  it.each([
    ['that is cut off', '{"event":{"typ', 'not_json'],
    ['that is no JSON at all', '', 'not_json'],
    ['that is null', 'null', 'not_a_fact'],
    ['that is a text', '"event"', 'not_a_fact'],
    ['of no kind', '{}', 'not_a_fact'],
    ['whose event is a text', '{"event":"ticket.used"}', 'not_a_fact'],
    ['whose event has no type', without('type'), 'refused'],
    ['whose event has no id', without('eventId'), 'refused'],
    ['whose event has no time', without('at'), 'refused'],
    ['whose call has no session', '{"invocation":{"id":"a","method":"m"}}', 'refused'],
  ])('(%s) is set aside, kept and reported, and those around it arrive in order', async (_what, bad, why) => {
    await around(bad, (sql, aside) => {
      expect(aside).toEqual([{ id: 1, why, count: 1 }]);
      expect(sql.exec('SELECT fact FROM ticket_set_aside').toArray()).toEqual([{ fact: bad }]);
    });
    expect(await arrivedIn(recordDb)).toEqual(upTo(5));
  });

  it('is reported by id and reason and nothing of its contents', () =>
    around('{"event":"secret words"}', (_sql, aside) => {
      expect(JSON.stringify(aside)).not.toContain('secret');
    }));

  it('loses no other one, also when the ids of the backlog begin anew', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      const { start, works, aside } = watched(backlog, PASS);
      for (const text of ['one', 'two', 'three']) {
        backlog.add(text);
        start();
        await works.at(-1);
      }
      expect(aside.map(({ count }) => count)).toEqual([1, 2, 3]);
      expect(sql.exec('SELECT fact FROM ticket_set_aside ORDER BY id').toArray()).toEqual(
        ['one', 'two', 'three'].map((fact) => ({ fact })),
      );
    }));

  it('is nothing that more than a batch of it would stop', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      for (const name of upTo(120)) backlog.add(`broken ${name}`);
      add(backlog, 0);
      const { start, works, aside } = watched(backlog, PASS);
      start();
      await Promise.all(works);
      expect([aside.length, backlog.count()]).toEqual([120, 0]);
      expect(await arrivedIn(recordDb)).toEqual([0]);
    }));
});

describe('a record database that cannot serve now', () => {
  it.each([LOST, new Error('D1_ERROR: no such table: audit_events: SQLITE_ERROR'), new Error('who knows')])(
    '(%s) has nothing set aside: facts wait',
    (error) =>
      inObject(async (sql) => {
        const backlog = backlogStore(sql);
        add(backlog, ...upTo(3));
        const faulty = recordWith(() => Promise.reject(error));
        await expect(drain(portsOf(backlog, faulty.record))).rejects.toThrow();
        expect(backlog.count()).toBe(3);
      }),
  );
});
