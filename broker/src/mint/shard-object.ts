import { DurableObject } from 'cloudflare:workers';
import { openControl } from '@agent-ticket/drizzle/control/open-d1.ts';
import { STATEMENT_DEADLINE_MS, within } from '@agent-ticket/drizzle/deadline.ts';
import { type Backlog, backlogStore } from '@agent-ticket/drizzle/object/backlog.ts';
import { createDelivery, type Delivery } from '@agent-ticket/drizzle/object/delivery.ts';
import { enqueue, waitingSince } from '@agent-ticket/drizzle/object/drain.ts';
import { type ObjectRates, objectRateStore } from '@agent-ticket/drizzle/object/rates.ts';
import { createObjectTables } from '@agent-ticket/drizzle/object/tables.ts';
import { isOutage, outageHint } from '@agent-ticket/drizzle/outage.ts';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import { type NamedRequest, requestFields } from '@agent-ticket/shared/trace-context.ts';
import { readConfig, type SettingsInCode } from '../config/config.ts';
import { INSTANCE_WINDOW_MS, RATE_WINDOW_MS, readWindow } from '../http/rate.ts';
import { createBacklogReports, sumWaiting } from './backlog.ts';
import { coalescedRead, D1_READ_LIMITS } from './coalesced-read.ts';
import { decideBatch, decideTicket } from './decide-ticket.ts';
import {
  type BatchAnswer,
  MAX_SHARDS,
  type MintAnswer,
  type MintBatch,
  type MintOrder,
  type MintPorts,
  type MintShard,
  overLimitEvent,
  type RecordEntry,
  type RecordResult,
  type Waiting,
} from './shard.ts';

/** The databases that a mint shard reads and writes. Its env also has the settings. */
export interface ShardEnv {
  readonly CONTROL: D1Database;
  readonly RECORD: D1Database;
}

/** Delay before events that the record database refused are sent again. */
const RETRY_MS = 5_000;

/**
 * How long an event waits for others that share its write to the record database. It is durable here, and that write
 * costs more than a mint. A longer wait would be seen in the audit log, and a timer keeps the object awake.
 */
const GATHER_MS = 100;

/**
 * One mint shard: it decides requests for tickets, counts them and stores their audit events until delivery. Its SQLite
 * is synchronous, so that a count is exact, and durable before the answer leaves the object.
 */
export class MintShardObject extends DurableObject<ShardEnv> {
  readonly #backlog: Backlog;
  readonly #rates: ObjectRates;
  readonly #delivery: Delivery;
  readonly #reports = createBacklogReports();
  readonly #ports: MintPorts;
  /** When the alarm rings, as far as this life of the object knows. */
  #alarmAt = Number.POSITIVE_INFINITY;
  #isGathering = false;

  constructor(ctx: DurableObjectState, env: ShardEnv, registry: AgentRegistry, inCode?: SettingsInCode) {
    super(ctx, env);
    createObjectTables(ctx.storage.sql);
    this.#backlog = backlogStore(ctx.storage.sql);
    this.#rates = objectRateStore(ctx.storage.sql);
    const control = openControl(env.CONTROL);
    this.#ports = {
      registry,
      control,
      readFacts: coalescedRead(control.readMintFacts, D1_READ_LIMITS),
      config: readConfig(env, inCode),
      randomId: () => crypto.randomUUID(),
      record: { write: async (entry) => this.write(entry) },
    };
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
    // Events that an earlier life of the object left behind may have no other trigger for their delivery.
    this.#offerLeft(Date.now());
  }

  mint(order: MintOrder): Promise<MintAnswer> {
    return this.#orUnavailable(order.context, decideTicket(order, this.#ports));
  }

  mintBatch(batch: MintBatch): Promise<BatchAnswer> {
    return this.#orUnavailable(batch.context, decideBatch(batch, this.#ports));
  }

  /** Answers an outage as a value: an error loses its kind on the way to the caller. */
  async #orUnavailable<T>(
    request: Pick<NamedRequest, 'requestId'> & Partial<NamedRequest>,
    answer: Promise<T>,
  ): Promise<T | { kind: 'unavailable' }> {
    try {
      return await answer;
    } catch (error) {
      if (!isOutage(error)) throw error;
      const line = { event: 'outage', at: 'mint', error: describeError(error), hint: outageHint(error) };
      const { requestId, trace } = request;
      // A broker of the version before sends no trace.
      const fields = trace === undefined ? { request_id: requestId } : requestFields({ requestId, trace });
      console.error(JSON.stringify({ ...line, ...fields }));
      return { kind: 'unavailable' };
    }
  }

  /** Counts and records, both durable together. */
  write({ rate, mark, event, wanted = event }: RecordEntry): RecordResult {
    const now = Date.now();
    if (rate === undefined) {
      this.#keep(event, now);
      return { admitted: true, rate: null };
    }
    const window = this.#rates.count(rate.key, now, RATE_WINDOW_MS, rate.cost);
    const counted = readWindow(rate, window);
    const marked = mark === undefined || !counted.admitted ? undefined : this.#rates.markInstance(mark, now);
    const isTooMany = marked?.isWithin === false;
    if (counted.admitted && !isTooMany) this.#keep(event, now);
    // A flood writes one row for each window, not one for each request.
    else if (isTooMany ? marked.refusals === 1 : window.count - (rate.cost ?? 1) <= rate.limit)
      this.#keep(wanted && overLimitEvent(wanted), now);
    this.#wakeBy(now + 2 * RATE_WINDOW_MS);
    return isTooMany ? { ...counted, admitted: false, nextInstanceAt: marked.freeAt } : counted;
  }

  #keep(event: AuditEvent | undefined, now: number): void {
    if (event === undefined) return;
    enqueue(this.#backlog, { event });
    // The alarm is set with the event: this life may end before the timer or an answer comes.
    this.#wakeBy(now + RETRY_MS);
    if (this.#isGathering) return;
    this.#isGathering = true;
    setTimeout(() => {
      this.#isGathering = false;
      this.#delivery.start();
    }, GATHER_MS);
  }

  /** An object of an agent reports what it could not deliver. */
  receiveReport(report: BacklogReport): void {
    this.#reports.receive(report, Date.now());
  }

  /** What the record database does not have yet, here and in the objects that said so. */
  waiting(): Waiting {
    const here = { events: this.#backlog.count(), since: waitingSince(this.#backlog) };
    return sumWaiting([{ ...here, agents: { objects: 0, events: 0 } }, this.#reports.waiting(Date.now())]);
  }

  /** Offers what was left to the record database. The alarm is set first: this life may end before an answer comes. */
  #offerLeft(now: number): void {
    if (this.#backlog.newest() === undefined) return;
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
    this.#rates.purge(now - RATE_WINDOW_MS, now - INSTANCE_WINDOW_MS);
    const { windows, marks } = this.#rates.left();
    if (windows) this.#wakeBy(now + 2 * RATE_WINDOW_MS);
    // An object that only has marks sleeps until all of them are over.
    if (marks) this.#wakeBy(now + INSTANCE_WINDOW_MS + 1);
    this.#offerLeft(now);
  }
}

/** A mint reads and may claim: two statements with a deadline each, and the round trip to the object. */
const MINT_DEADLINE_MS = 3 * STATEMENT_DEADLINE_MS;

/** The shards, and the backlog that agents' objects report to them. */
interface MintShards extends MintShard {
  /** Resolves when the report is counted. It is nowhere on disk. */
  receiveReport(report: BacklogReport): Promise<void>;
}

/**
 * The mint shard behind its objects. All requests of one account go to the same object, as long as the number of shards
 * is the same: after a change of it, a limit may count twice in that minute. Shards beyond the number get no requests;
 * their own alarms deliver the events that they have.
 */
export const mintShards = (
  namespace: DurableObjectNamespace<MintShardObject>,
  shards: number,
  deadlineMs = STATEMENT_DEADLINE_MS,
): MintShards => {
  const shard = (number: number) => namespace.get(namespace.idFromName(`mint:${number}`));
  const shardOf = async (account: string) => {
    const digest = new DataView(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(account)));
    return shard(digest.getUint32(0) % shards);
  };
  const mintDeadlineMs = Math.max(deadlineMs, MINT_DEADLINE_MS);
  return {
    async mint(account, order) {
      // An object that does not answer must not delay the caller. It may still write the event late: the audit log then
      // has an event of a ticket that was never made, which is harmless.
      return within<MintAnswer>(mintDeadlineMs, (await shardOf(account)).mint(order));
    },

    async mintBatch(account, batch) {
      return within<BatchAnswer>(mintDeadlineMs, (await shardOf(account)).mintBatch(batch));
    },

    async count(account, rule) {
      const { admitted, rate } = await within<RecordResult>(
        deadlineMs,
        (await shardOf(account)).write({ rate: rule }),
      );
      return { admitted, rate: rate ?? { limit: rule.limit, remaining: 0, resetAt: 0 } };
    },

    async waiting() {
      // Shards beyond the present number too: they may still have events of an earlier one.
      const places = Array.from({ length: MAX_SHARDS }, (_, number) =>
        within<Waiting>(deadlineMs, shard(number).waiting()),
      );
      return sumWaiting(await Promise.all(places));
    },

    async receiveReport(report) {
      // Object ids are uniformly distributed, so they need no hash.
      const number = Number.parseInt(report.object.slice(0, 8), 16) % shards;
      await within(deadlineMs, shard(number).receiveReport(report));
    },
  };
};
