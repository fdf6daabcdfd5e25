import { describe, expect, it } from 'vitest';
import { type Contest, hold, median, repeated, type Work } from './rounds.ts';

/** Work that does what it is told, one number a round. */
const scripted = (...counts: number[]): Work => {
  const left = [...counts];
  return async () => left.shift() ?? 0;
};

const contest = (ours: Work, floor: Work, atLeast: number): Contest => ({
  name: 'mint',
  ours: 'a ticket',
  floor: 'a signature',
  atLeast,
  work: { ours, floor },
});

describe('a contest', () => {
  it('compares round by round, leaves the first out, and takes the median', async () => {
    const result = await hold(contest(scripted(1, 50, 30, 80), scripted(99, 100, 100, 100), 0.4), {
      count: 3,
      forMs: 1000,
    });
    expect(result.ratio).toEqual({ median: 0.5, min: 0.3, max: 0.8 });
    expect(result.perSecond).toEqual({ ours: 50, floor: 100 });
    expect(result.holds).toBe(true);
  });

  it('does not hold below its floor', async () => {
    const rounds = { count: 1, forMs: 1000 };
    expect((await hold(contest(scripted(1, 39), scripted(1, 100), 0.4), rounds)).holds).toBe(false);
  });

  it('is no contest when nothing was done', async () => {
    await expect(hold(contest(scripted(0), scripted(1), 0), { count: 1, forMs: 10 })).rejects.toThrow(
      'mint: nothing was done in 10 ms',
    );
  });
});

it.each([
  [[3], 3],
  [[9, 1, 5], 5],
  [[4, 1, 3, 2], 2.5],
])('the median of %j is %d', (values, expected) => expect(median(values)).toBe(expected));

it('repeated work counts what it did, and fails when one try fails', async () => {
  let tries = 0;
  const done = await repeated(async () => tries++, 3)(5);
  expect(done).toBe(tries);
  expect(done).toBeGreaterThanOrEqual(3);
  await expect(repeated(() => Promise.reject(new Error('refused')), 2)(5)).rejects.toThrow('refused');
});
