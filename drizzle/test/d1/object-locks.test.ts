import { describe, expect, it } from 'vitest';
import { objectLockQueries } from '../../object/locks.ts';
import { NOW } from '../suite/rows.ts';
import { inObject } from './object.ts';

const TARGET = 'principal:alice';

type Locks = ReturnType<typeof objectLockQueries>;
const inLocks = (work: (locks: Locks) => void): Promise<void> =>
  inObject((sql) => work(objectLockQueries(sql)));

describe('locks pushed into an object', () => {
  it('stand on their targets until their last millisecond', () =>
    inLocks((locks) => {
      locks.set(TARGET, NOW + 1);
      expect(locks.stands([TARGET], NOW)).toBe(true);
      expect(locks.stands([TARGET], NOW + 1)).toBe(false);
    }));

  it('stand for ever when they have no end', () =>
    inLocks((locks) => {
      locks.set(TARGET, null);
      expect(locks.stands([TARGET], Number.MAX_SAFE_INTEGER)).toBe(true);
    }));

  it('hit a request by any of its targets, and by no other', () =>
    inLocks((locks) => {
      locks.set(TARGET, null);
      expect(locks.stands(['everything:', 'agent:counter', TARGET], NOW)).toBe(true);
      expect(locks.stands(['everything:', 'principal:Alice', 'principal:alice2'], NOW)).toBe(false);
      expect(locks.stands([], NOW)).toBe(false);
    }));

  it('are taken back one by one', () =>
    inLocks((locks) => {
      locks.set(TARGET, null);
      locks.set('everything:', null);
      locks.remove(TARGET);
      locks.remove('agent:unknown');
      expect(locks.stands([TARGET], NOW)).toBe(false);
      expect(locks.stands(['everything:'], NOW)).toBe(true);
    }));

  it.each([
    [NOW + 2, NOW + 1, false],
    [NOW + 1, NOW + 2, true],
    [null, NOW + 1, false],
    [NOW + 1, null, true],
  ])('hold what was set last: %s, then %s', (first, second, stands) =>
    inLocks((locks) => {
      locks.set(TARGET, first);
      locks.set(TARGET, second);
      expect(locks.stands([TARGET], NOW + 1)).toBe(stands);
    }),
  );

  it('are forgotten when they ended, and kept when they have no end or a later one', () =>
    inLocks((locks) => {
      locks.set('ended', NOW);
      locks.set('later', NOW + 1);
      locks.set('never', null);
      locks.purge(NOW);
      expect(['ended', 'later', 'never'].map((target) => locks.stands([target], NOW - 1))).toEqual([
        ...[false, true, true],
      ]);
    }));
});
