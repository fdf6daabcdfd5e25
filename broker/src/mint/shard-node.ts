import type { MintQuestion } from '@agent-ticket/drizzle/control/mint-facts.ts';
import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { RATE_WINDOW_MS, readWindow } from '../http/rate.ts';
import { coalescedRead, READ_LIMITS } from './coalesced-read.ts';
import { decideBatch, decideTicket } from './decide-ticket.ts';
import { type MintPorts, type MintShard, overLimitEvent, type Recording } from './shard.ts';

/** Counts and events in one batch of the record database. Rejects while the database is away or locked. */
export const recordingIn = ({ rates }: Pick<RecordStore, 'rates'>, clock: () => number): Recording => ({
  async write({ rate, mark, event, wanted = event }) {
    if (rate === undefined) {
      if (event !== undefined) await rates.write(event);
      return { admitted: true, rate: null };
    }
    const overLimit = wanted === undefined ? {} : { overLimit: overLimitEvent(wanted) };
    const counted = await rates.count({ ...rate, mark, event, ...overLimit }, clock(), RATE_WINDOW_MS);
    const read = readWindow(rate, counted);
    if (counted.mark === undefined || counted.mark.isWithin) return read;
    return { ...read, admitted: false, nextInstanceAt: counted.mark.freeAt };
  },
});

/** The mint shard of a broker on Node. It is in the process and writes to the record database, so it has no backlog. */
export const mintShardInProcess = (
  ports: Omit<MintPorts, 'record' | 'readFacts'> & {
    readonly control: Pick<ControlStore, 'readMintFacts'>;
  },
  record: RecordStore,
  clock: () => number,
): MintShard => {
  const all = {
    ...ports,
    readFacts: coalescedRead((questions: readonly MintQuestion[]) => ports.control.readMintFacts(questions), {
      ...READ_LIMITS,
      nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
    }),
    record: recordingIn(record, clock),
  };
  return {
    mint: (_account, order) => decideTicket(order, all),
    mintBatch: (_account, batch) => decideBatch(batch, all),
    count: async (_account, rule) =>
      readWindow(rule, await record.rates.count(rule, clock(), RATE_WINDOW_MS)),
  };
};
