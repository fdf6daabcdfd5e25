import { type LedgerAnswer, RATE_WINDOW_MS, type RateRule } from '../ledger.ts';

/** A window with what was counted in it so far, the event in question too. In ms. */
export interface Window {
  readonly startedAt: number;
  readonly count: number;
}

/** How far a count is over the limit; 0 or less lets the event pass, 1 is the first that does not. */
export const excessOf = ({ limit }: RateRule, { count }: Window): number => count - limit;

/** What the caller learns of its window. */
export const answerOf = (rule: RateRule, window: Window): LedgerAnswer => ({
  admitted: excessOf(rule, window) <= 0,
  rate: {
    limit: rule.limit,
    remaining: Math.max(0, rule.limit - window.count),
    resetAt: Math.ceil((window.startedAt + RATE_WINDOW_MS) / 1000),
  },
});
