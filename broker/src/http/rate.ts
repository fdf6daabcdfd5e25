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
  /** Events per {@link RATE_WINDOW_MS}. */
  readonly limit: number;
}

export const RATE_WINDOW_MS = 60_000;

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

/** Seconds until the window is over, by the clock of a request; at least 1. `now` in ms. */
export const retryAfterOf = ({ resetAt }: RateState, now: number): number =>
  Math.max(1, resetAt - Math.floor(now / 1000));

/** One key per IPv4 address and per IPv6 /64, which is what one subscriber holds (RFC 6177 §2). */
export function addressKey(address: string | null): string {
  if (address === null || address === '') return 'unknown';
  if (!address.includes(':')) return address;
  // The URL parser spells an IPv6 address in its one canonical form (WHATWG URL §3.6).
  const canonical = URL.canParse(`http://[${address}]`)
    ? new URL(`http://[${address}]`).hostname.slice(1, -1)
    : address;
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped !== null) return ipv4Of(mapped.slice(1).map((group) => Number.parseInt(group, 16)));
  const [head = '', tail] = canonical.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros =
    tail === undefined ? [] : Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0');
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::/64`;
}

/** An IPv4 address written as IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address. */
const ipv4Of = (groups: readonly number[]): string =>
  groups.flatMap((group) => [group >> 8, group & 255]).join('.');
