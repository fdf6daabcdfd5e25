import { beforeEach, describe, expect, it } from 'vitest';
import { backlogStore } from '../../object/backlog.ts';
import type { Databases } from '../suite/databases.ts';
import { keepCopy, revocation, uuidOf } from '../suite/rows.ts';
import { add, addOpened, arrivedIn, LOST, PASS, watched } from './facts.ts';
import { barrier } from './faulty-record.ts';
import { inObject } from './object.ts';
import { openD1 } from './open.ts';

/** Only a broken test waits so long. */
const LONG_MS = 60_000;

let recordDb: Databases['recordDb'];
beforeEach(async () => {
  ({ recordDb } = await openD1());
});
const arrived = () => arrivedIn(recordDb);

describe('a call that waits for a delivery', () => {
  it('goes on when what was there is in the record database, and the object knows which revocations hit', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      await keepCopy(recordDb, revocation({ kind: 'before', rev: 8, code: 'rights_changed' }));
      const revoked: unknown[] = [];
      const { start, caughtUp } = watched(backlog, PASS, {
        onRevoked: (sessions) => revoked.push(...sessions),
      });
      addOpened(backlog, 0);
      start();
      await caughtUp(LONG_MS);
      expect(await arrived()).toEqual([0]);
      expect(revoked).toEqual([{ id: uuidOf(0), why: 'rights_changed' }]);
    }));

  it('does not wait when nothing is on its way', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      const { start, caughtUp, works } = watched(backlog, PASS);
      await caughtUp(LONG_MS);
      add(backlog, 0);
      await caughtUp(LONG_MS);
      expect(works).toEqual([]);
      start();
      await Promise.all(works);
      await caughtUp(LONG_MS);
      expect(await arrived()).toEqual([0]);
    }));

  it('does not wait for what comes to be meanwhile', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      const gate = barrier();
      const { start, caughtUp, works } = watched(backlog, async (call, nth) => {
        if (nth > 1) await gate.opened;
        await call();
        if (nth > 1) return;
        add(backlog, 1);
        start();
      });
      add(backlog, 0);
      start();
      await caughtUp(LONG_MS);
      expect(await arrived()).toEqual([0]);
      gate.open();
      await Promise.all(works);
      expect(await arrived()).toEqual([0, 1]);
    }));

  it('waits for a fact that came while an earlier one was on its way', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      const gate = barrier();
      const { start, caughtUp } = watched(backlog, async (call) => {
        await gate.opened;
        await call();
      });
      add(backlog, 0);
      start();
      add(backlog, 1);
      start();
      const done = caughtUp(LONG_MS);
      gate.open();
      await done;
      expect(await arrived()).toEqual([0, 1]);
    }));

  it('goes on when the record database refuses, and when the fact is one that it never takes', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      const { start, caughtUp, failures, works } = watched(backlog, (call, nth) =>
        nth === 1 ? Promise.reject(LOST) : call(),
      );
      add(backlog, 0);
      start();
      await caughtUp(LONG_MS);
      expect(failures).toEqual([LOST]);
      await Promise.all(works);
      backlog.add('no fact');
      start();
      await caughtUp(LONG_MS);
      expect(await arrived()).toEqual([0]);
    }));

  it('goes on after its time when the record database does not answer', () =>
    inObject(async (sql) => {
      const backlog = backlogStore(sql);
      const gate = barrier();
      const { start, caughtUp, works } = watched(backlog, async (call) => {
        await gate.opened;
        await call();
      });
      add(backlog, 0);
      start();
      await caughtUp(1);
      expect(backlog.count()).toBe(1);
      gate.open();
      await Promise.all(works);
      expect(await arrived()).toEqual([0]);
    }));
});
