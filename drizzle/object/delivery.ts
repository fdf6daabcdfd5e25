import type { RecordDatabase } from '../record/database.ts';
import type { backlogQueries } from './backlog.ts';
import { drain, type SetAside } from './drain.ts';

export interface DeliveryPorts {
  readonly backlog: ReturnType<typeof backlogQueries>;
  /** Asked when there is something to deliver, until it has answered once. */
  readonly openRecord: () => RecordDatabase;
  readonly clock: () => number;
  /** Sessions just delivered that a standing lock hits: to be closed. Left out where there are no sessions. */
  readonly onLocked?: (sessionIds: readonly string[]) => void;
  /** A fact was set aside: to be reported. */
  readonly onSetAside: (fact: SetAside) => void;
  /** Keeps the object awake until the promise settles. */
  readonly keepAlive: (work: Promise<void>) => void;
  /** The record database refused. The facts stay; the object should call `start` again before long. */
  readonly onFailure: (error: unknown) => Promise<void>;
  /** Nothing waits any more. */
  readonly onDelivered?: () => void;
}

/** Moves facts out of one object beside its requests, one drain at a time. */
export function createDelivery(ports: DeliveryPorts): { start(): void } {
  let state: 'idle' | 'running' | 'again' = 'idle';
  let record: RecordDatabase | undefined;
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
          onLocked: ports.onLocked ?? (() => {}),
          onSetAside: ports.onSetAside,
        });
      } while (asked());
      ports.onDelivered?.();
    } catch (error) {
      await ports.onFailure(error);
    } finally {
      state = 'idle';
    }
  }

  return {
    /** Starts a drain, or has the running one look once more. Nobody needs to wait for it. */
    start(): void {
      const idle = state === 'idle';
      state = idle ? 'running' : 'again';
      if (idle) ports.keepAlive(run());
    },
  };
}
