import { describe, expect, it } from 'vitest';
import { type Measure, measure, median, msEach, perSecond, type RowSpec } from './rounds.ts';

/** A measure with a given figure for each round. */
const scripted = (...figures: number[]): Measure => {
  const left = [...figures];
  return async () => left.shift() ?? 0;
};

const row = (more: Partial<RowSpec> = {}): RowSpec => ({
  name: 'mint',
  does: 'a ticket',
  unit: '/s',
  better: 'more',
  floors: [{ trips: 'none', does: 'a signature', bounds: { goal: 0.5, limit: 0.4 } }],
  ...more,
});

describe('a row', () => {
  it('has the ratio of each round but the first, and their median', async () => {
    const result = await measure(
      row(),
      { ours: scripted(1, 50, 30, 80), floors: [scripted(99, 100, 100, 100)] },
      { count: 3, warmUp: true },
    );
    expect(result.rounds).toBe(3);
    expect(result.figure).toEqual({ median: 50, min: 30, max: 80 });
    expect(result.floors[0]?.ratio).toEqual({ median: 0.5, min: 0.3, max: 0.8 });
    expect(result.passed).toBe(true);
  });

  it('counts the first round when none warms up', async () => {
    const result = await measure(
      row(),
      { ours: scripted(50), floors: [scripted(100)] },
      { count: 1, warmUp: false },
    );
    expect(result.figure.median).toBe(50);
  });

  it('measures ours and the floors in turns, in the other order each second round', async () => {
    const order: string[] = [];
    const noted =
      (name: string): Measure =>
      async () =>
        order.push(name);
    const floors = [
      { trips: 'none', does: 'a signature' },
      { trips: 'same', does: 'a signature and rows' },
    ] as const;
    await measure(
      row({ floors }),
      { ours: noted('ours'), floors: [noted('none'), noted('same')] },
      { count: 2, warmUp: false },
    );
    expect(order).toEqual(['ours', 'none', 'same', 'same', 'none', 'ours']);
  });

  it.each([
    ['a ratio below its limit, where more is better', row(), 39, 100, false],
    ['a ratio at its limit, where more is better', row(), 40, 100, true],
    ['a ratio above its limit, where less is better', row({ better: 'less' }), 41, 100, false],
    ['a ratio at its limit, where less is better', row({ better: 'less' }), 40, 100, true],
    [
      'a figure of ours beyond its own limit',
      row({ floors: [{ trips: 'none', does: '' }], bounds: { goal: 9, limit: 5 } }),
      4,
      1,
      false,
    ],
    ['a ratio without bounds', row({ floors: [{ trips: 'none', does: '' }] }), 1, 100, true],
  ])('passes or not: %s', async (_case, spec, ours, floor, passed) => {
    const measures = { ours: scripted(ours), floors: [scripted(floor)] };
    expect((await measure(spec, measures, { count: 1, warmUp: false })).passed).toBe(passed);
  });

  it.each([
    ['nothing', 0],
    ['no number', Number.NaN],
  ])('throws when a round measured %s', async (_what, figure) => {
    const measures = { ours: scripted(figure), floors: [scripted(1)] };
    await expect(measure(row(), measures, { count: 1, warmUp: false })).rejects.toThrow(
      `mint: a round measured ${figure}`,
    );
  });
});

it.each([
  [[3], 3],
  [[9, 1, 5], 5],
  [[4, 1, 3, 2], 2.5],
])('the median of %j is %d', (values, expected) => expect(median(values)).toBe(expected));

describe('repeated operations', () => {
  it('run in all lanes at once, each at least once', async () => {
    const seen = new Set<number>();
    const lanes = [0, 1, 2].map((lane) => async () => seen.add(lane));
    expect(await perSecond(lanes, 0)).toBeGreaterThan(0);
    expect(seen.size).toBe(3);
  });

  it('end early when they can be done no more', async () => {
    let left = 5;
    const once = async () => left-- > 0;
    const forever = 3_600_000;
    await perSecond([once, once], forever);
    expect(left).toBeLessThan(0);
  });

  it('reject when one of them does', async () => {
    await expect(perSecond([() => Promise.reject(new Error('refused'))], 5)).rejects.toThrow('refused');
  });

  it('of one caller have a time, which is the inverse of the rate', async () => {
    let times = 0;
    const each = await msEach(async () => times++, 0);
    expect(each).toBeGreaterThan(0);
    expect(times).toBe(1);
  });
});
