import { forAll } from '@agent-ticket/shared/test/property.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RATE_WINDOW_MS } from '../src/http/rate.ts';
import type { Recording } from '../src/mint/shard.ts';

/** The limit holds in any order and at any time of calls, for each storage of counts. */

export interface LimiterSetup {
  readonly write: Recording['write'];
  readonly clock: () => number;
  readonly setClock: (ms: number) => void;
  /** What may happen between calls, by its number. It must change no count. */
  readonly disturb: (what: number) => Promise<unknown>;
}

/** Calls at once, each with its cost, and the time until the next ones; a clock may be put back a little. */
const burst = fc.record({
  costs: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
  disturbance: fc.integer({ min: 0, max: 7 }),
  wait: fc.oneof(
    fc.constantFrom(0, 1, RATE_WINDOW_MS - 1, RATE_WINDOW_MS),
    fc.integer({ min: -500, max: 90_000 }),
  ),
});

let accounts = 0;

export function describeLimiter({ write, clock, setClock, disturb }: LimiterSetup): void {
  it('never admits more than the limit in one window, nor twice as much in any minute', () => {
    const day = fc.record({
      limit: fc.integer({ min: 1, max: 8 }),
      bursts: fc.array(burst, { maxLength: 6 }),
    });
    return forAll(day, async ({ limit, bursts }) => {
      accounts += 1;
      const key = `account ${accounts}`;
      const admitted: { readonly at: number; readonly cost: number; readonly window: number }[] = [];
      for (const { costs, disturbance, wait } of bursts) {
        const at = clock();
        const [answers] = await Promise.all([
          Promise.all(costs.map((cost) => write({ rate: { key, limit, cost } }))),
          disturb(disturbance),
        ]);
        for (const [index, { admitted: isAdmitted, rate }] of answers.entries()) {
          const cost = costs[index] ?? 0;
          if (isAdmitted) admitted.push({ at, cost, window: rate?.resetAt ?? 0 });
        }
        setClock(at + wait);
      }
      const sumOf = (some: typeof admitted) => some.reduce((sum, { cost }) => sum + cost, 0);
      for (const { window, at } of admitted) {
        expect(sumOf(admitted.filter((each) => each.window === window))).toBeLessThanOrEqual(limit);
        const minute = admitted.filter((each) => each.at >= at && each.at < at + RATE_WINDOW_MS);
        expect(sumOf(minute)).toBeLessThanOrEqual(2 * limit);
      }
      setClock(clock() + 10 * RATE_WINDOW_MS);
    });
  });
}
