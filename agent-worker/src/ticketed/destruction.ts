import type { Keeper } from './keeper.ts';
import type { Streams } from './streams.ts';
import { keepTombstone } from './tombstone.ts';

export interface DestructionPorts {
  readonly keeper: Pick<Keeper, 'openIds' | 'end' | 'releaseReplays'>;
  readonly streams: Pick<Streams, 'cut'>;
  readonly storage: DurableObjectStorage;
  readonly clock: () => number;
  /** The agent's own way, which ends in the SDK's. */
  readonly destroy: () => Promise<void>;
}

/** Destroys one object, once at a time, and leaves what is to outlive it. */
export function createDestruction({ keeper, streams, storage, clock, destroy }: DestructionPorts) {
  let running: Promise<void> | undefined;
  /** When the broker was asked to delete this object, in ms by its clock; 0: it was not. */
  let commandedAt = 0;

  async function run(): Promise<void> {
    for (const id of keeper.openIds()) {
      streams.cut(id);
      keeper.end(id, 'destroyed');
    }
    keeper.releaseReplays(Number.POSITIVE_INFINITY);
    // By whichever clock is ahead, so that no ticket from before the command is younger than the tombstone.
    keepTombstone(storage, Math.max(clock(), commandedAt));
    await destroy();
  }

  /** Whoever asks while it is under way waits for the same. One that failed can be tried again. */
  function start(): Promise<void> {
    running ??= run().finally(() => {
      running = undefined;
    });
    return running;
  }

  return {
    start,

    /** Starts it at the broker's word, which was given at `at`, in ms. */
    command(at: number): Promise<void> {
      commandedAt = at;
      return start();
    },
  };
}
