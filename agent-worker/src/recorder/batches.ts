import { isBadValue } from '@agent-ticket/drizzle/outage.ts';
import type { RecordFact, RevokedSession } from '@agent-ticket/drizzle/record/deliver.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';

/** What became of the facts that an object handed over. */
export type Recorded =
  | {
      /** Sessions among them that may not go on: to be ended. */
      readonly revoked: readonly RevokedSession[];
      /** Positions of the facts that the record database will never take. The others are in it. */
      readonly refused: readonly number[];
      readonly failed?: undefined;
    }
  /** Nothing is known to be in the record database: to be handed over again later. */
  | { readonly failed: string };

interface BatchPorts {
  readonly deliver: (facts: readonly RecordFact[], now: number) => Promise<readonly RevokedSession[]>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly wait: (ms: number) => Promise<void>;
}

/** How long hand-overs wait for others: half of what a batch may wait. */
const COLLECT_MS = 100;
/** Facts in a batch: their JSON is one bound value, of which D1 takes 2 MB. */
const BATCH_FACTS = 500;
/** Facts that may wait here: an object without a disk of its own must not be filled while the database is away. */
const WAITING_FACTS = 10_000;

interface Handed {
  readonly facts: readonly RecordFact[];
  readonly resolve: (recorded: Recorded) => void;
}

/** Merges the facts of many objects into few batches, one at a time. Keeps nothing that was not acknowledged. */
export function createBatches({ deliver, clock, wait }: BatchPorts) {
  let waiting: Handed[] = [];
  let count = 0;
  let isRunning = false;

  /** As many hand-overs as fit, at least one. */
  function take(): Handed[] {
    let facts = 0;
    const end = waiting.findIndex((handed) => {
      facts += handed.facts.length;
      return facts > BATCH_FACTS;
    });
    const taken = waiting.slice(0, end === -1 ? waiting.length : Math.max(end, 1));
    waiting = waiting.slice(taken.length);
    count -= taken.reduce((sum, handed) => sum + handed.facts.length, 0);
    return taken;
  }

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      await wait(COLLECT_MS);
      // What comes meanwhile waits for more again: otherwise a busy recorder writes many small batches.
      for (let left = waiting.length; left > 0; ) {
        const batch = take();
        left -= batch.length;
        await record(batch);
      }
    }
    isRunning = false;
  }

  async function record(batch: readonly Handed[]): Promise<void> {
    const facts = batch.flatMap((handed, index) =>
      handed.facts.map((fact, position) => ({ fact, index, position })),
    );
    const refused = new Map<number, number[]>();
    try {
      const revoked = await deliverHalves(facts, ({ index, position }) =>
        refused.set(index, [...(refused.get(index) ?? []), position]),
      );
      const why = new Map(revoked.map((session) => [session.id, session]));
      batch.forEach(({ facts: own, resolve }, index) => {
        const ids = new Set(own.flatMap(({ session }) => (session === undefined ? [] : [session.id])));
        resolve({
          revoked: [...ids].flatMap((id) => why.get(id) ?? []),
          refused: refused.get(index) ?? [],
        });
      });
    } catch (error) {
      for (const { resolve } of batch) resolve({ failed: describeError(error) });
    }
  }

  /** A batch that is refused for one value is refused as a whole: so by halves, until the value is found. */
  async function deliverHalves<Item extends { readonly fact: RecordFact }>(
    items: readonly Item[],
    onRefused: (item: Item) => void,
  ): Promise<readonly RevokedSession[]> {
    try {
      return await deliver(
        items.map(({ fact }) => fact),
        clock(),
      );
    } catch (error) {
      if (!isBadValue(error)) throw error;
      const [only, ...others] = items;
      if (only !== undefined && others.length === 0) {
        onRefused(only);
        return [];
      }
      const middle = Math.ceil(items.length / 2);
      const first = await deliverHalves(items.slice(0, middle), onRefused);
      return [...first, ...(await deliverHalves(items.slice(middle), onRefused))];
    }
  }

  return {
    /** Takes facts of one object, and answers once they are in the record database or could not be written. */
    add(facts: readonly RecordFact[]): Promise<Recorded> {
      if (count + facts.length > WAITING_FACTS) return Promise.resolve({ failed: 'too many facts wait' });
      count += facts.length;
      return new Promise((resolve) => {
        waiting.push({ facts, resolve });
        if (isRunning) return;
        isRunning = true;
        void run();
      });
    },
  };
}
