import { constants } from 'node:os';

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;

/**
 * npm passes on what the terminal has already sent to everyone, so one Ctrl-C arrives twice. Only a signal that comes
 * later than this after the first is a second wish.
 */
const SAME_WISH_MS = 1_000;

export interface Ending {
  /** Aborted by the first signal. */
  readonly wanted: AbortSignal;
  /** Takes the signals back from code that listened to them meanwhile and would leave without closing anything. */
  reclaim(): void;
}

/** The first signal asks for an orderly end; another one, a moment later, ends at once. */
export function endOnSignal(sameWishMs = SAME_WISH_MS): Ending {
  const wanted = new AbortController();
  let wantedAt = 0;
  const onSignal = (signal: (typeof SIGNALS)[number]): void => {
    if (wanted.signal.aborted && performance.now() - wantedAt > sameWishMs) process.exit(exitCode(signal));
    if (wanted.signal.aborted) return;
    wantedAt = performance.now();
    wanted.abort(signal);
  };
  const reclaim = (): void => {
    for (const signal of SIGNALS) {
      process.removeAllListeners(signal);
      process.on(signal, onSignal);
    }
  };
  reclaim();
  return { wanted: wanted.signal, reclaim };
}

/** As shells count: 128 and the number of the signal. */
export const exitCode = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];
