/** One requirement of a standard in our own words, and the tests that show how the project meets it. */
export interface Clause {
  /** The number of the requirement in the standard. */
  readonly at: string;
  readonly asks: string;
  /**
   * `yes`: met as the standard asks. `deviates`: met in another way, or not met, with the reason in `how`. `none`: does not
   * apply, with the reason in `how`.
   */
  readonly held: 'yes' | 'deviates' | 'none';
  readonly how: string;
  /** The file and the exact title of each test. Empty only if the clause does not apply. */
  readonly tests: readonly (readonly [file: string, title: string])[];
}

export const yes = (at: string, asks: string, how: string, ...tests: Clause['tests']): Clause => ({
  ...{ at, asks, how, tests },
  held: 'yes',
});
export const deviates = (at: string, asks: string, how: string, ...tests: Clause['tests']): Clause => ({
  ...{ at, asks, how, tests },
  held: 'deviates',
});
export const none = (at: string, asks: string, how: string): Clause => ({
  ...{ at, asks, how, tests: [] },
  held: 'none',
});
