import { expect, it } from 'vitest';
import { table } from './report.ts';

it('the table says of each contest whether it holds, and lines its columns up', () => {
  const common = { ours: 'a ticket', floor: 'a signature', perSecond: { ours: 512.4, floor: 1024 } };
  const ratio = { median: 0.5, min: 0.456, max: 0.71 };
  expect(
    table([
      { ...common, name: 'mint', ratio, atLeast: 0.3, holds: true },
      { ...common, name: 'admit', ratio, atLeast: 0.6, holds: false },
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
