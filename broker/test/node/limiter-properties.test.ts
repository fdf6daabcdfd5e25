import { openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import { forAll } from '@agent-ticket/shared/test/property.ts';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { RATE_WINDOW_MS } from '../../src/http/rate.ts';
import { recordingIn } from '../../src/mint/shard-node.ts';

/** The limit holds in any order and at any time of calls. */

const database = await openRecord('file::memory:');
afterAll(() => database.close());

let now = 1_700_000_000_000;
const recording = recordingIn(database.store, () => now);
let accounts = 0;

/** Calls at once, each with its cost, and the time until the next ones; a clock may be put back a little. */
const burst = fc.record({
  costs: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
  wait: fc.oneof(
    fc.constantFrom(0, 1, RATE_WINDOW_MS - 1, RATE_WINDOW_MS),
    fc.integer({ min: -500, max: 90_000 }),
  ),
});

it('never admits more than the limit in one window, nor twice as much in any minute', () => {
  const day = fc.record({ limit: fc.integer({ min: 1, max: 8 }), bursts: fc.array(burst, { maxLength: 6 }) });
  return forAll(day, async ({ limit, bursts }) => {
    accounts += 1;
    const key = `account ${accounts}`;
    const admitted: { readonly at: number; readonly cost: number; readonly window: number }[] = [];
    for (const { costs, wait } of bursts) {
      const at = now;
      const answers = await Promise.all(costs.map((cost) => recording.write({ rate: { key, limit, cost } })));
      for (const [index, { admitted: isAdmitted, rate }] of answers.entries()) {
        const cost = costs[index] ?? 0;
        if (isAdmitted) admitted.push({ at, cost, window: rate?.resetAt ?? 0 });
      }
      now += wait;
    }
    const sumOf = (some: typeof admitted) => some.reduce((sum, { cost }) => sum + cost, 0);
    for (const { window, at } of admitted) {
      expect(sumOf(admitted.filter((each) => each.window === window))).toBeLessThanOrEqual(limit);
      const minute = admitted.filter((each) => each.at >= at && each.at < at + RATE_WINDOW_MS);
      expect(sumOf(minute)).toBeLessThanOrEqual(2 * limit);
    }
    now += 10 * RATE_WINDOW_MS;
  });
});
