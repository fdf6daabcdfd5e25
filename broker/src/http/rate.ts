/** What is left of a limit, for the answer's headers. */
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds since 1970 at which the window ends. */
  readonly resetAt: number;
}

/** A limit on one account. */
export interface RateRule {
  /** Whose: one principal, or one address. Canonical, so that no second spelling starts a second count. */
  readonly key: string;
  /** Units per {@link RATE_WINDOW_MS}. */
  readonly limit: number;
  /** Units of this event; left out: 1. */
  readonly cost?: number;
}

export const RATE_WINDOW_MS = 60_000;

/** The window of the limit on instance names. An object that a name has made stays; an hour makes a flood slow. */
export const INSTANCE_WINDOW_MS = 60 * 60_000;

/**
 * Failed credentials per {@link RATE_WINDOW_MS} from one address, and with one client id. Each is verified first, so that
 * a right one passes whatever the counts say; beyond the limit a wrong one is answered "too many", not with its fault.
 */
export const FAILED_CREDENTIALS_LIMIT = 30;

export interface Counter {
  /**
   * Counts one event, refused ones too. Exact under concurrency: of any number of calls at once, `limit` are admitted.
   * Rejects where it cannot count. Counts of one `account` meet in one place.
   */
  count(account: string, rule: RateRule): Promise<Counted>;
}

interface Counted {
  readonly admitted: boolean;
  readonly rate: RateState;
}

/** A window with what was counted in it so far, the event in question too. In ms. */
interface RateWindow {
  readonly startedAt: number;
  readonly count: number;
}

/** What a window says of its newest event. */
export const readWindow = ({ limit }: RateRule, { startedAt, count }: RateWindow): Counted => ({
  admitted: count <= limit,
  rate: {
    limit,
    remaining: Math.max(0, limit - count),
    resetAt: Math.ceil((startedAt + RATE_WINDOW_MS) / 1000),
  },
});

/** {@link secondsUntil} the limit starts anew. `now` in ms. */
export const retryAfterOf = ({ resetAt }: RateState, now: number): number =>
  secondsUntil(resetAt * 1000, now, RATE_WINDOW_MS);

/** Seconds until the end of a window, by the clock of a request; at least 1 and never more than the window. In ms. */
export const secondsUntil = (endsAt: number, now: number, windowMs: number): number =>
  Math.min(windowMs / 1000, Math.max(1, Math.ceil((endsAt - now) / 1000)));
