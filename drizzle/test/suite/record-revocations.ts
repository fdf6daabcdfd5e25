import { REVOCATION_CODES, type Revocable, type Revocation } from '@agent-ticket/shared/revocation.ts';
import { HIT_CASES, HIT_NOW, HIT_TICKET } from '@agent-ticket/shared/test/hit-cases.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { revocationCopies } from '../../record/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { auditEvent, keepCopy, MINUTE, NOW, revocation, sessionFact, uuidOf } from './rows.ts';
import { EVERY_ORDER, VERSIONS } from './versions.ts';

const TICKET: Revocable = { names: ['everything:', 'agent:counter'], rev: 7 };
const BEFORE = { kind: 'before', rev: 8, code: 'rights_changed' } as const;
/** How long a revocation hits and is kept: the longest session, and what clocks may differ by. */
const KEPT = 60 * MINUTE + 10_000;

export function describeRecordRevocations(open: OpenDatabases): void {
  describe('revocations that agent workers see', () => {
    let databases: Databases;
    let record: Databases['record'];
    beforeEach(async () => {
      databases = await open();
      record = databases.record;
    });
    let changes = 0;
    /** As one change of policy brings them. */
    const arrive = (...rows: readonly Revocation[]) => {
      changes += 1;
      return record.deliverChange(auditEvent({ eventId: uuidOf(10_000 + changes) }), rows);
    };
    const copies = async () =>
      (await databases.recordDb.select().from(revocationCopies)).map(({ arrival: _, ...copy }) => copy);
    /** Why the delivery of a session that such a ticket has just opened answers it. */
    const why = async (ticket: Revocable = TICKET, now = NOW) => {
      const [session] = await record.deliver(
        [{ event: auditEvent(), session: sessionFact(), revocable: ticket }],
        now,
      );
      return session?.why;
    };

    it.each(HIT_CASES)('hit a ticket as every other copy does: %s', async (_what, row, isHit) => {
      await arrive(revocation(row));
      expect(await why(HIT_TICKET, HIT_NOW)).toBe(isHit ? 'locked' : undefined);
    });

    it.each(EVERY_ORDER)('say the same in whatever order versions arrive: $order', async ({ order }) => {
      for (const name of order) await arrive(VERSIONS[name]);
      expect(await copies()).toEqual([VERSIONS.lockAgain]);
    });

    it('say the same when versions arrive in one batch, or at once', async () => {
      await arrive(VERSIONS.lockAgain, VERSIONS.lock, VERSIONS.lift);
      expect(await copies()).toEqual([VERSIONS.lockAgain]);
      await databases.recordDb.delete(revocationCopies);
      await Promise.all([VERSIONS.lift, VERSIONS.lockAgain, VERSIONS.lock].map((row) => arrive(row)));
      expect(await copies()).toEqual([VERSIONS.lockAgain]);
    });

    it('refuse until a lift arrives, and a late retry of the lock changes nothing', async () => {
      await arrive(VERSIONS.lock);
      expect(await why()).toBe('locked');
      await arrive(VERSIONS.lift);
      expect(await why()).toBeUndefined();
      await arrive(VERSIONS.lock);
      expect(await why()).toBeUndefined();
    });

    it('refuse by the strongest of their codes', async () => {
      for (const code of [...REVOCATION_CODES].reverse()) {
        await arrive(revocation({ id: code, code }));
        expect(await why()).toBe(code);
      }
    });

    it('of everything and of one instance are stored side by side', async () => {
      await arrive(revocation({ ...BEFORE, id: 'a' }));
      await arrive(revocation({ ...BEFORE, id: 'b', rev: 12, target: 'principal:auth0:people.test:bob' }));
      const bob = { ...TICKET, names: [...TICKET.names, 'principal:auth0:people.test:bob'] };
      expect([await why({ ...TICKET, rev: 9 }), await why({ ...bob, rev: 9 })]).toEqual([
        undefined,
        'rights_changed',
      ]);
      expect([await why(), await why(bob)]).toEqual(['rights_changed', 'rights_changed']);
    });

    it('of one row hit by the furthest number', async () => {
      await arrive(revocation({ ...BEFORE, rev: 12 }));
      await arrive(revocation({ ...BEFORE, rev: 8 }));
      expect([await why({ ...TICKET, rev: 11 }), await why({ ...TICKET, rev: 12 })]).toEqual([
        'rights_changed',
        undefined,
      ]);
    });

    it('are none of a ticket without a name', async () => {
      await arrive(revocation({ target: 'everything:' }));
      expect(await why({ names: [], rev: 0 })).toBeUndefined();
    });

    it('are found by one of two hundred names', async () => {
      await arrive(revocation({ target: 'principal:auth0:people.test:p199' }));
      const names = Array.from({ length: 200 }, (_, index) => `principal:auth0:people.test:p${index}`);
      expect(await why({ names, rev: 0 })).toBe('locked');
    });

    it('are kept for as long as a session of such a ticket may last, and no longer', async () => {
      await arrive(revocation({ ...BEFORE, until: NOW + KEPT }), revocation({ id: 'newer', rev: 9 }));
      await record.revocations.purge(NOW + KEPT - 1, 9);
      expect(await why(TICKET, NOW + KEPT - 1)).toBe('locked');
      expect(await copies()).toHaveLength(2);
      await record.revocations.purge(NOW + KEPT, 9);
      expect((await copies()).map(({ id }) => id)).toEqual(['newer']);
    });

    it('without an end are never forgotten, nor is the newest, whose number must be known', async () => {
      await arrive(
        revocation({ id: 'never' }),
        revocation({ id: 'ended', rev: 2, until: NOW }),
        revocation({ id: 'newest', rev: 3, until: NOW }),
      );
      await record.revocations.purge(NOW, 9);
      expect((await copies()).map(({ id }) => id).sort()).toEqual(['never', 'newest']);
      expect(await record.revocations.newestRev()).toBe(3);
    });

    it.each(HIT_CASES)(
      'are found by their targets, of any number, while in force: %s',
      async (_what, row) => {
        await arrive(revocation(row));
        const found = await record.revocations.ofTargets(HIT_TICKET.names, HIT_NOW);
        const isFound = HIT_TICKET.names.includes(row.target) && (row.until === null || row.until > HIT_NOW);
        expect(found).toEqual(isFound ? [revocation(row)] : []);
      },
    );

    describe('arrive in an order', () => {
      const HOUR = 60 * MINUTE;
      const arrived = (after = 0, within = HOUR, limit = 9) =>
        record.revocations.listArrived(after, within, limit);
      const idsOf = (rows: readonly { id: string }[]) => rows.map(({ id }) => id);

      it('that begins anew with each newer version, and an older one does not arrive', async () => {
        await arrive(revocation({ id: 'a', rev: 1 }), revocation({ id: 'b', rev: 2 }));
        const [a, b] = await arrived();
        expect(idsOf(await arrived())).toEqual(['a', 'b']);
        await arrive(revocation({ id: 'a', rev: 3, until: NOW }));
        const again = await arrived();
        expect(idsOf(again)).toEqual(['b', 'a']);
        expect(again[1]).toEqual({
          ...revocation({ id: 'a', rev: 3, until: NOW }),
          arrival: again[1]?.arrival,
        });
        await arrive(revocation({ id: 'b', rev: 1 }), revocation({ id: 'a', rev: 2 }));
        expect(await arrived()).toEqual(again);
        const numbers = [a, b, again[1]].map((row) => row?.arrival ?? 0);
        expect(numbers).toEqual([...new Set(numbers)].sort((x, y) => x - y));
      });

      it('in which each of many that come at once has a number of its own', async () => {
        await Promise.all(
          Array.from({ length: 20 }, (_, n) => arrive(revocation({ id: `${n}`, rev: n + 1 }))),
        );
        const rows = await arrived(0, HOUR, 99);
        expect(new Set(rows.map(({ arrival }) => arrival)).size).toBe(20);
      });

      it('from which a reader continues and misses none, however many a page has', async () => {
        for (const rev of [1, 2, 3, 4, 5]) await arrive(revocation({ id: `${rev}`, rev }));
        const seen: string[] = [];
        for (let after = 0; ; ) {
          const page = await arrived(after, HOUR, 2);
          if (page.length === 0) break;
          seen.push(...idsOf(page));
          after = page.at(-1)?.arrival ?? after;
        }
        expect(seen).toEqual(['1', '2', '3', '4', '5']);
      });

      it('whose numbers tell by the clock of the database which arrived lately', async () => {
        await arrive(revocation({ id: 'new', rev: 2 }));
        const at = (await arrived())[0]?.arrival ?? 0;
        await keepCopy(databases.recordDb, revocation({ id: 'old' }), at - HOUR);
        expect(idsOf(await arrived(0, HOUR / 2))).toEqual(['new']);
        expect(idsOf(await arrived(0, 2 * HOUR))).toEqual(['old', 'new']);
      });

      it('that never goes back, also where the clock of the database did', async () => {
        const ahead = 2 ** 45;
        await keepCopy(databases.recordDb, revocation({ id: 'a' }), ahead);
        await arrive(revocation({ id: 'b', rev: 2 }));
        expect((await arrived(ahead)).map(({ id, arrival }) => [id, arrival])).toEqual([['b', ahead + 1]]);
      });
    });

    it('have no newest number while there is none', async () => {
      expect(await record.revocations.newestRev()).toBe(0);
    });

    it('arrive with their event or not at all', async () => {
      const bad = { ...revocation(), rev: Number.NaN };
      await expect(arrive(revocation({ id: 'good' }), bad)).rejects.toThrow();
      expect(await copies()).toEqual([]);
      expect(await record.auditLog.arrivals(0, 9)).toEqual([]);
    });
  });
}
