import type { Result } from './run.ts';

/**
 * Finds few actions with which a run still breaks the same promise, and the violations of that run. Leaves out halves of the
 * actions, then quarters, down to single actions. Ends when the run needs each remaining action.
 */
export async function shrink(
  result: Result,
  kept: readonly number[] | undefined,
  simulate: (seed: number, kept: readonly number[]) => Promise<Result>,
): Promise<{ readonly actions: readonly number[]; readonly violations: readonly string[] }> {
  const promiseOf = (violation: string | undefined): string | undefined => violation?.split(':')[0];
  const broken = promiseOf(result.violations[0]);
  let actions: readonly number[] = kept ?? result.actions.map((_, index) => index);
  let { violations } = result;
  for (let size = Math.ceil(actions.length / 2); size >= 1; ) {
    let isShorter = false;
    for (let from = 0; from < actions.length; ) {
      const fewer = [...actions.slice(0, from), ...actions.slice(from + size)];
      const again = await simulate(result.seed, fewer);
      if (again.violations.some((each) => promiseOf(each) === broken)) {
        ({ violations } = again);
        actions = fewer;
        isShorter = true;
      } else from += size;
    }
    // After an action was removed, another one may no longer be needed, so all single actions are tried again.
    size = size === 1 && isShorter ? 1 : Math.floor(size / 2);
  }
  return { actions, violations };
}
