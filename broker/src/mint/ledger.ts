import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Tier } from '@agent-ticket/shared/names.ts';
import type { Authenticated } from '../credentials/principal.ts';

/** What is left of a limit, for the answer's headers. */
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds since 1970 at which the window ends. */
  readonly resetAt: number;
}

/** What one account may still do, counted where its events rest. */
export interface RateRule {
  /** Whose: one principal, or one address. Canonical, so that no second spelling starts a second count. */
  readonly key: string;
  /** Events per window. */
  readonly limit: number;
}

export interface LedgerEntry {
  /** Left out: neither counted nor limited. */
  readonly rate?: RateRule;
  /** Written if the limit lets it pass, durably before this resolves. Left out: only counted. */
  readonly event?: AuditEvent;
  /**
   * What the caller was after, for the `rate.limited` event of a request that the limit refuses. Left out: `event`. Given
   * alone where passing writes nothing.
   */
  readonly wanted?: AuditEvent;
}

export type LedgerAnswer =
  | { readonly admitted: true; readonly rate: RateState | null }
  | { readonly admitted: false; readonly rate: RateState };

/** Seconds until the window is over, by the clock of a request; at least 1. `now` in ms. */
export const retryAfterOf = ({ resetAt }: RateState, now: number): number =>
  Math.max(1, resetAt - Math.floor(now / 1000));

/**
 * Counts and records in one hop. Rejects when the event could not be made durable, in which case nothing may be
 * issued on it. Exact under concurrency: of any number of calls at once, `limit` are admitted.
 */
export interface Ledger {
  settle(account: string, entry: LedgerEntry): Promise<LedgerAnswer>;

  /** What is durable and not yet in the record database. Left out where nothing ever waits. */
  waiting?(): Promise<Waiting>;
}

/** Events on their way to the record database. */
export interface Waiting {
  /** In the ledger itself. */
  readonly events: number;
  /** In objects of agents that could not deliver and said so within the last minute. */
  readonly agents: { readonly objects: number; readonly events: number };
  /** When the oldest of all these came to be, in ms; `undefined`: nothing waits. */
  readonly since: number | undefined;
}

export const RATE_WINDOW_MS = 60_000;

/** Requests per {@link RATE_WINDOW_MS}; `null`: not counted at all. */
export const RATE_LIMITS: Readonly<Record<Tier | 'anonymous', number | null>> = {
  anonymous: 30,
  free: 60,
  pro: 600,
  admin: null,
};

/**
 * Failed credentials per {@link RATE_WINDOW_MS} from one address, and with one client id. Each is verified first, so that
 * a right one passes whatever the counts say; beyond the limit a wrong one hears "too many", not what is wrong with it.
 */
export const FAILED_CREDENTIALS_LIMIT = 30;

/** The account that a request is counted under, and its rule. Strangers share one account per network address. */
export function rateOf(
  who: Authenticated,
  address: string | null,
): { account: string; rate: RateRule | undefined } {
  const stranger = who.method === 'anonymous';
  const account = stranger ? `address:${addressKey(address)}` : who.principal.id;
  const limit = RATE_LIMITS[stranger ? 'anonymous' : who.principal.tier];
  return { account, rate: limit === null ? undefined : { key: account, limit } };
}

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
