const STEP_MS = 10;
/** Only a broken test waits this long; a busy machine may be slow. */
const PATIENCE_MS = 10_000;

/**
 * Asks until the check holds: facts reach the record database a moment after the answer. Unlike `vi.waitFor` it leaves
 * a stopped clock alone.
 */
export async function eventually<T>(check: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}
