import { STATEMENT_DEADLINE_MS } from '@agent-ticket/drizzle/deadline.ts';
import { createDelivery } from '@agent-ticket/drizzle/object/delivery.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { type BacklogReportPorts, createBacklogReport } from './backlog-report.ts';
import type { Keeper } from './keeper.ts';
import { stands } from './stands.ts';

export interface RecordPorts extends Omit<BacklogReportPorts, 'backlog'> {
  readonly env: BacklogReportPorts['env'] & { readonly RECORD: D1Database };
  readonly keeper: Pick<Keeper, 'backlog' | 'isWaiting' | 'refuse'>;
  /** Sees to it that `deliver` is called again within so many ms. */
  readonly retry: (withinMs: number) => Promise<unknown>;
}

export interface ObjectRecord {
  /** Starts to deliver the facts that wait. Nobody needs to wait for it. */
  deliver(): void;
  /** Starts to deliver what an earlier life of the object left, which may have no other occasion. */
  inherit(): void;
  /**
   * Has a session that was just opened meet the locks and recalls of the record database before its agent hears of it. A
   * database that does not answer keeps nobody out: such a session meets them when it does.
   */
  met(): Promise<void>;
  /** Whether nothing stands against a ticket, while the record database answers. */
  stands(ticket: VerifiedTicket): Promise<Outcome<undefined>>;
}

/** How soon facts are offered to the record database again after it refused them. */
const RETRY_MS = 5_000;

/** One object before the record database: what it tells, and what it asks. The broker hears of what cannot be told. */
export function createObjectRecord({ keeper, retry, ...ports }: RecordPorts): ObjectRecord {
  const { backlog } = keeper;
  const { env, clock, keepAlive, log } = ports;
  const report = createBacklogReport({ ...ports, backlog });
  const delivery = createDelivery({
    backlog,
    openRecord: () => openRecord(env.RECORD),
    clock,
    keepAlive,
    onStopped: (sessions) => {
      for (const { id, why } of sessions) keeper.refuse(id, why);
    },
    onSetAside: (fact) => log({ event: 'fact_set_aside', ...fact }),
    onFailure: async (error) => {
      // A database out of reach is not the failure of whoever is being served.
      log({ event: 'record_delivery_failed', waiting: backlog.count(), error: describeError(error) });
      report.failed();
      await retry(RETRY_MS);
    },
    onDrained: report.delivered,
  });
  return {
    deliver: delivery.start,

    inherit() {
      if (!keeper.isWaiting()) return;
      report.inherited();
      delivery.start();
    },

    met: () => delivery.caughtUp(STATEMENT_DEADLINE_MS),
    stands: (ticket) => stands(ticket, openRecord(env.RECORD, STATEMENT_DEADLINE_MS), clock()),
  };
}
