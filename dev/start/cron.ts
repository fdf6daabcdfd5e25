import { type Repeating, repeat, wait } from '@agent-ticket/broker/src/runtime/node/repeat.ts';
import type { Miniflare } from 'miniflare';

const MINUTE_MS = 60_000;

/**
 * Rings the broker's cron trigger at once and each minute, since the local runtime never does by itself: without it
 * nothing would be sealed, rotated or tried again on a developer's machine. A run that fails is one line of the log.
 */
export function ringCron(workers: Miniflare, onLog: (line: string) => void): Repeating {
  async function ring(): Promise<void> {
    try {
      const broker = await workers.getWorker('broker');
      await broker.scheduled({ cron: '* * * * *' });
    } catch (error) {
      onLog(
        JSON.stringify({
          event: 'cron_failed',
          error: error instanceof Error ? error.message : typeof error,
        }),
      );
    }
  }
  return repeat(ring, MINUTE_MS, { clock: () => performance.now(), wait });
}
