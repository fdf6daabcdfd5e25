import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import type { CallFacts } from './http/call.ts';
import { addressKey, type Ledger, type RateState } from './ledger.ts';

/** What a caller without a credential may make a route do, by network address. Whoever has a right one is not counted. */
export type StrangerRule =
  /** So many requests per window, counted before anything is read. Each route by itself: one never uses up another. */
  | { readonly counts: 'requests'; readonly limit: number }
  /** Asking for tickets, counted with the audit event. */
  | { readonly counts: 'tickets' }
  /** What was shown and is wrong, as failed credentials are: what is right must never be refused. */
  | { readonly counts: 'failures' }
  | { readonly counts: 'nothing'; readonly because: string };

export interface Admitted {
  readonly outcome: Outcome<undefined>;
  readonly rate: RateState | null;
}

/** Counts a stranger's request where the route's rule says so. Rejects while the ledger is out of reach. */
export async function admitStranger(
  rule: StrangerRule,
  path: string,
  { ipAddress, now }: Pick<CallFacts, 'ipAddress' | 'now'>,
  ledger: Ledger,
): Promise<Admitted> {
  if (rule.counts !== 'requests') return { outcome: allow(undefined), rate: null };
  const address = `address:${addressKey(ipAddress)}`;
  // All counts of an address meet in one place, so that a flood from there is a burden to nobody else's.
  const { admitted, rate } = await ledger.settle(address, {
    rate: { key: `${address} ${path}`, limit: rule.limit },
  });
  if (admitted || rate === null) return { outcome: allow(undefined), rate };
  const retryAfter = Math.max(1, rate.resetAt - Math.floor(now / 1000));
  return { outcome: deny('rate_limited', { retryAfter }), rate };
}
