import type { ClientPorts } from './ports.ts';

/** Decides when the next mint may start. */
export interface MintSchedule {
  /** Milliseconds that have passed, see {@link monotonicClock}. */
  clock(): number;
  /** Milliseconds to wait; 0: now. `away`: the page is hidden, or the browser reports that it is offline. */
  wait(away: boolean): number;
  /** A mint starts. `forSocket`: the ticket is for a socket, whose life decides whether the mint counts. */
  started(forSocket: boolean): void;
  /** No ticket came, or its socket did not last. `retryAfterMs`: the broker's `Retry-After`. */
  failed(retryAfterMs?: number): void;
  /** A socket lasted. */
  lasted(): void;
  /**
   * A socket opened, received a frame, and was closed by this side. Such a socket was used, and is no part of a loop.
   */
  used(): void;
  /** A socket that had lasted was lost. */
  lost(): void;
  /** A socket opened, or the network or the person is back. The only reason to wait is the broker's `Retry-After`. */
  retryNow(): void;
}

type Range = readonly [least: number, most: number];

/** At most five mints a minute start, however the mints fail. */
const WINDOW_MS = 60_000;
const WINDOW_MINTS = 5;
/**
 * The waits are short enough for a person who waits for the broker's recovery. Mints after 0 s, 5–8 s and then every 14 s are
 * five in the first minute, and the first mint after a recovery comes within 15 s. The first range is wide, so that the
 * tabs of a deployment do not retry at the same time.
 */
const FIRST_RETRY: Range = [5_000, 8_000];
const LATER_RETRY: Range = [13_500, 14_500];
/** An agent that restarts loses all its sockets at once. The stock client would reconnect after exactly 3 s. */
const AFTER_LOSS: Range = [3_000, 5_000];
/**
 * The wait after a failure, while the page is hidden or offline. Before a failure there is no such wait: the broker of an
 * offline page may be on the same machine, and some browsers report `offline` wrongly.
 */
const AWAY_MS = 60_000;
/** A longer `Retry-After` counts as a mistake. */
const RETRY_AFTER_MAX_MS = 300_000;
/** A page that creates so many providers of one instance so fast creates one in each render, which is a mistake. */
const RENDERED_PROVIDERS = 20;
const RENDERED_WITHIN_MS = 10_000;

const instances: Record<string, { readonly schedule: MintSchedule; providers: number }> = {};

/**
 * The schedule that all providers of one agent instance share, so that a component that creates a provider in each render
 * cannot exceed the limits. Throws a `TypeError` if a browser keeps creating providers: each one would replace the socket
 * of the provider before it, without an end.
 */
export function scheduleFor(
  key: string,
  { now, random, after }: Pick<ClientPorts, 'now' | 'random' | 'after'>,
  browser: boolean,
): MintSchedule {
  instances[key] ??= { schedule: createSchedule(monotonicClock(now), random), providers: 0 };
  const instance = instances[key];
  if (browser) {
    if (++instance.providers > RENDERED_PROVIDERS) throw new TypeError('once, not in each render');
    after(RENDERED_WITHIN_MS, () => {
      instance.providers--;
    });
  }
  return instance.schedule;
}

function createSchedule(clock: () => number, random: () => number): MintSchedule {
  /** Starts of mints whose socket has not lasted. */
  let starts: number[] = [];
  let lastStart = 0;
  let failures = 0;
  let notBefore = 0;
  let retryAfter = 0;

  const within = ([least, most]: Range): number => least + random() * (most - least);
  const backoff = (): number => failures && within(failures > 1 ? LATER_RETRY : FIRST_RETRY);

  return {
    clock,
    wait(away) {
      const at = clock();
      starts = starts.filter((start) => at - start < WINDOW_MS);
      const window = (starts.at(-WINDOW_MINTS) ?? -WINDOW_MS) + WINDOW_MS;
      const back = away && failures ? lastStart + AWAY_MS : 0;
      return Math.max(at, notBefore, retryAfter, window, back) - at;
    },
    started(forSocket) {
      lastStart = clock();
      if (forSocket) starts.push(lastStart);
      // During an outage, one client retries for all until its socket opens.
      notBefore = lastStart + backoff();
    },
    failed(retryAfterMs = 0) {
      failures++;
      notBefore = Math.max(notBefore, lastStart + backoff());
      retryAfter = clock() + Math.min(retryAfterMs, RETRY_AFTER_MAX_MS) + random() * 1_000;
    },
    lasted() {
      failures = 0;
      starts = [];
    },
    used() {
      starts.shift();
    },
    lost() {
      notBefore = clock() + within(AFTER_LOSS);
    },
    retryNow() {
      notBefore = 0;
    },
  };
}

/**
 * Milliseconds since its creation, by a clock that a person may set. Sleep of the machine counts. A clock that is set back
 * counts as no time, so that nothing waits until that clock is correct again.
 */
function monotonicClock(now: () => number): () => number {
  let last = now();
  let elapsed = 0;
  return () => {
    const at = now();
    elapsed += Math.max(0, at - last);
    last = at;
    return elapsed;
  };
}
