import { expect, it } from 'vitest';
import { changes, table } from './report.ts';
import type { Result } from './rounds.ts';

const mint: Result = {
  name: 'mint',
  does: 'a ticket',
  unit: '/s',
  better: 'more',
  rounds: 3,
  figure: { median: 512.4, min: 480, max: 530 },
  floors: [
    {
      trips: 'none',
      does: 'a signature',
      bounds: { goal: 0.55, limit: 0.4 },
      figure: { median: 1024, min: 1000, max: 1100 },
      ratio: { median: 0.5, min: 0.456, max: 0.71 },
    },
  ],
  passed: true,
};
const lock: Result = {
  name: 'lock',
  does: 'the last close frame',
  unit: 'ms',
  better: 'less',
  bounds: { goal: 700, limit: 1000 },
  rounds: 1,
  figure: { median: 1145, min: 1145, max: 1145 },
  floors: [],
  passed: false,
};

it('the table has a line for each row and each floor, and aligned columns', () => {
  expect(table([mint, lock])).toBe(
    [
      '      row                    figure (range)          ratio (range)        goal    limit',
      'ok    mint                   512/s (480 to 530)                                            a ticket',
      '        floor without trips  1024/s (1000 to 1100)   0.50 (0.46 to 0.71)  0.55    0.40     a signature',
      'SLOW  lock                   1145 ms (1145 to 1145)                       700 ms  1000 ms  the last close frame',
      '',
    ].join('\n'),
  );
});

it('a comparison has the change of each figure and ratio, and names rows that are new', () => {
  const before = {
    ...mint,
    figure: { median: 256.2 },
    floors: [{ trips: 'none' as const, ratio: { median: 0.4 } }],
  };
  expect(changes([mint, lock], [before])).toBe(
    [
      'mint: figure +100 %, ratio to the floor without trips 0.40 to 0.50 (+25 %)',
      'lock: not in the stored result',
      '',
    ].join('\n'),
  );
});

it('a row whose unit has changed is new', () => {
  expect(changes([mint], [{ ...mint, unit: 'ms' }])).toBe('mint: not in the stored result\n');
});
