import fc from 'fast-check';
import { RUNS, SEED } from './property-runs.ts';

/**
 * Sentences about all values of a kind. Tests try the same few hundred values in each run, so that no change fails by
 * chance; `PROPERTY_RUNS=10000`, as `npm run test:long` has it, tries so many new ones. A failure names its seed and the
 * smallest value that it found: `PROPERTY_SEED` tries that again.
 */
const parameters = { numRuns: RUNS, ...(SEED !== undefined && { seed: Number(SEED) }) };

/** Rejects where `holds` throws, or answers `false`, for a value. */
export const forAll = <T>(
  values: fc.Arbitrary<T>,
  holds: (value: T) => unknown | Promise<unknown>,
): Promise<void> =>
  fc.assert(
    fc.asyncProperty(values, async (value) => (await holds(value)) !== false),
    parameters,
  );
