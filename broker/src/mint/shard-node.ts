import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { RATE_WINDOW_MS, readWindow } from '../http/rate.ts';
import { decideTicket } from './mint.ts';
import { type MintPorts, type MintShard, overLimitEvent, type Recording } from './shard.ts';

/** Counts and events in one batch of the record database. Rejects while the database is away or locked. */
export const recordingIn = ({ rates }: Pick<RecordStore, 'rates'>, clock: () => number): Recording => ({
  async write({ rate, event, wanted = event }) {
    if (rate === undefined) {
      if (event !== undefined) await rates.write(event);
      return { admitted: true, rate: null };
    }
    const overLimit = wanted === undefined ? {} : { overLimit: overLimitEvent(wanted) };
    return readWindow(rate, await rates.count({ ...rate, event, ...overLimit }, clock(), RATE_WINDOW_MS));
  },
});

/** The mint shard of a broker on Node. It is in the process and writes to the record database, so it has no backlog. */
export const mintShardInProcess = (
  ports: Omit<MintPorts, 'record'>,
  record: RecordStore,
  clock: () => number,
): MintShard => ({
  mint: (_account, order) => decideTicket(order, { ...ports, record: recordingIn(record, clock) }),
  count: async (_account, rule) => readWindow(rule, await record.rates.count(rule, clock(), RATE_WINDOW_MS)),
});
