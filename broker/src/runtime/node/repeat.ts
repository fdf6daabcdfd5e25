export interface Repeating {
  /** No further run begins; resolves when the one under way is over. */
  stop(): Promise<void>;
}

/** Runs `work` at once and then each `everyMs` from one start to the next, never two at a time. `work` must not reject. */
export function repeat(
  work: () => Promise<void>,
  everyMs: number,
  { clock, wait }: { readonly clock: () => number; readonly wait: Wait },
): Repeating {
  let isStopped = false;
  let wake = (): void => {};
  async function loop(): Promise<void> {
    while (!isStopped) {
      const startedAt = clock();
      await work();
      if (isStopped) return;
      // A run that took longer than the interval is followed at once by the next; the runs that it missed are skipped.
      const timer = wait(Math.min(everyMs, Math.max(0, startedAt + everyMs - clock())));
      wake = timer.cancel;
      await timer.over;
    }
  }
  const looping = loop();
  return {
    stop(): Promise<void> {
      isStopped = true;
      wake();
      return looping;
    },
  };
}

/** A pause that can be cancelled. */
type Wait = (ms: number) => { readonly over: Promise<void>; readonly cancel: () => void };

export const wait: Wait = (ms) => {
  let cancel = (): void => {};
  const over = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    cancel = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  return { over, cancel };
};
