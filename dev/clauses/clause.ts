/** One requirement of a standard, in our own words, and the tests that show it here. */
export interface Clause {
  /** As the standard numbers it. */
  readonly at: string;
  readonly asks: string;
  /**
   * `yes`: held as asked. `deviates`: held in another way, or not, with the reason in `how`. `none`: it does not apply, with
   * the reason in `how`.
   */
  readonly held: 'yes' | 'deviates' | 'none';
  readonly how: string;
  /** File, and the title of a test in it as it is written there. None only where the clause does not apply. */
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
