import type { RecordStore } from '../record/store.ts';
import type { Backlog } from './backlog.ts';
import { drain, type SetAside } from './drain.ts';

interface DeliveryPorts {
  readonly backlog: Backlog;
  /** Asked when there is something to deliver, until it has answered once. */
  readonly openRecord: () => RecordStore;
  readonly clock: () => number;
  /** A fact was set aside: to be reported. */
  readonly onSetAside: (fact: SetAside) => void;
  /** Keeps the object awake until the promise settles. */
  readonly keepAlive: (work: Promise<void>) => void;
  /** The record database refused. The facts stay; the object should call `start` again before long. */
  readonly onFailure: (error: unknown) => Promise<void>;
}

export interface Delivery {
  /** Starts a drain, or has the running one look once more. Nobody needs to wait for it. */
  start(): void;
}

/** Moves facts out of one object beside its requests, one drain at a time. */
export function createDelivery(ports: DeliveryPorts): Delivery {
  let state: 'idle' | 'running' | 'again' = 'idle';
  let record: RecordStore | undefined;
  /** Read through a function: another event may have changed it across the await. */
  const asked = (): boolean => state === 'again';

  async function run(): Promise<void> {
    try {
      do {
        state = 'running';
        record ??= ports.openRecord();
        await drain({
          backlog: ports.backlog,
          record,
          clock: ports.clock,
          onSetAside: ports.onSetAside,
        });
      } while (asked());
    } catch (error) {
      await ports.onFailure(error);
    } finally {
      state = 'idle';
    }
  }

  return {
    start() {
      const idle = state === 'idle';
      state = idle ? 'running' : 'again';
      if (idle) ports.keepAlive(run());
    },
  };
}
