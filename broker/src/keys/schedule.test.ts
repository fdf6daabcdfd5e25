import { describe, expect, it } from 'vitest';
import {
  DEFAULT_SCHEDULE,
  isPublished,
  JWKS_MAX_AGE_SECONDS,
  maxAgeOf,
  SIGNER_CACHE_MS,
  scheduleFaults,
  stateOf,
} from './schedule.ts';

const T = 1_700_000_000_000;
const ROW = {
  kid: 'k'.repeat(43),
  purpose: 'ticket',
  generation: 2,
  alg: 'ES256',
  sealed: '',
  createdAt: T,
  activatesAt: T,
  retiresAt: null,
  removedAt: null,
  revokedAt: null,
} as const;

describe('a schedule', () => {
  it('is safe as it is', () => {
    expect(scheduleFaults(DEFAULT_SCHEDULE)).toEqual({});
  });

  /** A verifier holds a stale set for six minutes, a cache on the way for another, clocks differ by five seconds. */
  const LEAD = 425_000;
  /** The longest ticket lives five minutes, clocks differ by five seconds, a signer notices five seconds late. */
  const LAG = 310_000;
  it.each([
    [LEAD, LAG, true],
    [LEAD - 1, LAG, false],
    [LEAD, LAG - 1, false],
    [0, LAG, false],
    [LEAD, 0, false],
    [Number.NaN, LAG, false],
    [LEAD, Number.NaN, false],
    [10 * LEAD, 10 * LAG, true],
  ])('of a lead of %d ms and a lag of %d ms is safe: %s', (lead, lag, safe) => {
    expect(Object.keys(scheduleFaults({ ...DEFAULT_SCHEDULE, leadMs: lead, lagMs: lag })).length === 0).toBe(
      safe,
    );
  });

  it('has the numbers that the papers name', () => {
    expect([JWKS_MAX_AGE_SECONDS, SIGNER_CACHE_MS]).toEqual([60, 5_000]);
  });
});

describe('the state of a key', () => {
  const rotated = { ...ROW, activatesAt: T + 100, retiresAt: T + 200, removedAt: T + 300 };
  it.each([
    [-1, 'pending', true],
    [99, 'pending', true],
    [100, 'active', true],
    [199, 'active', true],
    [200, 'retiring', true],
    [299, 'retiring', true],
    [300, 'retired', false],
    [1e12, 'retired', false],
  ])('at %d is %s, published: %s', (at, state, published) => {
    expect([stateOf(rotated, T + at), isPublished(rotated, T + at)]).toEqual([state, published]);
  });

  it.each([-1, 0, 150, 250, 350])('that was revoked is revoked at %d, and not published', (at) => {
    const revoked = { ...rotated, revokedAt: T + 1e9 };
    expect([stateOf(revoked, T + at), isPublished(revoked, T + at)]).toEqual(['revoked', false]);
  });

  it('that is the first is active from the start, also by a clock behind that of its maker', () => {
    const first = { ...ROW, generation: 1 };
    expect([-60_000, -1, 0].map((at) => stateOf(first, T + at))).toEqual(['active', 'active', 'active']);
  });

  it('without an end goes on', () => {
    expect([0, 1, 1e13].map((at) => stateOf(ROW, T + at))).toEqual(['active', 'active', 'active']);
  });

  it('that ends before it began is over, never active', () => {
    const odd = { ...ROW, activatesAt: T + 500, retiresAt: T, removedAt: T + 100 };
    expect([0, 99, 100, 600].map((at) => stateOf(odd, T + at))).toEqual([
      'retiring',
      'retiring',
      'retired',
      'retired',
    ]);
  });
});

it.each<[of: string, left: (number | null)[], seconds: number]>([
  ['no key', [], 60],
  ['a key without an end', [null], 60],
  ['a key that leaves in an hour', [null, 3_600_000], 60],
  ['a key that leaves in 20 s', [null, 20_000], 20],
  ['a key that leaves in less than 20 s', [19_999, null], 19],
  ['keys that leave one after the other', [50_000, 10_000, 90_000], 10],
  ['a key that has left', [null, -1], 0],
])(
  'a set of %s may be held until one of its keys leaves it, and no longer than a minute',
  (_of, left, seconds) => {
    const rows = left.map((ms) => ({ removedAt: ms === null ? null : T + ms }));
    expect(maxAgeOf(rows, T)).toBe(seconds);
  },
);
