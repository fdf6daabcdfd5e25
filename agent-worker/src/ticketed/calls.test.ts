import { expect, test } from 'vitest';
import { methodName } from './calls.ts';

test.each([
  ['increment', 'increment'],
  ['keyJoin', 'keyJoin'],
  ['x'.repeat(300), 'x'.repeat(128)],
  [`atk_${'a1B'.repeat(16)}z`, '[redacted]'],
  [`say atk_${'a1B'.repeat(16)}z`, 'say [redacted]'],
  ['eyJhbGciOiJFUzI1NiJ9', '[redacted]'],
  ['my eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln', 'my [redacted]'],
])('the method %s is kept as %s', (method, kept) => {
  expect(methodName(method)).toBe(kept);
});
