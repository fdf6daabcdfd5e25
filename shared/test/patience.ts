/** How long a test waits for what must come, in ms. Only a broken one waits so long; a busy machine may be slow. */
export const PATIENCE_MS = 60_000;

/** For each project of tests: no test is late for the machine's sake. Those of more than a thousand steps say so. */
export const PATIENT = { testTimeout: 2 * PATIENCE_MS, hookTimeout: 2 * PATIENCE_MS } as const;
