import { addressKey } from '@agent-ticket/shared/anonymous.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { RequestContext } from '../http/context.ts';
import { type Counter, type RateState, retryAfterOf } from '../http/rate.ts';
import type { AnonymousLimit } from './call.ts';

interface AnonymousCount {
  readonly outcome: Outcome<undefined>;
  readonly rate: RateState | null;
}

type AnonymousCall = Pick<RequestContext, 'ipAddress' | 'now'>;

/** Counts an anonymous request where the route's limit counts requests. Rejects while the counter is unreachable. */
export const countAnonymous = async (
  { path, anonymousLimit }: { readonly path: string; readonly anonymousLimit: AnonymousLimit },
  call: AnonymousCall,
  counter: Counter,
): Promise<AnonymousCount> =>
  anonymousLimit.counts === 'requests'
    ? count(path, anonymousLimit.limit, call, counter)
    : { outcome: ok(undefined), rate: null };

async function count(
  counted: string,
  limit: number,
  { ipAddress, now }: AnonymousCall,
  counter: Counter,
): Promise<AnonymousCount> {
  // All counts of an address share one account, so that a flood from there slows no other address down.
  const account = `address:${addressKey(ipAddress)}`;
  const { admitted, rate } = await counter.count(account, { key: `${account} ${counted}`, limit });
  if (admitted) return { outcome: ok(undefined), rate };
  return { outcome: err('rate_limited', { retryAfter: retryAfterOf(rate, now) }), rate };
}
