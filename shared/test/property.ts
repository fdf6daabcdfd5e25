import fc from 'fast-check';

/**
 * Sentences about all values of a kind. Tests try the same few hundred values in each run, so that no change fails by
 * chance; `PROPERTY_RUNS=10000`, as `npm run test:long` has it, tries so many new ones. A failure names its seed and the
 * smallest value that it found: `PROPERTY_SEED` tries that again.
 */
const { PROPERTY_RUNS, PROPERTY_SEED } = process.env;
const CI_RUNS = 300;
const CI_SEED = 20_261_130;

const seed = PROPERTY_SEED ?? (PROPERTY_RUNS === undefined ? CI_SEED : undefined);
const parameters = {
  numRuns: Number(PROPERTY_RUNS ?? CI_RUNS),
  ...(seed !== undefined && { seed: Number(seed) }),
};

/** Rejects where `holds` throws, or answers `false`, for a value. */
export const forAll = <T>(
  values: fc.Arbitrary<T>,
  holds: (value: T) => unknown | Promise<unknown>,
): Promise<void> =>
  fc.assert(
    fc.asyncProperty(values, async (value) => (await holds(value)) !== false),
    parameters,
  );
