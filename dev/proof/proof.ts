import * as z from 'zod';
import { table } from '../check/markdown.ts';
import type { File, Suite } from './suites.ts';

/** The results of a run of the suites. */
export const Proof = z.object({
  at: z.iso.datetime(),
  commit: z.string(),
  suites: z.array(
    z.object({
      name: z.string(),
      cases: z.int(),
      passed: z.int(),
      failed: z.int(),
      skipped: z.int(),
      /** Counts of answers by status or close code, if the tests of the suite report them. */
      refused: z.record(z.string(), z.int()),
    }),
  ),
});
export type Proof = z.infer<typeof Proof>;

const Result = z.object({
  status: z.enum(['passed', 'failed', 'skipped', 'pending', 'todo', 'disabled']),
  meta: z.object({ refused: z.record(z.string(), z.int()).optional() }).default({}),
});
/** The part of the JSON report of vitest that this program reads. */
export const Report = z.object({
  testResults: z.array(z.object({ name: z.string(), assertionResults: z.array(Result) })),
});
export type Report = z.infer<typeof Report>;

/** The report of one run, with the workspace and the project. */
export interface Ran extends Pick<File, 'workspace' | 'project'> {
  readonly report: Report;
}

/** The results of each suite. Throws if a suite has no results, because it would look like a suite without failures. */
export function proofOf(suites: readonly Suite[], runs: readonly Ran[], root: string): Proof['suites'] {
  return suites.map(({ name, files }) => {
    const results = files.flatMap((file) => {
      const found = runs
        .filter(({ workspace, project }) => workspace === file.workspace && project === file.project)
        .flatMap(({ report }) => report.testResults)
        .filter((each) => each.name.startsWith(`${root}${file.workspace}/${file.path}`))
        .flatMap(({ assertionResults }) => assertionResults);
      if (found.length === 0)
        throw new Error(`no test of "${name}" begins with ${file.workspace}/${file.path}`);
      return found;
    });
    const count = (...statuses: readonly string[]): number =>
      results.filter(({ status }) => statuses.includes(status)).length;
    const refused: Record<string, number> = {};
    for (const { meta } of results)
      for (const [answer, times] of Object.entries(meta.refused ?? {}))
        refused[answer] = (refused[answer] ?? 0) + times;
    return {
      ...{ name, cases: results.length, passed: count('passed'), failed: count('failed') },
      ...{ skipped: count('skipped', 'pending', 'todo', 'disabled'), refused },
    };
  });
}

const refusedText = (refused: Readonly<Record<string, number>>): string =>
  Object.entries(refused)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([answer, times]) => `${answer}: ${times}`)
    .join(', ');

/** The table of a proof, in Markdown. */
export function proofTable({ suites }: Pick<Proof, 'suites'>): string {
  const sum = (member: 'cases' | 'passed' | 'failed' | 'skipped'): number =>
    suites.reduce((total, each) => total + each[member], 0);
  return table(
    ['suite', 'cases', 'passed', 'failed', 'skipped', 'answers, by status or close code'],
    [
      ...suites.map((each) => [
        each.name,
        each.cases,
        each.passed,
        each.failed,
        each.skipped,
        refusedText(each.refused),
      ]),
      ['all', sum('cases'), sum('passed'), sum('failed'), sum('skipped'), ''],
    ],
  );
}
