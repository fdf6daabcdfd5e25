/** So many refusals with one reason at one agent, in the minute that begins at `minute`. */
type RefusalCount = {
  readonly event: 'refusals';
  /** ISO 8601, the seconds zero. */
  readonly minute: string;
  readonly reason: string;
  /** Slug of a known agent; left out where none was named. */
  readonly agent?: string;
  readonly count: number;
};

const MINUTE_MS = 60_000;

/**
 * Counts refusals of anonymous callers, so that a flood of them writes a few log lines a minute. Best effort: a minute
 * is reported with the first request of a later minute, so an isolate that ends loses its last counts. Each isolate
 * reports its own counts; the total is their sum.
 *
 * Pass only reasons and agents of closed lists, never a caller's text: each pair is held in memory until its minute
 * ends.
 */
export function createRefusalTally(report: (count: RefusalCount) => void) {
  let began = 0;
  let counts = new Map<string, Omit<RefusalCount, 'event' | 'minute'>>();

  /** Reports what was counted in an earlier minute than this, in ms. */
  function flush(now: number): void {
    const minute = now - (now % MINUTE_MS);
    if (minute === began) return;
    const over = [...counts.values()];
    const name = new Date(began).toISOString();
    [began, counts] = [minute, new Map()];
    for (const each of over) report({ event: 'refusals', minute: name, ...each });
  }

  return {
    flush,

    /** `now` in ms. */
    count(reason: string, agent: string | undefined, now: number): void {
      flush(now);
      const key = `${reason} ${agent ?? ''}`;
      const sofar = counts.get(key)?.count ?? 0;
      counts.set(key, { reason, ...(agent === undefined ? {} : { agent }), count: sofar + 1 });
    },
  };
}
export type RefusalTally = ReturnType<typeof createRefusalTally>;
