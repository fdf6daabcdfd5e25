import { vi } from 'vitest';

/**
 * The time at which every test begins, in seconds. Far ahead of any machine's clock, so that no alarm rings before a
 * test rings it: the runtime compares alarms with its own clock, which nothing here can move.
 */
export const NOW = 4_000_000_000;

/** Moves the clock to so many seconds after {@link NOW}. */
export const setClock = (secondsAfterNow: number): void => {
  vi.setSystemTime((NOW + secondsAfterNow) * 1000);
};

const STEP_MS = 10;
const PATIENCE_MS = 3_000;

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
