import { describe, expect, it } from 'vitest';
import { HIT_CASES, HIT_NOW, HIT_TICKET } from '../test/hit-cases.ts';
import {
  isHit,
  REVOCATION_FRESH_MS,
  REVOCATION_KEPT_MS,
  Revocation,
  strongestCode,
  strongestHit,
} from './revocation.ts';

const ROW: Revocation = {
  id: 'lock-1',
  rev: 1,
  target: 'agent:counter',
  kind: 'any',
  until: null,
  code: 'locked',
};

describe('a revocation', () => {
  it.each(HIT_CASES)('(%s) hits a ticket: %j -> %j', (_what, row, expected) => {
    expect(isHit(HIT_TICKET, row, HIT_NOW)).toBe(expected);
  });

  it('hits no ticket without a name', () => {
    expect(isHit({ names: [], rev: 0 }, ROW, HIT_NOW)).toBe(false);
  });

  it('is kept for the longest session and both clocks', () => {
    expect(REVOCATION_KEPT_MS).toBe((3600 + 10) * 1000);
  });

  it('can hit a valid ticket for the longest life of one, both clocks and 30 s after it arrived', () => {
    expect(REVOCATION_FRESH_MS).toBe((300 + 10 + 30) * 1000);
  });

  it('is the strongest of those that hit a ticket, and of no others', () => {
    const changed: Revocation = { ...ROW, id: 'a', code: 'rights_changed' };
    const elsewhere: Revocation = { ...ROW, id: 'b', target: 'agent:lobby' };
    const ended: Revocation = { ...ROW, id: 'c', until: HIT_NOW };
    expect(strongestHit(HIT_TICKET, [changed, elsewhere, ended], HIT_NOW)).toBe(changed);
    expect(strongestHit(HIT_TICKET, [changed, ROW], HIT_NOW)).toBe(ROW);
    expect(strongestHit(HIT_TICKET, [elsewhere, ended], HIT_NOW)).toBeUndefined();
  });

  it.each<[object, boolean]>([
    [{}, true],
    [{ until: 0 }, true],
    [{ id: '' }, false],
    [{ id: 'x'.repeat(701) }, false],
    [{ rev: 0 }, false],
    [{ rev: 1.5 }, false],
    [{ rev: '1' }, false],
    [{ target: 'agent:' }, false],
    [{ target: 'nothing:x' }, false],
    [{ target: 'counter' }, false],
    [{ kind: 'issued' }, false],
    [{ until: undefined }, false],
    [{ until: '2026-01-01' }, false],
    [{ code: 'predates_object' }, false],
    [{ reason: 'stolen laptop' }, false],
  ])('is read strictly: with %j %j', (differs, accepted) => {
    expect(Revocation.safeParse({ ...ROW, ...differs }).success).toBe(accepted);
  });
});

describe('the code that counts of several revocations', () => {
  it.each<[string[], string | undefined]>([
    [[], undefined],
    [['something else'], undefined],
    [['rights_changed'], 'rights_changed'],
    [['rights_changed', 'session_terminated'], 'session_terminated'],
    [['session_terminated', 'rights_changed', 'locked'], 'locked'],
  ])('of %j is %s', (codes, expected) => {
    expect(strongestCode(codes)).toBe(expected);
  });
});
