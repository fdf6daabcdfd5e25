import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { RATE_WINDOW_MS, readWindow } from '../http/rate.ts';
import { decideTicket } from './mint.ts';
import { type MintPorts, type MintShard, overLimitEvent } from './shard.ts';

/**
 * The mint shard of a broker on Node, in the process itself: count and event are one batch of the record database, so
 * nothing ever waits. While the database is away or locked every call rejects, and no ticket is made.
 */
export function mintShardInProcess(
  ports: Omit<MintPorts, 'record'> & { readonly recordStore: Pick<RecordStore, 'rates'> },
  clock: () => number,
): MintShard {
  const { rates } = ports.recordStore;
  const record: MintPorts['record'] = {
    async settle({ rate, event, wanted = event }) {
      if (rate === undefined) {
        if (event !== undefined) await rates.write(event);
        return { admitted: true, rate: null };
      }
      const overLimit = wanted === undefined ? {} : { overLimit: overLimitEvent(wanted) };
      return readWindow(rate, await rates.count({ ...rate, event, ...overLimit }, clock(), RATE_WINDOW_MS));
    },
  };
  return {
    mint: (_account, order) => decideTicket(order, { ...ports, record }),
    count: async (_account, rule) => readWindow(rule, await rates.count(rule, clock(), RATE_WINDOW_MS)),
  };
}
