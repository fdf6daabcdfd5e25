const { PROPERTY_RUNS, PROPERTY_SEED } = process.env;

/** Values that a property tries on each run of the first tier. */
const CI_RUNS = 300;
const CI_SEED = 20_261_130;

/** Values that a property tries. */
export const RUNS = Number(PROPERTY_RUNS ?? CI_RUNS);
/** The same values on each run of the first tier; new ones otherwise. */
export const SEED = PROPERTY_SEED ?? (PROPERTY_RUNS === undefined ? CI_SEED : undefined);
/** How many times more values than in the first tier, at least 1: a property has as much more time. */
export const TIMES_MORE = Math.max(1, RUNS / CI_RUNS);

/** For tests in workerd, whose environment are bindings. */
export const PROPERTY_BINDINGS = {
  ...(PROPERTY_RUNS !== undefined && { PROPERTY_RUNS }),
  ...(PROPERTY_SEED !== undefined && { PROPERTY_SEED }),
};
