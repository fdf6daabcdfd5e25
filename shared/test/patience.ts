import { TIMES_MORE } from './property-runs.ts';

/** How long a test waits for what must come, in ms. Only a broken one waits so long; a busy machine may be slow. */
export const PATIENCE_MS = 60_000;

/**
 * For each project of tests. No test is late for the machine's sake; those of more than a thousand steps say so, and those of
 * properties have time for each value. Files
 * share a process and its modules, unless the project says otherwise: modules take longer to load than most files to
 * run. What a test changes in its process, such as a global or the clock, it puts back.
 */
export const PATIENT = {
  testTimeout: 2 * PATIENCE_MS * TIMES_MORE,
  hookTimeout: 2 * PATIENCE_MS,
  isolate: false,
} as const;
