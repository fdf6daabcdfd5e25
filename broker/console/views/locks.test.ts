import { expect, it } from 'vitest';
import { isComplete } from './locks.tsx';

it.each([
  ['instance', 'counter/a', true],
  ['instance', 'counter', false],
  ['instance', 'counter/', false],
  ['instance', '/a', false],
  ['agent', 'counter', true],
  ['agent', '', false],
  ['everything', '', true],
] as const)('whether a lock of the kind %s has its whole name in %j: %s', (kind, name, isWhole) => {
  expect(isComplete(kind, name)).toBe(isWhole);
});
