import { beforeEach, describe, expect, it } from 'vitest';
import type { Databases, OpenDatabases } from './databases.ts';
import { ALICE, auditEvent, JTI, NOW, segment, uuidOf } from './rows.ts';

const checkpoint = (n: number, through: number, at = NOW) => ({
  n,
  at,
  through,
  count: 1,
  hash: `hash-${n}`,
  kid: 'audit-1',
  jws: `a.${n}.c`,
});

export function describeAuditLog(open: OpenDatabases): void {
  describe('audit log', () => {
    let log: Databases['record']['auditLog'];
    let checkpoints: Databases['record']['checkpoints'];
    beforeEach(async () => {
      const { record } = await open();
      log = record.auditLog;
      checkpoints = record.checkpoints;
      const about = { principal: ALICE, agent: 'counter', instance: 'main' };
      const facts = [
        auditEvent({ eventId: uuidOf(1), at: NOW + 2, ...about }),
        auditEvent({
          ...{ eventId: uuidOf(2), at: NOW + 1, type: 'ticket.denied', outcome: 'denied' },
          ...{ code: 'grant_missing', requestId: uuidOf(21) },
        }),
        auditEvent({ eventId: uuidOf(3), at: NOW + 2, ...about, instance: 'other' }),
        auditEvent({
          ...{ eventId: uuidOf(4), at: NOW + 3, agent: 'lobby', instance: 'main' },
          ...{ jti: JTI, sessionId: uuidOf(41), requestId: uuidOf(42) },
        }),
      ];
      await record.deliver(
        facts.map((event) => ({ event })),
        NOW,
      );
    });
    type Filter = Parameters<typeof log.list>[0];
    const seqs = async (filter: Filter = {}) =>
      (await log.list(filter, undefined, 10)).rows.map(({ seq }) => seq);

    it('lists by the time of the source, and by arrival where that is the same', async () => {
      expect(await seqs()).toEqual([4, 3, 1, 2]);
    });

    it.each<readonly [string, Filter, readonly number[]]>([
      ['a principal', { principal: ALICE }, [3, 1]],
      ['an agent', { agent: 'counter' }, [3, 1]],
      ['an instance', { agent: 'counter', instance: 'other' }, [3]],
      ['a type', { type: 'ticket.denied' }, [2]],
      ['denials', { outcome: 'denied' }, [2]],
      ['successes', { outcome: 'success' }, [4, 3, 1]],
      ['a time, its start in and its end out', { from: NOW + 1, to: NOW + 3 }, [3, 1, 2]],
      ['a code', { code: 'grant_missing' }, [2]],
      ['a ticket', { jti: JTI }, [4]],
      ['a session', { sessionId: uuidOf(41) }, [4]],
      ['a request', { requestId: uuidOf(21) }, [2]],
      [
        'a request, whatever else',
        { requestId: uuidOf(21), type: 'ticket.denied', code: 'grant_missing' },
        [2],
      ],
      ['a request and another session', { requestId: uuidOf(21), sessionId: uuidOf(41) }, []],
      ['two things at once', { principal: ALICE, instance: 'main' }, [1]],
    ])('finds by %s', async (_what, filter, found) => {
      expect(await seqs(filter)).toEqual(found);
    });

    it('goes on after any place, also between events of one moment', async () => {
      const places = [];
      let after: { at: number; seq: number } | undefined;
      for (;;) {
        const [row] = (await log.list({}, after, 1)).rows;
        if (row === undefined) break;
        places.push(row.seq);
        after = { at: row.at, seq: row.seq };
      }
      expect(places).toEqual([4, 3, 1, 2]);
    });

    it('gives arrivals by number, whatever their clocks were', async () => {
      expect((await log.arrivals(1, 2)).map(({ seq }) => seq)).toEqual([2, 3]);
    });

    it('purges a beginning and never the newest, so that no number comes twice', async () => {
      expect(await log.purge(2, 9)).toBe(2);
      expect(await log.bounds()).toEqual({ first: 3, last: 4 });
      expect(await log.purge(99, 9)).toBe(1);
    });

    it('purges no more at once than asked for, from the beginning', async () => {
      expect(await log.purge(3, 2)).toBe(2);
      expect(await log.bounds()).toEqual({ first: 3, last: 4 });
      expect(await log.purge(3, 2)).toBe(1);
      expect(await log.purge(3, 2)).toBe(0);
    });

    it('answers the segment that has the next event, and rows after the last one', async () => {
      const { segments, checkpoints: sealed } = (await open()).record;
      for (const each of [segment(1, 1, 2), segment(2, 3, 2), segment(3, 3, 3)]) {
        await segments.insert(each);
        await sealed.insert(checkpoint(each.n, each.through));
      }
      const found = async (after: number) => (await segments.following(after, 9)).segment?.n;
      expect([await found(0), await found(1), await found(2), await found(3)]).toEqual([1, 1, 3, undefined]);
      expect((await segments.oldest())?.n).toBe(1);
      expect((await segments.newest())?.n).toBe(3);
    });

    it.each([
      ['without a checkpoint', undefined],
      ['whose checkpoint ends elsewhere', checkpoint(1, 2)],
    ])('has no segment %s: its row may be forged to hide events', async (_what, sealedAs) => {
      const { segments, checkpoints: sealed } = (await open()).record;
      await segments.insert(segment(1, 1, 9));
      if (sealedAs !== undefined) await sealed.insert(sealedAs);
      expect((await segments.following(0, 9)).segment).toBeUndefined();
      expect(await segments.newest()).toBeUndefined();
    });

    it('reads neither a segment that is being deleted nor a second one of the same number', async () => {
      const { segments, checkpoints: sealed } = (await open()).record;
      await sealed.insert(checkpoint(1, 2));
      await segments.insert(segment(1, 1, 2));
      await segments.insert({ ...segment(1, 1, 2), digest: 'cd'.repeat(32) });
      expect((await segments.following(0, 9)).segment).toEqual(segment(1, 1, 2));
      await segments.endReading(1, NOW);
      expect((await segments.following(0, 9)).segment).toBeUndefined();
      expect((await segments.oldest())?.purgedAt).toBe(NOW);
      await segments.delete(1);
      expect(await segments.oldest()).toBeUndefined();
    });

    it('gives the number after the greatest, after everything else was purged', async () => {
      await log.purge(99, 9);
      expect(await log.bounds()).toEqual({ first: 4, last: 4 });
    });

    it('knows no bounds of an empty log', async () => {
      const { record } = await open();
      expect(await record.auditLog.bounds()).toBeUndefined();
    });

    it('writes one checkpoint of a number, of any number of sealers at once', async () => {
      const written = await Promise.all(
        [1, 2, 3].map((each) => checkpoints.insert({ ...checkpoint(1, 4), hash: `by-${each}` })),
      );
      expect(written.filter(Boolean)).toHaveLength(1);
    });

    it('finds checkpoints by what they cover, by time and by number', async () => {
      for (const [n, through] of [
        [1, 2],
        [2, 4],
        [3, 4],
      ] as const)
        await checkpoints.insert(checkpoint(n, through, NOW + n));
      expect((await checkpoints.newest())?.n).toBe(3);
      expect((await checkpoints.covering(3))?.n).toBe(1);
      expect((await checkpoints.covering(4))?.n).toBe(3);
      expect(await checkpoints.covering(1)).toBeUndefined();
      expect((await checkpoints.reaching(1))?.n).toBe(1);
      expect((await checkpoints.reaching(3))?.n).toBe(2);
      expect(await checkpoints.reaching(5)).toBeUndefined();
      expect((await checkpoints.writtenBy(NOW + 2))?.n).toBe(2);
      expect((await checkpoints.list(3, 10)).map(({ n }) => n)).toEqual([2, 1]);
      expect((await checkpoints.following(1, 10)).map(({ n }) => n)).toEqual([2, 3]);
    });
  });
}
