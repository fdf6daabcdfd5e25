import { expect, it } from 'vitest';
import { checkReport, outcomeOf, runCommand, summary } from './report.ts';

it('a check without faults is one line', () => {
  expect(checkReport('names', outcomeOf([]), false)).toBe('✓ names');
});

it('a failing check shows every fault', () => {
  const outcome = outcomeOf([
    { file: 'a.ts', line: 3, message: 'one' },
    { file: 'b.ts', message: 'two' },
  ]);
  expect(checkReport('names', outcome, false)).toBe('✗ names\n    a.ts:3  one\n    b.ts  two');
});

it('a check that fails without output is reported as such', () => {
  expect(checkReport('lint', { passed: false, output: '' }, false)).toContain('without output');
});

it('the mark has a colour on request', () => {
  expect(checkReport('names', outcomeOf([]), true)).toContain('\u001b[32m');
});

it('the summary counts both', () => {
  const failing = { passed: false, output: '' };
  expect(summary([failing, outcomeOf([]), outcomeOf([])])).toBe('checks: 2 passed, 1 failed');
});

it('a command passes by its exit code, and a missing one fails', () => {
  expect(runCommand(['node', '-e', ''])).toEqual({ passed: true, output: '' });
  const failed = runCommand(['node', '-e', 'console.error("why"); process.exit(3)']);
  expect(failed).toMatchObject({ passed: false, output: expect.stringMatching(/why\n.* ended with 3$/) });
  expect(runCommand(['no-such-command'])).toMatchObject({ passed: false });
});

it('a note is shown whether a check passes or not', () => {
  expect(checkReport('x', { passed: true, output: '', note: '3 checked' }, false)).toBe('✓ x (3 checked)');
  expect(checkReport('x', { passed: false, output: 'a', note: '3 checked' }, false)).toBe(
    '✗ x (3 checked)\n    a',
  );
});
