import type { invocationQueries } from '@agent-ticket/drizzle/record/invocations.ts';
import type { sessionQueries } from '@agent-ticket/drizzle/record/sessions.ts';

export interface SessionRetentionPorts {
  readonly sessions: Pick<ReturnType<typeof sessionQueries>, 'purge'>;
  readonly invocations: Pick<ReturnType<typeof invocationQueries>, 'purge'>;
  /** How long sessions are kept after their end, in ms. */
  readonly sessionRetentionMs: number;
  /** How long invocations are kept, in ms. */
  readonly invocationRetentionMs: number;
}

/** One statement deletes so many: each costs a write for its row and one for each of its indexes. */
const BATCH = 500;
/** One run stops here and the next goes on, so that whoever shortens the retention of years stops nobody's work. */
const MAX_BATCHES = 20;

/**
 * Deletes what is older than its retention: invocations, and sessions that have ended. Live sessions stay, however old.
 * Any number of instances may run it at once. `now` in ms; answers how many rows this call deleted.
 */
export async function purgeSessions(ports: SessionRetentionPorts, now: number): Promise<number> {
  const { sessions, invocations, sessionRetentionMs, invocationRetentionMs } = ports;
  return (
    (await inBatches((limit) => invocations.purge(now - invocationRetentionMs, limit))) +
    (await inBatches((limit) => sessions.purge(now - sessionRetentionMs, limit)))
  );
}

async function inBatches(purge: (limit: number) => Promise<number>): Promise<number> {
  let total = 0;
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const gone = await purge(BATCH);
    total += gone;
    if (gone < BATCH) break;
  }
  return total;
}
