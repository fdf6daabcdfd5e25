import { beforeEach, describe, expect, it } from 'vitest';
import { type NewRevocation, publicRevocation } from '../../control/change.ts';
import { revocations } from '../../control/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import {
  auditEvent,
  MINUTE,
  NOW,
  newRevocation,
  outboxRow,
  revocation,
  revocationRow,
  uuidOf,
} from './rows.ts';

export function describeRevocations(open: OpenDatabases): void {
  describe('revocations', () => {
    let databases: Databases;
    let control: Databases['control'];
    beforeEach(async () => {
      databases = await open();
      control = databases.control;
    });
    let changes = 0;
    const change = (
      rows: readonly NewRevocation[],
      statement?: Parameters<typeof control.change>[0]['statement'],
    ) => {
      changes += 1;
      const event = auditEvent({ eventId: uuidOf(5_000 + changes) });
      return control.change({ statement, event, revocations: rows, dueAt: NOW });
    };
    const lock = (id: string, differs: Partial<NewRevocation> = {}) =>
      change([newRevocation({ id, ...differs })]);
    const lift = async (id: string, now = NOW) =>
      (await change([], control.revocations.lift(id, now))) !== undefined;
    const revs = async () =>
      (await databases.controlDb.select().from(revocations)).map(({ rev }) => rev).sort((a, b) => a - b);

    it('are marked without effect: a mark has its latest time, one number, and hits and locks nothing', async () => {
      const [id, target] = ['rollout counter', 'grant:rollout:counter'];
      await lock('a');
      await control.revocations.mark(id, target, NOW);
      await control.revocations.mark(id, target, NOW + MINUTE);
      await lock('b');
      expect(await control.revocations.find(id)).toMatchObject({ rev: 2, createdAt: NOW + MINUTE });
      expect(await revs()).toEqual([1, 2, 3]);
      expect(await control.revocations.anyOn([target], NOW + MINUTE)).toEqual([]);
      const { rows } = await control.revocations.listLocks(NOW, undefined, 9);
      expect(rows.map((row) => row.id).toSorted()).toEqual(['a', 'b']);
      expect(await control.revocations.purge(NOW + MINUTE - 1, 9)).toBe(0);
      expect(await control.revocations.purge(NOW + MINUTE, 9)).toBe(1);
    });

    describe('get numbers', () => {
      it('that grow with each row of each change', async () => {
        expect(await control.revocations.newestRev()).toBe(0);
        await change([newRevocation({ id: 'a' }), newRevocation({ id: 'b' })]);
        await lock('c');
        for (const [index, id] of ['a', 'b', 'c'].entries())
          expect((await control.revocations.find(id))?.rev).toBe(index + 1);
        expect(await control.revocations.newestRev()).toBe(3);
      });

      it('that a newer version and a lift get too', async () => {
        await lock('a');
        await lock('b');
        await lock('a');
        expect((await control.revocations.find('a'))?.rev).toBe(3);
        expect(await lift('b')).toBe(true);
        expect((await control.revocations.find('b'))?.rev).toBe(4);
      });

      it('that are never given twice, also when many change at once', async () => {
        await Promise.all(Array.from({ length: 20 }, (_, name) => lock(`row-${name}`)));
        expect(await revs()).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
      });

      it('that are never given twice, also after all that can go was forgotten', async () => {
        for (const id of ['a', 'b', 'c']) await lock(id, { until: NOW });
        await control.revocations.purge(NOW, 9);
        expect(await revs()).toEqual([3]);
        await lock('d');
        expect(await revs()).toEqual([3, 4]);
      });

      it('greater than those of the copies after a restore', async () => {
        await lock('a');
        await control.revocations.jumpTo(70, NOW);
        expect(await control.revocations.newestRev()).toBeGreaterThan(70);
        await lock('b');
        expect((await control.revocations.find('b'))?.rev).toBeGreaterThan(70);
        await control.revocations.jumpTo(90, NOW);
        await lock('c');
        expect((await control.revocations.find('c'))?.rev).toBeGreaterThan(90);
      });

      it.each([0, 1, 2])('that no jump to %s, which is not ahead, changes', async (rev) => {
        for (const id of ['a', 'b']) await lock(id);
        await control.revocations.jumpTo(rev, NOW);
        expect(await revs()).toEqual([1, 2]);
      });

      it('that a jump from an empty table changes too, by a row that hits nothing', async () => {
        await control.revocations.jumpTo(5, NOW);
        expect(await control.revocations.newestRev()).toBe(6);
        const [row] = await databases.controlDb.select().from(revocations);
        expect(row?.until).toBe(NOW);
        expect((await control.revocations.listLocks(NOW - 1, undefined, 9)).rows).toEqual([]);
      });
    });

    it('are found as they were made', async () => {
      await lock('a');
      await lock('b');
      expect(await control.revocations.find('a')).toEqual(revocationRow({ id: 'a' }));
      expect(await control.revocations.find('c')).toBeUndefined();
      expect((await control.revocations.findAll(['b', 'a', 'c', 'a'])).map(({ id }) => id).sort()).toEqual([
        'a',
        'b',
      ]);
      expect(await control.revocations.findAll([])).toEqual([]);
    });

    it('leave reason and author behind when agent workers get them', () => {
      expect(publicRevocation(revocationRow())).toEqual(revocation());
    });

    it.each<readonly [number | null, number | null, number | null]>([
      [NOW + 1, NOW + 2, NOW + 2],
      [NOW + 2, NOW + 1, NOW + 2],
      [null, NOW + 1, null],
      [NOW + 1, null, null],
      [null, null, null],
    ])('under one id hit until the later end: %s, then %s', async (one, other, until) => {
      await lock('a', { until: one });
      await lock('a', { until: other, reason: 'again', code: 'rights_changed', createdAt: NOW + 1 });
      expect(await control.revocations.find('a')).toEqual(
        revocationRow({
          ...{ id: 'a', rev: 2, until, reason: 'again', code: 'rights_changed', createdAt: NOW + 1 },
        }),
      );
    });

    it('are lifted once, by whichever of two operators comes first, and stay as rows', async () => {
      await lock('a');
      const lifted = await Promise.all([lift('a', NOW), lift('a', NOW)]);
      expect(lifted.filter(Boolean)).toHaveLength(1);
      expect(await control.revocations.find('a')).toMatchObject({ until: NOW, rev: 2 });
      expect(await lift('unknown')).toBe(false);
    });

    it('of any ticket are found by target while they hit, one of each target', async () => {
      await lock('a');
      await lock('b', { until: NOW + 1, target: 'agent:chat' });
      await lock('ended', { until: NOW });
      await lock('ended there', { until: NOW, target: 'agent:chat' });
      await lock('other', { target: 'agent:lobby' });
      await lock('before', { kind: 'before' });
      await lock('lifted');
      await lift('lifted');
      const on = async (...targets: string[]) =>
        (await control.revocations.anyOn(targets, NOW)).map(({ id }) => id).sort();
      expect(await on('agent:counter', 'agent:chat', 'agent:none')).toEqual(['a', 'b']);
      await lock('again', { until: NOW + 1 });
      expect(await on('agent:counter')).toEqual(['a']);
      expect(await on()).toEqual([]);
    });

    it('are listed as locks while they hit, newest first, on pages', async () => {
      for (const [id, createdAt] of [
        ['a', NOW],
        ['b', NOW],
        ['c', NOW - 1],
        ['d', NOW + 1],
      ] as const)
        await lock(id, { createdAt });
      await lock('ends-later', { createdAt: NOW - 2, until: NOW + 1 });
      await lock('ends-now', { until: NOW });
      await lock('of-another-code', { code: 'session_terminated' });
      await lock('lifted');
      await lift('lifted');
      const pages: string[][] = [];
      let after: { id: string; createdAt: number } | undefined;
      for (;;) {
        const { rows: page } = await control.revocations.listLocks(NOW, after, 2);
        after = page.at(-1);
        if (after === undefined) break;
        pages.push(page.map(({ id }) => id));
      }
      expect(pages).toEqual([['d', 'b'], ['a', 'c'], ['ends-later']]);
    });

    it('are forgotten when they stopped to hit, and kept without an end or with a later one', async () => {
      await lock('before', { until: NOW - 1 });
      await lock('at', { until: NOW });
      await lock('after', { until: NOW + 1 });
      await lock('never');
      await control.revocations.purge(NOW, 9);
      const left = (await databases.controlDb.select().from(revocations)).map(({ id }) => id);
      expect(left.sort()).toEqual(['after', 'never']);
    });
  });

  describe('the outbox', () => {
    let control: Databases['control'];
    beforeEach(async () => {
      control = (await open()).control;
    });
    const enqueue = (name: number, dueAt = NOW) =>
      control.change({ event: auditEvent({ eventId: uuidOf(name) }), dueAt });
    const due = async (now: number, limit = 50) =>
      (await control.outbox.due(now, limit)).map(({ id }) => Number.parseInt(id.slice(-12), 16));

    it('gives rows whose time has come, oldest first and no more than asked for', async () => {
      for (const [name, after] of [
        [1, 1],
        [2, 0],
        [3, 2],
      ] as const)
        await enqueue(name, NOW + after);
      expect(await due(NOW - 1)).toEqual([]);
      expect(await due(NOW + 1)).toEqual([2, 1]);
      expect(await due(NOW + 2, 2)).toEqual([2, 1]);
      expect(await control.outbox.count()).toBe(3);
    });

    it('lets one of two brokers take a row, and moves its next try', async () => {
      const row = (await enqueue(1)) ?? outboxRow();
      const taken = await Promise.all([NOW + 5, NOW + 5].map((dueAt) => control.outbox.take(row, dueAt)));
      expect(taken.filter(Boolean)).toHaveLength(1);
      expect(await due(NOW + 4)).toEqual([]);
      expect(await control.outbox.due(NOW + 5, 1)).toEqual([{ ...row, attempts: 1, dueAt: NOW + 5 }]);
    });

    it('knows which agent workers have executed a command, whoever notes it and in whatever order', async () => {
      const row = (await enqueue(1)) ?? outboxRow();
      await Promise.all([['a', 'b'], ['b'], ['c']].map((some) => control.outbox.noteDelivered(row.id, some)));
      const [noted] = await control.outbox.due(NOW, 1);
      expect(JSON.parse(noted?.delivered ?? '').sort()).toEqual(['a', 'b', 'c']);
      await control.outbox.done(row.id);
      await control.outbox.noteDelivered(row.id, ['d']);
      expect(await control.outbox.count()).toBe(0);
    });

    it('gives a row again and again until all of it has arrived', async () => {
      const row = (await enqueue(1)) ?? outboxRow();
      const take = (attempts: number) => control.outbox.take({ ...row, attempts }, NOW + MINUTE);
      expect([await take(0), await take(0), await take(1)]).toEqual([true, false, true]);
      await control.outbox.done(row.id);
      expect([await control.outbox.count(), await take(2)]).toEqual([0, false]);
      await control.outbox.done(row.id);
    });
  });

  it('keeps of each agent worker what it answered last', async () => {
    const { control } = await open();
    await control.agentWorkers.note('a.test', 'one', NOW);
    await control.agentWorkers.note('b.test', 'two', NOW);
    await control.agentWorkers.note('a.test', 'three', NOW + 1);
    expect(await control.agentWorkers.list()).toEqual([
      { audience: 'a.test', digest: 'three', answeredAt: NOW + 1 },
      { audience: 'b.test', digest: 'two', answeredAt: NOW },
    ]);
  });
}
