import { constants } from 'node:os';

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;

/**
 * A terminal sends Ctrl-C to every process of its group, and npm sends it again, so one Ctrl-C arrives twice. A signal
 * within this time after the first one counts as the same.
 */
const SAME_SIGNAL_MS = 1_000;

export interface Shutdown {
  /** Aborted by the first signal. */
  readonly requested: AbortSignal;
  /** Removes listeners that other code has added and that would exit without closing anything. */
  listenAlone(): void;
}

/** The first signal requests an orderly shutdown; a later one exits at once. */
export function shutdownOnSignal(sameSignalMs = SAME_SIGNAL_MS): Shutdown {
  const controller = new AbortController();
  let requestedAt = 0;
  const onSignal = (signal: (typeof SIGNALS)[number]): void => {
    if (controller.signal.aborted && performance.now() - requestedAt > sameSignalMs)
      process.exit(exitCode(signal));
    if (controller.signal.aborted) return;
    requestedAt = performance.now();
    controller.abort(signal);
  };
  const listenAlone = (): void => {
    for (const signal of SIGNALS) {
      process.removeAllListeners(signal);
      process.on(signal, onSignal);
    }
  };
  listenAlone();
  return { requested: controller.signal, listenAlone };
}

/** The exit code by the convention of shells: 128 and the number of the signal. */
export const exitCode = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];
