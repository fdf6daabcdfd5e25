import { DurableObject } from 'cloudflare:workers';
import { STATEMENT_DEADLINE_MS, within } from '@agent-ticket/drizzle/deadline.ts';
import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { createDelivery } from '@agent-ticket/drizzle/object/delivery.ts';
import { enqueue } from '@agent-ticket/drizzle/object/drain.ts';
import { rateQueries } from '@agent-ticket/drizzle/object/rates.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { type Ledger, type LedgerAnswer, type LedgerEntry, RATE_WINDOW_MS } from '../ledger.ts';
import { overLimit } from './over-limit.ts';
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
        console.error(JSON.stringify({ event: 'record_delivery_failed', error: describeError(error) }));
        await ctx.storage.setAlarm(Date.now() + RETRY_MS);
      },
    });
  }

  settle({ rate, event }: LedgerEntry): LedgerAnswer {
    if (rate === undefined) {
      this.#keep(event);
      return { admitted: true, rate: null };
    }
    const now = Date.now();
    const window = this.#rates.count(rate.key, now, RATE_WINDOW_MS);
    const excess = excessOf(rate, window);
    if (excess <= 0) this.#keep(event);
    // A flood buys one row a window, not one a request.
    else if (excess === 1) this.#keep(event && overLimit(event));
    this.#purgeSoon(now);
    return answerOf(rate, window);
  }

  #keep(event: AuditEvent | undefined): void {
    if (event === undefined) return;
    enqueue(this.#backlog, { event });
    this.#delivery.start();
  }

  /** Windows are forgotten once they are over; an alarm that stands already will do. */
  #purgeSoon(now: number): void {
    this.ctx.waitUntil(
      this.ctx.storage.getAlarm().then(async (at) => {
        if (at === null) await this.ctx.storage.setAlarm(now + 2 * RATE_WINDOW_MS);
      }),
    );
  }

  override async alarm(): Promise<void> {
    this.#rates.purge(Date.now() - RATE_WINDOW_MS);
    this.#delivery.start();
  }
}

/** How many objects share the load; an account always meets the same one. */
const SHARDS = 64;

/** The ledger behind its objects. */
export const ledgerOf = (
  namespace: DurableObjectNamespace<LedgerObject>,
  deadlineMs = STATEMENT_DEADLINE_MS,
): Ledger => ({
  async settle(account, entry) {
    const digest = new DataView(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(account)));
    const object = namespace.get(namespace.idFromName(`ledger:${digest.getUint32(0) % SHARDS}`));
    // An object that does not answer must not hold a caller; an event that it writes late is one of a ticket that was
    // never made, which is no harm.
    return within<LedgerAnswer>(deadlineMs, object.settle(entry));
  },
});
