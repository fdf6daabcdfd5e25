import type { RecordDatabase } from '@agent-ticket/drizzle/record/database.ts';
import { rateQueries } from '@agent-ticket/drizzle/record/rates.ts';
import { type Ledger, RATE_WINDOW_MS } from '../ledger.ts';
import { overLimit } from './over-limit.ts';
import { answerOf } from './window.ts';

/**
 * The ledger in the record database itself, for a broker on Node: count and event are one batch there, so there is no
 * backlog. While the database is away or locked every call rejects, and no ticket is made.
 */
export function recordLedger(record: RecordDatabase, clock: () => number): Ledger {
  const rates = rateQueries(record);
  return {
    async settle(_account, { rate, event, wanted = event }) {
      if (rate === undefined) {
        if (event !== undefined) await rates.write(event);
        return { admitted: true, rate: null };
      }
      const instead = wanted === undefined ? {} : { overLimit: overLimit(wanted) };
      return answerOf(rate, await rates.count({ ...rate, event, ...instead }, clock(), RATE_WINDOW_MS));
    },
  };
}
