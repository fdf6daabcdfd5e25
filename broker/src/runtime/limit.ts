import { addressKey } from '@agent-ticket/shared/anonymous.ts';
import type { Denial } from '@agent-ticket/shared/denial.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { RequestContext } from '../http/context.ts';
import { isFromOtherOrigin } from '../http/other-origin.ts';
import { type RateRule, type RateState, retryAfterOf } from '../http/rate.ts';
import { accountOf, rateRuleOf } from '../mint/shard.ts';
import { COSTS, type HandlerResult, type Limit } from './call.ts';
import type { BrokerPorts } from './ports.ts';

export interface Counted {
  readonly outcome: Outcome<undefined>;
  /** Left out: nothing was counted. */
  readonly rate?: RateState;
}

type LimitPorts = Pick<BrokerPorts, 'shard'> & {
  readonly credentials: Pick<BrokerPorts['credentials'], 'trustedOrigins'>;
};

interface CountedCall extends Pick<RequestContext, 'ipAddress' | 'now'> {
  readonly who: Authenticated;
  readonly request: Request;
}

/**
 * Counts a request where the limit of its route counts requests. Rejects while the counter is unreachable. The tier
 * `admin` is not counted, so that operators can act then, nor are those whom the limit exempts.
 */
export async function countCall(limit: Limit, call: CountedCall, ports: LimitPorts): Promise<Counted> {
  if (limit.counts !== 'requests') return { outcome: ok(undefined) };
  if (isSentByPage(call, ports)) return { outcome: err('origin_not_allowed') };
  if (limit.exempt !== undefined && call.who.principal.permissions.includes(limit.exempt))
    return { outcome: ok(undefined) };
  const rule = callRuleOf(call, COSTS[limit.cost]);
  return rule === undefined
    ? { outcome: ok(undefined) }
    : countBy(accountOf(call.who, call.ipAddress), rule, call.now, ports);
}

/**
 * Whether a page of another origin made a visitor's browser send a stranger's request, without the visitor's knowledge. It
 * cannot read the answer, and would use up what the visitor's network has. A link that a person follows is none.
 */
const isSentByPage = ({ who, request: { headers } }: CountedCall, { credentials }: LimitPorts): boolean =>
  who.method === 'anonymous' &&
  headers.get('sec-fetch-dest') !== 'document' &&
  isFromOtherOrigin(headers, credentials.trustedOrigins);

/**
 * The rule of one call. A principal has a count of its calls beside that of its tickets: an operator who reads must
 * still get tickets. An address has one count for both.
 */
function callRuleOf({ who, ipAddress }: CountedCall, cost: number): RateRule | undefined {
  const rule = rateRuleOf(who, ipAddress);
  if (rule === undefined) return undefined;
  return { ...rule, ...(who.method === 'anonymous' ? {} : { key: `calls:${rule.key}` }), cost };
}

/** Counts a sign-in that comes back from the tenant: for each address apart from all other requests. */
export const countSignIn = (
  limit: number,
  { ipAddress, now }: Pick<RequestContext, 'ipAddress' | 'now'>,
  ports: Pick<BrokerPorts, 'shard'>,
): Promise<Counted> => {
  const account = `address:${addressKey(ipAddress)}`;
  return countBy(account, { key: `sign-in:${account}`, limit }, now, ports);
};

async function countBy(
  account: string,
  rule: RateRule,
  now: number,
  { shard }: Pick<BrokerPorts, 'shard'>,
): Promise<Counted> {
  // All counts of an account are in one place, so that a flood by one caller slows no other caller down.
  const { admitted, rate } = await shard.count(account, rule);
  return admitted
    ? { outcome: ok(undefined), rate }
    : { outcome: err('rate_limited', { retryAfter: retryAfterOf(rate, now) }), rate };
}

/**
 * The refusal of a request for a ticket before the mint, which would have counted it. A principal's is counted as a
 * call, since its credential cost a lookup; a stranger's cost nothing.
 */
export async function refuseBeforeMint(
  refusal: { readonly ok: false; readonly denial: Denial },
  call: CountedCall,
  ports: LimitPorts,
): Promise<HandlerResult> {
  const { who } = call;
  if (who.method === 'anonymous') return { outcome: refusal, who };
  const { outcome, rate } = await countCall({ counts: 'requests', cost: 'read' }, call, ports);
  return { outcome: outcome.ok ? refusal : outcome, who, ...(rate === undefined ? {} : { rate }) };
}
