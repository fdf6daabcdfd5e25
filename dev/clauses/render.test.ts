import { expect, it } from 'vitest';
import { none, yes } from './clause.ts';
import { CLAUSE_TABLES, clauseFaults } from './render.ts';

const FILES = [{ path: 'a.test.ts', text: "it('is refused', () => {});" }];
const faultsOf = (clause: Parameters<typeof clauseFaults>[1]) =>
  clauseFaults(FILES, clause).map(({ message }) => message);

it('a clause whose test is there has no fault, nor has one that does not apply', () => {
  expect(faultsOf({ x: [yes('§1', 'a', 'b', ['a.test.ts', 'is refused']), none('§2', 'a', 'b')] })).toEqual(
    [],
  );
});

it.each([
  ['whose test has another title', yes('§1', 'a', 'b', ['a.test.ts', 'is taken'])],
  ['whose test is in no file', yes('§1', 'a', 'b', ['b.test.ts', 'is refused'])],
  ['that applies and names no test', yes('§1', 'a', 'b')],
])('a clause %s is a fault that names it', (_what, clause) => {
  expect(faultsOf({ x: [clause] })).toEqual([expect.stringContaining('x §1')]);
});

it('every standard has a table', () => {
  for (const table of Object.values(CLAUSE_TABLES)) expect(table().split('\n').length).toBeGreaterThan(5);
});
