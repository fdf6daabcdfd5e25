import { expect, it } from 'vitest';
import { proofOf, proofTable, type Ran, Report } from './proof.ts';
import type { Suite } from './suites.ts';

const SUITE: Suite = { name: 'a suite', files: [{ workspace: 'dev', project: 'e2e', path: 'e2e/a' }] };
const ran = (file: string, ...results: object[]): Ran => ({
  workspace: 'dev',
  project: 'e2e',
  report: Report.parse({ testResults: [{ name: file, assertionResults: results }] }),
});

it('a suite has the results of its files, and what was refused in them', () => {
  const run = ran(
    '/sources/dev/e2e/a.test.ts',
    { status: 'passed', meta: { refused: { 400: 2 } } },
    { status: 'failed', meta: { refused: { 400: 1, 401: 1 } } },
    { status: 'skipped' },
  );
  const [proof] = proofOf(
    [SUITE],
    [run, ran('/sources/dev/e2e/b.test.ts', { status: 'failed' })],
    '/sources/',
  );
  expect(proof).toEqual({
    ...{ name: 'a suite', cases: 3, passed: 1, failed: 1, skipped: 1 },
    refused: { 400: 3, 401: 1 },
  });
});

it('a suite without a test is no proof', () => {
  expect(() =>
    proofOf([SUITE], [ran('/sources/dev/e2e/b.test.ts', { status: 'passed' })], '/sources/'),
  ).toThrow('e2e/a');
});

it('the table ends with the sums', () => {
  const suite = { name: 'x', cases: 2, passed: 1, failed: 0, skipped: 1, refused: { 401: 2, 400: 1 } };
  const lines = proofTable({ suites: [suite, suite] }).split('\n');
  expect(lines[2]).toContain('400: 1, 401: 2');
  expect(lines.at(-1)).toMatch(/all +\| 4 +\| 2 +\| 0 +\| 2/);
});
