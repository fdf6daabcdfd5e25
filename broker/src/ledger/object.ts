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
      onFailure: async (error) => {
        const line = {
          event: 'record_delivery_failed',
          waiting: this.waiting(),
          error: describeError(error),
        };
        console.error(JSON.stringify(line));
        this.#wakeBy(Date.now() + RETRY_MS);
      },
    });
    // What an earlier life left may have no other occasion.
    this.#offer(Date.now());
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
      this.#offer(now);
    }
    if (rate !== null) this.#wakeBy(now + 2 * RATE_WINDOW_MS);
    return excess > 0 && rate !== null ? { admitted: false, rate } : { admitted: true, rate };
  }

  /** How many events the record database does not have yet. */
  waiting(): number {
    return this.#backlog.count();
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

/** The ledger behind its objects. */
export const ledgerOf = (namespace: DurableObjectNamespace<LedgerObject>): Ledger => {
  const shard = (number: number) => namespace.get(namespace.idFromName(`ledger:${number}`));
  return {
    async settle(account, entry) {
      const digest = new DataView(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(account)));
      return shard(digest.getUint32(0) % SHARDS).settle(entry);
    },

    async waiting() {
      const counts = await Promise.all(
        Array.from({ length: SHARDS }, (_, number) => shard(number).waiting()),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },
  };
};
