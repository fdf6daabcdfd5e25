import fc from 'fast-check';
import { expect, it } from 'vitest';
import { forAll } from '../test/property.ts';
import { isHit, REVOCATION_CODES, type Revocation, strongestHit } from './revocation.ts';

/** The laws of revocations, over the one condition that gate, objects and broker share. */

const TARGETS = ['principal:token:1', 'principal:token:2', 'grant:a', 'everything:'];
const moment = fc.integer({ min: 0, max: 1_000 });
const row: fc.Arbitrary<Revocation> = fc.record({
  id: fc.constantFrom('a', 'b', 'c'),
  rev: fc.integer({ min: 1, max: 20 }),
  target: fc.constantFrom(...TARGETS),
  kind: fc.constantFrom('any', 'before'),
  until: fc.option(moment, { nil: null }),
  code: fc.constantFrom(...REVOCATION_CODES),
});
const ticket = fc.record({ names: fc.subarray(TARGETS), rev: fc.nat(20) });
const question = fc.record({ ticket, row, now: moment });

it('one that names nothing of a ticket never hits it', () =>
  forAll(question, (q) => q.ticket.names.includes(q.row.target) || !isHit(q.ticket, q.row, q.now)));

it('a ticket from before is hit wherever a ticket from after is', () =>
  forAll(question, (q) => {
    const older = { ...q.ticket, rev: Math.max(0, q.ticket.rev - 1) };
    return !isHit(q.ticket, q.row, q.now) || isHit(older, q.row, q.now);
  }));

it('of kind before one hits no ticket that was decided with it or after it', () =>
  forAll(question, (q) =>
    q.row.kind === 'any' || q.ticket.rev < q.row.rev ? true : !isHit(q.ticket, q.row, q.now),
  ));

it('one hits at all times before its end and at none from then on', () =>
  forAll(question, (q) => {
    const always = { ...q.row, until: null };
    const isOver = q.row.until !== null && q.now >= q.row.until;
    expect(isHit(q.ticket, q.row, q.now)).toBe(!isOver && isHit(q.ticket, always, q.now));
  }));

it('a lift, which is a version that has ended, hits nothing', () =>
  forAll(question, (q) => !isHit(q.ticket, { ...q.row, rev: q.row.rev + 1, until: q.now }, q.now)));

it('more names of a ticket, and more revocations, never make it less revoked', () =>
  forAll(fc.record({ ticket, rows: fc.array(row), more: row, now: moment }), (q) => {
    const rank = (hit: Revocation | undefined): number =>
      hit === undefined ? REVOCATION_CODES.length : REVOCATION_CODES.indexOf(hit.code);
    const least = rank(strongestHit(q.ticket, q.rows, q.now));
    const named = { ...q.ticket, names: TARGETS };
    expect(rank(strongestHit(q.ticket, [...q.rows, q.more], q.now))).toBeLessThanOrEqual(least);
    expect(rank(strongestHit(named, q.rows, q.now))).toBeLessThanOrEqual(least);
    expect(rank(strongestHit(q.ticket, [...q.rows].reverse(), q.now))).toBe(least);
  }));
