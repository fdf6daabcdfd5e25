/** When the next mint may start. One pace serves all providers of one agent instance on a page. */
export interface Pace {
  /** Milliseconds to wait; 0: now. `away`: nobody sees the page, or the browser says that it is offline. */
  wait(away: boolean): number;
  /** A mint starts. `lasting`: for a socket, whose life will prove it. */
  started(lasting: boolean): void;
  /** No ticket came, or its socket did not last. `retryAfterMs`: the broker's own word on when. */
  failed(retryAfterMs?: number): void;
  /** A socket lasted. */
  proved(): void;
  /** A socket opened, was spoken to, and was closed by this side: it was of use, and no part of a loop. */
  used(): void;
  /** A socket that had lasted was lost. */
  lost(): void;
  /** A socket opened, or network or person are back: no reason to wait, except for what the broker said. */
  hurry(): void;
}

type Range = readonly [least: number, most: number];

/** However it fails, five mints in a minute are the most… */
const WINDOW_MS = 60_000;
const WINDOW_MINTS = 5;
/**
 * …and no gap between them is longer than what a person who waits for the broker to come back would bear: 0, 5–8, then
 * every 14 s makes five in the first minute, and the first after a recovery comes within 15 s. The first range is wide
 * so that all tabs of a deployment do not come back in step.
 */
const FIRST_RETRY: Range = [5_000, 8_000];
const LATER_RETRY: Range = [13_500, 14_500];
/** An agent that restarts loses all its sockets at once. The stock client would come back after 3 s sharp. */
const AFTER_LOSS: Range = [3_000, 5_000];
/**
 * After a failure, while the person or the network is away. Not before one: a page may be offline and its broker on
 * the same machine, and some browsers are wrong about it.
 */
const AWAY_MS = 60_000;
/** A `Retry-After` beyond this is taken for a mistake. */
const RETRY_AFTER_MAX_MS = 300_000;

export function createPace(clock: () => number, random: () => number): Pace {
  /** Starts of mints that no lasting socket has answered for. */
  let starts: number[] = [];
  let lastStart = 0;
  let failures = 0;
  let notBefore = 0;
  let toldNotBefore = 0;

  const within = ([least, most]: Range): number => least + random() * (most - least);
  const backoff = (): number => (failures === 0 ? 0 : within(failures === 1 ? FIRST_RETRY : LATER_RETRY));

  return {
    wait(away) {
      const at = clock();
      starts = starts.filter((start) => at - start < WINDOW_MS);
      const window = (starts.at(-WINDOW_MINTS) ?? -WINDOW_MS) + WINDOW_MS;
      const back = away && failures > 0 ? lastStart + AWAY_MS : 0;
      return Math.max(at, notBefore, toldNotBefore, window, back) - at;
    },
    started(lasting) {
      lastStart = clock();
      if (lasting) starts.push(lastStart);
      // While it fails, one tries for all until its socket opens.
      notBefore = lastStart + backoff();
    },
    failed(retryAfterMs = 0) {
      failures += 1;
      notBefore = Math.max(notBefore, lastStart + backoff());
      toldNotBefore = clock() + Math.min(retryAfterMs, RETRY_AFTER_MAX_MS) + random() * 1_000;
    },
    proved() {
      failures = 0;
      starts = [];
    },
    used() {
      starts.shift();
    },
    lost() {
      notBefore = clock() + within(AFTER_LOSS);
    },
    hurry() {
      notBefore = 0;
    },
  };
}
