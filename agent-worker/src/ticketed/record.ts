import { STATEMENT_DEADLINE_MS } from '@agent-ticket/drizzle/deadline.ts';
import { createDelivery } from '@agent-ticket/drizzle/object/delivery.ts';
import { waitingSince } from '@agent-ticket/drizzle/object/drain.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import type { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import type { Sessions } from './sessions.ts';

interface RecordPorts {
  /** Without a binding of the broker nothing is reported to it. */
  readonly env: object & { readonly RECORD: D1Database; readonly BACKLOG?: Fetcher | undefined };
  /** Id of the object. */
  readonly object: string;
  readonly sessions: Pick<Sessions, 'backlog' | 'hasBacklog' | 'terminate'>;
  readonly clock: () => number;
  readonly keepAlive: (work: Promise<void>) => void;
  /** Has `deliver` called again within so many ms. */
  readonly retry: (withinMs: number) => Promise<unknown>;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** How soon facts are offered to the record database again after it refused them. */
const RETRY_MS = 5_000;

/** One object and the record database: delivery of its facts. */
export function createObjectRecord(ports: RecordPorts) {
  const { env, sessions, clock, keepAlive, log } = ports;
  const { backlog } = sessions;
  const report = createBacklogReport(ports);
  const delivery = createDelivery({
    backlog,
    openRecord: () => openRecord(env.RECORD),
    clock,
    keepAlive,
    onRevoked: (revoked) => {
      for (const { id, why } of revoked) sessions.terminate(id, why);
    },
    onSetAside: (fact) => log({ event: 'fact_set_aside', ...fact }),
    onFailure: async (error) => {
      // A database out of reach fails no request.
      log({ event: 'record_delivery_failed', waiting: backlog.count(), error: describeError(error) });
      report.failed();
      await ports.retry(RETRY_MS);
    },
    onDrained: report.delivered,
  });
  return {
    /** Starts to deliver the facts that wait. No caller needs to wait for it. */
    deliver: delivery.start,

    /** Starts to deliver the facts that an earlier life of the object left, for which no event may come. */
    resume(): void {
      if (!sessions.hasBacklog()) return;
      report.resumed();
      delivery.start();
    },

    /**
     * Waits until the record database has checked a session that was just opened, so that a revoked one ends before its
     * agent sees it. A database that does not answer keeps no caller out: the session is checked when it does.
     */
    awaitRevocationCheck: (): Promise<void> => delivery.caughtUp(STATEMENT_DEADLINE_MS),
  };
}

/** A busy object fails often while the database is away; the broker gets no more than one report in this time. */
const REPORT_PACE_MS = 4_000;
const REPORT_TIMEOUT_MS = 2_000;

/**
 * Reports to the broker what this object cannot deliver: repeatedly while it fails, and once more when it is over. No
 * request waits for it, and a broker out of reach is a line in the log.
 */
function createBacklogReport({ env, object, sessions: { backlog }, clock, keepAlive, log }: RecordPorts) {
  const { BACKLOG: broker } = env;
  let reportedAt = Number.NEGATIVE_INFINITY;
  /** Whether the broker may still have a report that facts wait here. */
  let isReported = false;
  /** One after the other, so that the last report is the last to arrive. */
  let sending = Promise.resolve();

  async function send(to: Fetcher, report: BacklogReport): Promise<void> {
    try {
      const answer = await to.fetch('https://broker.invalid/', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(report),
        signal: AbortSignal.timeout(REPORT_TIMEOUT_MS),
      });
      if (!answer.ok) throw new Error(`the broker answered ${answer.status}`);
    } catch (error) {
      log({ event: 'backlog_report_failed', error: describeError(error) });
    }
  }

  function report(waiting: number, since: number): void {
    if (broker === undefined) return;
    sending = sending.then(() => send(broker, { object, waiting, since }));
    keepAlive(sending);
  }

  return {
    /** An earlier life left facts, and may have reported them. */
    resumed(): void {
      isReported = true;
    },

    failed(): void {
      const now = clock();
      if (now - reportedAt < REPORT_PACE_MS) return;
      reportedAt = now;
      isReported = true;
      report(backlog.count(), waitingSince(backlog) ?? now);
    },

    /** Nothing waits any more. */
    delivered(): void {
      if (!isReported) return;
      isReported = false;
      reportedAt = Number.NEGATIVE_INFINITY;
      report(0, clock());
    },
  };
}
