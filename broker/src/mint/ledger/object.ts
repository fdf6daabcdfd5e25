import { DurableObject } from 'cloudflare:workers';
import { STATEMENT_DEADLINE_MS, within } from '@agent-ticket/drizzle/deadline.ts';
import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { createDelivery } from '@agent-ticket/drizzle/object/delivery.ts';
import { enqueue, waitingSince } from '@agent-ticket/drizzle/object/drain.ts';
import { rateQueries } from '@agent-ticket/drizzle/object/rates.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { type Ledger, type LedgerAnswer, type LedgerEntry, RATE_WINDOW_MS, type Waiting } from '../ledger.ts';
import { overLimit } from './over-limit.ts';
import { addUp, createReports } from './waiting.ts';
import { answerOf, excessOf } from './window.ts';

/** How soon facts are offered to the record database again after it refused them. */
const RETRY_MS = 5_000;

/**
 * One of the ledger objects: where audit events of mints first rest, and where their limits are counted. Its SQLite
 * is synchronous, so counting is exact, and durable before the answer leaves the object.
 */
export class LedgerObject extends DurableObject<Cloudflare.Env> {
  readonly #backlog: ReturnType<typeof backlogQueries>;
  readonly #rates: ReturnType<typeof rateQueries>;
  readonly #delivery: ReturnType<typeof createDelivery>;
  readonly #reports = createReports();
  /** When the alarm rings, as far as this life of the object knows. */
  #alarmAt = Number.POSITIVE_INFINITY;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    createObjectTables(ctx.storage.sql);
    this.#backlog = backlogQueries(ctx.storage.sql);
    this.#rates = rateQueries(ctx.storage.sql);
    this.#delivery = createDelivery({
      backlog: this.#backlog,
      openRecord: () => openRecord(env.RECORD),
      clock: () => Date.now(),
      keepAlive: (work) => ctx.waitUntil(work),
      onSetAside: (fact) => console.error(JSON.stringify({ event: 'fact_set_aside', ...fact })),
      onFailure: async (error) => {
        const line = {
          event: 'record_delivery_failed',
          waiting: this.#backlog.count(),
          error: describeError(error),
        };
        console.error(JSON.stringify(line));
        this.#wakeBy(Date.now() + RETRY_MS);
      },
    });
    // What an earlier life left may have no other occasion.
    this.#offer(Date.now());
  }

  settle({ rate, event, wanted = event }: LedgerEntry): LedgerAnswer {
    const now = Date.now();
    if (rate === undefined) {
      this.#keep(event, now);
      return { admitted: true, rate: null };
    }
    const window = this.#rates.count(rate.key, now, RATE_WINDOW_MS);
    const excess = excessOf(rate, window);
    if (excess <= 0) this.#keep(event, now);
    // A flood buys one row a window, not one a request.
    else if (excess === 1) this.#keep(wanted && overLimit(wanted), now);
    this.#wakeBy(now + 2 * RATE_WINDOW_MS);
    return answerOf(rate, window);
  }

  #keep(event: AuditEvent | undefined, now: number): void {
    if (event === undefined) return;
    enqueue(this.#backlog, { event });
    this.#offer(now);
  }

  /** An object of an agent says what it could not deliver. */
  hear(report: BacklogReport): void {
    this.#reports.hear(report, Date.now());
  }

  /** What the record database does not have yet, here and in the objects that said so. */
  waiting(): Waiting {
    const here = { events: this.#backlog.count(), since: waitingSince(this.#backlog) };
    return addUp([{ ...here, agents: { objects: 0, events: 0 } }, this.#reports.waiting(Date.now())]);
  }

  /** Offers what waits to the record database. The alarm is set first: this life may end before an answer comes. */
  #offer(now: number): void {
    if (this.#backlog.count() === 0) return;
    this.#wakeBy(now + RETRY_MS);
    this.#delivery.start();
  }

  /** Sets the alarm unless it rings sooner. Written with whatever the object writes now. */
  #wakeBy(at: number): void {
    if (this.#alarmAt <= at) return;
    this.#alarmAt = at;
    this.ctx.waitUntil(this.ctx.storage.setAlarm(at));
  }

  override async alarm(): Promise<void> {
    const now = Date.now();
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.#rates.purge(now - RATE_WINDOW_MS);
    if (!this.#rates.isEmpty()) this.#wakeBy(now + 2 * RATE_WINDOW_MS);
    this.#offer(now);
  }
}

/** How many objects share the load; an account always meets the same one. */
const SHARDS = 64;

/** What agents' objects are heard by, beside the ledger that brokers know. */
interface LedgerObjects extends Ledger {
  /** Resolves when the report is counted. It is nowhere on disk. */
  hear(report: BacklogReport): Promise<void>;
}

/** The ledger behind its objects. */
export const ledgerOf = (
  namespace: DurableObjectNamespace<LedgerObject>,
  deadlineMs = STATEMENT_DEADLINE_MS,
): LedgerObjects => {
  const shard = (number: number) => namespace.get(namespace.idFromName(`ledger:${number}`));
  return {
    async settle(account, entry) {
      const digest = new DataView(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(account)));
      // An object that does not answer must not hold a caller; an event that it writes late is one of a ticket that
      // was never made, which is no harm.
      return within<LedgerAnswer>(deadlineMs, shard(digest.getUint32(0) % SHARDS).settle(entry));
    },

    async waiting() {
      const places = Array.from({ length: SHARDS }, (_, number) =>
        within<Waiting>(deadlineMs, shard(number).waiting()),
      );
      return addUp(await Promise.all(places));
    },

    async hear(report) {
      // Ids of objects are spread evenly already.
      await within(deadlineMs, shard(Number.parseInt(report.object.slice(0, 8), 16) % SHARDS).hear(report));
    },
  };
};
