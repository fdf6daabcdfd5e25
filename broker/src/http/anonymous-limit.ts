import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { addressKey, type Ledger, type RateState, retryAfterOf } from '../mint/ledger.ts';
import type { RequestContext } from './call.ts';

/**
 * What a caller without a credential may make a route do, by network address. Where the
 * route reads credentials, whoever shows a right one is not counted.
 */
export type AnonymousLimit =
  /** So many requests per window, counted before anything is read. Each route by itself: one never uses up another. */
  | { readonly counts: 'requests'; readonly limit: number }
  /** Sign-ins that were begun in this browser and come back, counted before the tenant is asked. */
  | { readonly counts: 'sign-ins' }
  /** Asking for tickets, counted with the audit event. */
  | { readonly counts: 'tickets' }
  /** What was shown and is wrong, as failed credentials are: what is right must never be refused. */
  | { readonly counts: 'failures' }
  | { readonly counts: 'nothing'; readonly reason: string };

interface Admitted {
  readonly outcome: Outcome<undefined>;
  readonly rate: RateState | null;
}

/**
 * Sign-ins per address and window: an office behind one address has as many people who begin at once. Each makes the
 * tenant work. Only those that were begun here count, as any page can send its visitors' browsers to the callback, but
 * not with the cookie.
 */
export const SIGN_IN_LIMIT = 60;

/** Counts a stranger's request where the route's rule says so. Rejects while the ledger is out of reach. */
export const admitStranger = async (
  rule: AnonymousLimit,
  path: string,
  call: StrangerCall,
  ledger: Ledger,
): Promise<Admitted> =>
  rule.counts === 'requests' ? count(path, rule.limit, call, ledger) : { outcome: ok(undefined), rate: null };

/** Counts a sign-in that comes back. Rejects while the ledger is out of reach. */
export const admitSignIn = (call: StrangerCall, ledger: Ledger): Promise<Admitted> =>
  count('sign-in', SIGN_IN_LIMIT, call, ledger);

type StrangerCall = Pick<RequestContext, 'ipAddress' | 'now'>;

async function count(
  what: string,
  limit: number,
  { ipAddress, now }: StrangerCall,
  ledger: Ledger,
): Promise<Admitted> {
  const address = `address:${addressKey(ipAddress)}`;
  // All counts of an address meet in one place, so that a flood from there is a burden to nobody else's.
  const { admitted, rate } = await ledger.settle(address, {
    rate: { key: `${address} ${what}`, limit },
  });
  if (admitted || rate === null) return { outcome: ok(undefined), rate };
  return { outcome: err('rate_limited', { retryAfter: retryAfterOf(rate, now) }), rate };
}
