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
