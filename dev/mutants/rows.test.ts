import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ROOT } from '../quiet-environment.ts';
import { MUTANTS } from './rows.ts';

it('each mutant fits the code: its original text is in its file exactly once, and its tests are there', () => {
  const misfits = MUTANTS.flatMap(({ file, original, replacement, tests }) => {
    const parts = existsSync(ROOT + file) ? readFileSync(ROOT + file, 'utf8').split(original).length - 1 : 0;
    const missing = tests.filter((test) => !existsSync(ROOT + test));
    const changes = original !== replacement;
    return parts === 1 && missing.length === 0 && changes ? [] : [{ file, original, parts, missing }];
  });
  expect(misfits).toEqual([]);
});

it('no mutant is there twice', () => {
  const names = MUTANTS.map(({ file, original, replacement }) =>
    JSON.stringify([file, original, replacement]),
  );
  expect(new Set(names).size).toBe(names.length);
});
