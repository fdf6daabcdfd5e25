import { expect, it } from 'vitest';
import { lengthOf } from './words.tsx';

it.each([
  [0, '0 seconds'],
  [1, '1 second'],
  [119, '119 seconds'],
  [120, '2 minutes'],
  [3600, '1 hour'],
  [5400, '90 minutes'],
  [86_400, '1 day'],
  [200_000, '2 days'],
  [-5, '0 seconds'],
])('%d seconds are %s', (seconds, text) => {
  expect(lengthOf(seconds)).toBe(text);
});
