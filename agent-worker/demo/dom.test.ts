import { expect, test } from 'vitest';
import { remainingTime } from './dom.ts';

const NOW = 1_700_000_000_000;

test.for([
  [3_600_000, 'for 60 minutes'],
  [120_000, 'for 2 minutes'],
  [119_000, 'for 119 seconds'],
  [1_000, 'for 1 second'],
  [0, 'is over'],
  [-5_000, 'is over'],
] as const)('%d ms ahead: %s', ([ahead, text]) => {
  expect(remainingTime(NOW + ahead, NOW)).toBe(text);
});
