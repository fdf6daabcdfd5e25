import { expect, test } from 'vitest';
import { momentBetween, timeOf } from './ticket-time.ts';

const IAT = 1_700_000_000;
const TIMES = { iat: IAT, exp: IAT + 60 };

test.for([
  [IAT, 'Expires in 60 seconds', 1],
  [IAT + 30, 'Expires in 30 seconds', 0.5],
  [IAT + 58.2, 'Expires in 2 seconds', 0.03],
  [IAT + 59.5, 'Expires in 1 second', 0.008],
  [IAT + 60, 'Expired', 0],
  [IAT + 1000, 'Expired', 0],
  [IAT - 20, 'Expires in 80 seconds', 1],
] as const)('at %d the page says "%s"', ([now, text, left]) => {
  const time = timeOf(TIMES, now);
  expect(time.text).toBe(text);
  expect(time.left).toBeCloseTo(left);
  expect(time.over).toBe(text === 'Expired');
});

test('half a minute, ten seconds and the end are said aloud, once each', () => {
  const said: number[] = [];
  for (let now = IAT; now < IAT + 70; now += 0.5) {
    const moment = momentBetween(TIMES.exp, now - 0.5, now);
    if (moment !== undefined) said.push(moment);
  }
  expect(said).toEqual([30, 10, 0]);
});
