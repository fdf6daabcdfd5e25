import * as z from 'zod';

/** Changes that each remove or weaken one condition of security, and the tests of which at least one must fail. */

export interface Mutant {
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly original: string;
  readonly replacement: string;
  /** Test files, from the root. */
  readonly tests: readonly string[];
  /** Why no test can fail: the code behaves the same with the change. Left out: a test must fail. */
  readonly survives?: string | undefined;
}

/** The result of the last run of all mutants. */
export const Mutation = z.object({
  at: z.iso.datetime(),
  killed: z.int(),
  /** Survived, as their rows say. */
  named: z.int(),
  survived: z.int(),
});
export type Mutation = z.infer<typeof Mutation>;

export const of = (
  file: string,
  tests: readonly string[],
  changes: readonly (readonly [original: string, replacement: string, survives?: string])[],
): readonly Mutant[] =>
  changes.map(([original, replacement, survives]) => ({ file, original, replacement, tests, survives }));

export const TICKET_TESTS = ['', '-claims', '-header', '-signature', '-spelling'].map(
  (part) => `shared/src/verify-ticket${part}.test.ts`,
);
export const POLICY_TESTS = ['', '-claims', '-rights', '-rollout', '-properties'].map(
  (part) => `broker/src/mint/policy${part}.test.ts`,
);
export const inNode = (name: string): string => `broker/test/node/${name}.test.ts`;
export const RESTORE_TESTS = [inNode('restore')];
export const KEY_TESTS = ['key-life', 'key-forgery', 'rotation', 'key-admin'].map(
  (name) => `broker/test/${name}.test.ts`,
);
export const ARCHIVE_TESTS = ['audit-archive', 'archive-stops', 'archive-faults'].map(inNode);
export const QUERY_TESTS = ['drizzle/test/libsql/queries.test.ts'];
