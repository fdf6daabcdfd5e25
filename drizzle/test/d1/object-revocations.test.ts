import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import { HIT_CASES, HIT_NOW, HIT_TICKET } from '@agent-ticket/shared/test/hit-cases.ts';
import { describe, expect, it } from 'vitest';
import { objectRevocationStore } from '../../object/revocations.ts';
import { createObjectTables } from '../../object/tables.ts';
import { NOW, revocation } from '../suite/rows.ts';
import { EVERY_ORDER, VERSIONS } from '../suite/versions.ts';
import { inObject } from './object.ts';

type Store = ReturnType<typeof objectRevocationStore>;
const inStore = (work: (store: Store) => void): Promise<void> =>
  inObject((sql) => work(objectRevocationStore(sql)));

const IAT = NOW / 1000;
const TICKET = { names: ['everything:', 'agent:counter'], rev: 7, iat: IAT };
const on = (id: string, differs: Partial<Revocation> = {}) => revocation({ id, ...differs });

describe('revocations that an object keeps', () => {
  it.each(HIT_CASES)('refuse a ticket as every other copy does: %s', (_what, row, isHit) =>
    inStore((store) => {
      store.apply(revocation(row));
      expect(store.whyRefused({ ...HIT_TICKET, iat: 0 }, HIT_NOW)).toBe(isHit ? 'locked' : undefined);
    }),
  );

  it.each(EVERY_ORDER)('say the same in whatever order versions arrive: $order', ({ order }) =>
    inStore((store) => {
      for (const name of order) store.apply(VERSIONS[name]);
      expect(store.all()).toEqual([VERSIONS.lockAgain]);
    }),
  );

  it.each<[string | undefined, Revocation['code'][], boolean]>([
    [undefined, [], false],
    ['rights_changed', ['rights_changed'], false],
    ['session_terminated', ['rights_changed', 'session_terminated'], false],
    ['locked', ['rights_changed', 'locked', 'session_terminated'], false],
    ['predates_object', ['rights_changed', 'locked', 'session_terminated'], true],
    ['predates_object', [], true],
  ])('refuse by the most severe reason: %s of %j, destroyed %j', (expected, codes, destroyed) =>
    inStore((store) => {
      for (const [index, code] of codes.entries()) store.apply(on(`row-${index}`, { code }));
      if (destroyed) store.noteDestroyed(NOW);
      expect(store.whyRefused(TICKET, NOW)).toBe(expected);
    }),
  );

  it('refuse nothing by no name', () =>
    inStore((store) => {
      store.apply(on('a', { target: 'everything:' }));
      expect(store.whyRefused({ ...TICKET, names: [] }, NOW)).toBeUndefined();
    }));

  it('are stored side by side on one target', () =>
    inStore((store) => {
      store.apply(on('a', { until: NOW + 1 }));
      store.apply(on('b', { code: 'rights_changed' }));
      expect([store.whyRefused(TICKET, NOW), store.whyRefused(TICKET, NOW + 1)]).toEqual([
        'locked',
        'rights_changed',
      ]);
    }));

  it('are forgotten when they stopped to hit, and kept without an end or with a later one', () =>
    inStore((store) => {
      for (const [id, until] of [
        ['before', NOW - 1],
        ['at', NOW],
        ['after', NOW + 1],
        ['never', null],
      ] as const)
        store.apply(on(id, { until }));
      store.noteDestroyed(NOW);
      store.purge(NOW);
      expect(
        store
          .all()
          .map(({ id }) => id)
          .sort(),
      ).toEqual(['after', 'destroyed', 'never']);
    }));

  it('are restored as they were, the end of the object among them', async () => {
    const rows = await inObject((sql) => {
      const store = objectRevocationStore(sql);
      store.apply(on('a', { kind: 'before', rev: 9, until: NOW + 1, code: 'rights_changed' }));
      store.noteDestroyed(NOW);
      return store.all();
    });
    await inStore((store) => {
      for (const row of rows) store.restore(row);
      expect(store.all()).toEqual(rows);
    });
  });
});

describe('the end of an object', () => {
  const reasonAt = (store: Store, iat: number) => store.whyRefused({ ...TICKET, iat }, NOW);

  it('is not there before the object was destroyed', () =>
    inStore((store) => {
      expect(reasonAt(store, 0)).toBeUndefined();
    }));

  it('refuses tickets that were issued until then, whatever their number, and no later ones', () =>
    inStore((store) => {
      store.noteDestroyed(NOW + 500);
      expect(reasonAt(store, IAT)).toBe('predates_object');
      expect(store.whyRefused({ ...TICKET, rev: 1_000_000 }, NOW)).toBe('predates_object');
      expect(reasonAt(store, IAT + 1)).toBeUndefined();
    }));

  it('refuses a ticket that was issued in the very millisecond', () =>
    inStore((store) => {
      store.noteDestroyed(NOW);
      expect(reasonAt(store, IAT)).toBe('predates_object');
    }));

  it('is the last of several, in whatever order they are noted, and outlives the next wake', () =>
    inObject((sql) => {
      const store = objectRevocationStore(sql);
      for (const at of [NOW, NOW + 2, NOW + 1]) store.noteDestroyed(at);
      createObjectTables(sql);
      const ends = store.all().filter(({ kind }) => kind === 'issued');
      expect(ends.map(({ rev }) => rev)).toEqual([NOW + 2]);
    }));
});

describe('the use of a grant', () => {
  it('is known once it was noted, however often, and of that grant only', () =>
    inStore((store) => {
      expect(store.isGrantUsed('grant-1')).toBe(false);
      store.noteOpened('grant-1');
      store.noteOpened('grant-1');
      expect(['grant-1', 'grant-2', 'GRANT-1'].map((id) => store.isGrantUsed(id))).toEqual([
        true,
        false,
        false,
      ]);
    }));

  it('opens the object, as a ticket without one does', () =>
    inStore((store) => {
      expect(store.isOpened()).toBe(false);
      store.noteOpened();
      store.noteOpened();
      expect([store.isOpened(), store.isGrantUsed('grant-1')]).toEqual([true, false]);
    }));

  it('is taken for granted after the object was destroyed, which deletes the notes', () =>
    inStore((store) => {
      store.apply(on('a'));
      expect(store.isGrantUsed('grant-1')).toBe(false);
      store.noteDestroyed(NOW);
      expect(store.isGrantUsed('grant-1')).toBe(true);
    }));
});
