import { DurableObject } from 'cloudflare:workers';
import { backlogQueries } from '@agent-ticket/drizzle/object/backlog.ts';
import { createDelivery } from '@agent-ticket/drizzle/object/delivery.ts';
import { enqueue } from '@agent-ticket/drizzle/object/drain.ts';
import { rateQueries } from '@agent-ticket/drizzle/object/rates.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { type Ledger, type LedgerAnswer, type LedgerEntry, RATE_WINDOW_MS } from '../ledger.ts';
import { overLimit } from './over-limit.ts';

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
      onFailure: async (error) => {
        console.error(JSON.stringify({ event: 'record_delivery_failed', error: describeError(error) }));
        await ctx.storage.setAlarm(Date.now() + RETRY_MS);
      },
    });
  }

  settle(entry: LedgerEntry): LedgerAnswer {
    const now = Date.now();
    const window =
      entry.rate === undefined ? undefined : this.#rates.count(entry.rate.key, now, RATE_WINDOW_MS);
    const rate =
      entry.rate === undefined || window === undefined
        ? null
        : {
            limit: entry.rate.limit,
            remaining: Math.max(0, entry.rate.limit - window.count),
            resetAt: Math.ceil((window.startedAt + RATE_WINDOW_MS) / 1000),
          };
    const excess = rate === null || window === undefined ? 0 : window.count - rate.limit;
    // A flood buys one row a window, not one a request.
    const event =
      excess <= 0 ? entry.event : excess === 1 ? entry.event && overLimit(entry.event) : undefined;
    if (event !== undefined) {
      enqueue(this.#backlog, { event });
      this.#delivery.start();
    }
    if (rate !== null) this.#purgeSoon(now);
    return excess > 0 && rate !== null ? { admitted: false, rate } : { admitted: true, rate };
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
export const ledgerOf = (namespace: DurableObjectNamespace<LedgerObject>): Ledger => ({
  async settle(account, entry) {
    const digest = new DataView(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(account)));
    return namespace.get(namespace.idFromName(`ledger:${digest.getUint32(0) % SHARDS}`)).settle(entry);
  },
});
