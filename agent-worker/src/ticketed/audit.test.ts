import { expect, test } from 'vitest';
import { recordedText } from './audit.ts';

test.each([
  ['increment', 'increment'],
  ['keyJoin', 'keyJoin'],
  ['x'.repeat(300), 'x'.repeat(128)],
  [`atk_${'a1B'.repeat(16)}z`, '[redacted]'],
  [`a${'eyJ'.repeat(21_000)}.`, `a${'eyJ'.repeat(42)}e`],
  [`say atk_${'a1B'.repeat(16)}z`, 'say [redacted]'],
  ['eyJhbGciOiJFUzI1NiJ9', '[redacted]'],
  ['my eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln', 'my [redacted]'],
])('a method or a detail %s is kept as %s', (method, kept) => {
  expect(recordedText(method)).toBe(kept);
});
