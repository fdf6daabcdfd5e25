import { PATIENCE_MS } from './patience.ts';

const STEP_MS = 10;

/**
 * Asks until the check holds: facts reach the record database a moment after the answer. Unlike `vi.waitFor` it leaves
 * a stopped clock alone.
 */
export async function eventually<T>(check: () => T | Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}
