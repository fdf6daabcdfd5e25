import { vi } from 'vitest';

/** Waits for an effect that nobody announces; the first time that `look` does not throw counts. */
export const eventually = <T>(look: () => T | Promise<T>, timeout = 10_000): Promise<T> =>
  vi.waitFor(look, { timeout, interval: 20 });
