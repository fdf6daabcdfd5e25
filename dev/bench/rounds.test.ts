import { describe, expect, it } from 'vitest';
import { type Comparison, compare, median, repeated, table, type Work } from './rounds.ts';

/** Work with a given count for each round. */
const scripted = (...counts: number[]): Work => {
  const left = [...counts];
  return async () => left.shift() ?? 0;
};

const comparison = (ours: Work, floor: Work, atLeast: number): Comparison => ({
  name: 'mint',
  ours: 'a ticket',
  floor: 'a signature',
  atLeast,
  work: { ours, floor },
});

describe('a comparison', () => {
  it('takes the ratio of each round but the first, and their median', async () => {
    const result = await compare(comparison(scripted(1, 50, 30, 80), scripted(99, 100, 100, 100), 0.4), {
      count: 3,
      forMs: 1000,
    });
    expect(result.ratio).toEqual({ median: 0.5, min: 0.3, max: 0.8 });
    expect(result.perSecond).toEqual({ ours: 50, floor: 100 });
    expect(result.passed).toBe(true);
  });

  it('fails below its minimum', async () => {
    const rounds = { count: 1, forMs: 1000 };
    expect((await compare(comparison(scripted(1, 39), scripted(1, 100), 0.4), rounds)).passed).toBe(false);
  });

  it('throws when nothing was done', async () => {
    await expect(compare(comparison(scripted(0), scripted(1), 0), { count: 1, forMs: 10 })).rejects.toThrow(
      'mint: nothing was done in 10 ms',
    );
  });
});

it.each([
  [[3], 3],
  [[9, 1, 5], 5],
  [[4, 1, 3, 2], 2.5],
])('the median of %j is %d', (values, expected) => expect(median(values)).toBe(expected));

it('repeated work counts its repetitions, and rejects when one of them does', async () => {
  let tries = 0;
  const done = await repeated(async () => tries++, 3)(5);
  expect(done).toBe(tries);
  expect(done).toBeGreaterThanOrEqual(3);
  await expect(repeated(() => Promise.reject(new Error('refused')), 2)(5)).rejects.toThrow('refused');
});

it('the table has a row with the result of each comparison, and aligned columns', () => {
  const common = { ours: 'a ticket', floor: 'a signature', perSecond: { ours: 512.4, floor: 1024 } };
  const ratio = { median: 0.5, min: 0.456, max: 0.71 };
  expect(
    table([
      { ...common, name: 'mint', ratio, atLeast: 0.3, passed: true },
      { ...common, name: 'admit', ratio, atLeast: 0.6, passed: false },
    ]),
  ).toBe(
    [
      '      what   ours/s  floor/s  ratio (range)        at least  ours / floor',
      'ok    mint   512     1024     0.50 (0.46 to 0.71)  0.30      a ticket / a signature',
      'SLOW  admit  512     1024     0.50 (0.46 to 0.71)  0.60      a ticket / a signature',
      '',
    ].join('\n'),
  );
});
