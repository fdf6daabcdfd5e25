import type { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { waitingSince } from '@agent-ticket/drizzle/object/drain.ts';
import type { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';

export interface BacklogReportPorts {
  /** Where the broker's ear is not bound nothing is reported. */
  readonly env: object & { readonly BACKLOG?: Fetcher | undefined };
  /** Id of the object. */
  readonly object: string;
  readonly backlog: ReturnType<typeof backlogQueries>;
  readonly clock: () => number;
  readonly keepAlive: (work: Promise<void>) => void;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** An object that is busy while the database is away fails often; the broker hears of it no oftener than this. */
const PACE_MS = 4_000;
const PATIENCE_MS = 2_000;

/**
 * Tells the broker what this object cannot deliver, again and again while that is so, and once more when it is over.
 * Nobody waits for it, and a broker out of reach is a line in the log.
 */
export function createBacklogReport({ env, object, backlog, clock, keepAlive, log }: BacklogReportPorts) {
  const { BACKLOG: broker } = env;
  let toldAt = Number.NEGATIVE_INFINITY;
  /** Whether the broker may believe that something waits here. */
  let isBelieved = false;
  /** One after the other, so that the last one told is the last one heard. */
  let telling = Promise.resolve();

  async function tell(to: Fetcher, report: BacklogReport): Promise<void> {
    try {
      const answer = await to.fetch('https://broker.invalid/', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(report),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (!answer.ok) throw new Error(`the broker answered ${answer.status}`);
    } catch (error) {
      log({ event: 'backlog_report_failed', error: describeError(error) });
    }
  }

  function report(waiting: number, since: number): void {
    if (broker === undefined) return;
    telling = telling.then(() => tell(broker, { object, waiting, since }));
    keepAlive(telling);
  }

  return {
    /** Something waits that an earlier life left, which may have told of it. */
    inherited(): void {
      isBelieved = true;
    },

    /** The record database refused. */
    failed(): void {
      const now = clock();
      if (now - toldAt < PACE_MS) return;
      toldAt = now;
      isBelieved = true;
      report(backlog.count(), waitingSince(backlog) ?? now);
    },

    /** Nothing waits any more. */
    delivered(): void {
      if (!isBelieved) return;
      isBelieved = false;
      toldAt = Number.NEGATIVE_INFINITY;
      report(0, clock());
    },
  };
}
