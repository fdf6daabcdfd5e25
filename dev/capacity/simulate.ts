import { MAX_BATCH, MAX_WAITING, READ_DEADLINE_MS } from '@agent-ticket/broker/src/mint/coalesced-read.ts';
import { type MintSchedule, scheduleFor } from '@agent-ticket/client/src/mint-schedule.ts';
import { createRandom } from '@agent-ticket/shared/test/random.ts';
import { createHeap } from '../heap.ts';

/**
 * Simulates a deploy that drops all sockets at once, event by event. Clients reconnect by their real schedule. Mints queue
 * at the shards, shards at the control database, sockets at their objects, and events at the record database.
 * Deterministic: the same seed gives the same result. Networks and isolates take no time here, so a real deploy is slower.
 */

export interface Deployment {
  readonly sockets: number;
  /** Sockets of one object. */
  readonly socketsPerObject: number;
  readonly shards: number;
  /** Time of each step, in ms. */
  readonly ms: {
    /** A mint in its shard. */
    readonly shard: number;
    /** A read of the control database, and the additional time for each question in it. */
    readonly read: number;
    readonly question: number;
    /** The opening of a socket in its object. */
    readonly open: number;
    /** All writes of a mint and of an opening in the record database. */
    readonly recordMint: number;
    readonly recordOpen: number;
  };
  /** The most simulated clients. With more sockets, each client stands for several. */
  readonly mostClients?: number;
  readonly seed?: number;
}

export interface Recovery {
  /** Time from the drop until half, 99 % and all of the sockets were open again, in seconds. */
  readonly half: number;
  readonly most: number;
  readonly all: number;
  /** Requests for tickets, and the refused ones: too many requests waited, or the request waited too long. */
  readonly mints: number;
  readonly refused: number;
  /** Requests for tickets in the busiest second. */
  readonly peak: number;
  /** The longest queue at the record database, in seconds of its work, and the time until it was empty. */
  readonly behind: number;
  readonly recorded: number;
}

const DEFAULT_CLIENTS = 100_000;
/** `Retry-After` of the broker in an outage. */
const RETRY_AFTER_MS = 5_000;
/** No client gives up. If clients are still waiting an hour after the drop, the model has a fault. */
const END_MS = 3_600_000;

interface Event {
  readonly at: number;
  readonly order: number;
  readonly work: () => void;
}

interface Shard {
  /** Clients whose read has not begun, with the time of each request. */
  readonly waiting: { readonly client: number; readonly at: number }[];
  isReading: boolean;
  freeAt: number;
}

let runs = 0;

export function simulateDrop(deployment: Deployment): Recovery {
  const {
    sockets,
    socketsPerObject,
    shards: shardCount,
    ms,
    mostClients = DEFAULT_CLIENTS,
    seed = 1,
  } = deployment;
  const clients = Math.min(sockets, mostClients);
  /**
   * Sockets that one client stands for. Its work takes so many times as long, and so many times fewer clients may wait.
   */
  const weight = sockets / clients;
  const random = createRandom(seed).next;
  // Events at the same time stay in the order in which they were added.
  const events = createHeap<Event>((a, b) => (a.at === b.at ? a.order < b.order : a.at < b.at));
  let [now, added] = [0, 0];
  const after = (delay: number, work: () => void): void =>
    events.add({ at: now + delay, order: added++, work });

  const run = ++runs;
  const schedules: MintSchedule[] = Array.from({ length: clients }, (_, client) =>
    scheduleFor(`capacity ${run} ${client}`, { now: () => now, random, after: () => () => {} }, false),
  );
  const shards: Shard[] = Array.from({ length: shardCount }, () => ({
    waiting: [],
    isReading: false,
    freeAt: 0,
  }));
  const objectFreeAt = new Float64Array(Math.max(1, Math.ceil(sockets / socketsPerObject)));
  const openedAt: number[] = [];
  const perSecond = new Map<number, number>();
  let [controlFreeAt, recordFreeAt, behind, mints, refused] = [0, 0, 0, 0, 0];

  const record = (work: number): void => {
    recordFreeAt = Math.max(now, recordFreeAt) + work * weight;
    behind = Math.max(behind, recordFreeAt - now);
  };

  function askWhenDue(client: number): void {
    const wait = schedules[client]?.wait(false) ?? 0;
    if (wait > 0) {
      after(wait, () => askWhenDue(client));
      return;
    }
    schedules[client]?.started(true);
    mints += weight;
    const second = Math.floor(now / 1000);
    perSecond.set(second, (perSecond.get(second) ?? 0) + weight);
    const shard = shards[Math.floor(random() * shardCount)];
    if (shard === undefined) return;
    if (shard.waiting.length * weight >= MAX_WAITING) {
      refuse(client);
      return;
    }
    shard.waiting.push({ client, at: now });
    if (!shard.isReading) read(shard);
  }

  function refuse(client: number): void {
    refused += weight;
    schedules[client]?.failed(RETRY_AFTER_MS);
    askWhenDue(client);
  }

  /** One read for as many clients as fit, and then each of their mints in the single thread of the shard. */
  function read(shard: Shard): void {
    const batch = shard.waiting.splice(0, Math.max(1, Math.floor(MAX_BATCH / weight)));
    shard.isReading = batch.length > 0;
    if (batch.length === 0) return;
    controlFreeAt = Math.max(now, controlFreeAt) + ms.read + ms.question * batch.length * weight;
    // A client that stands for several needs as many reads as those would need.
    const reads = Math.max(1, (batch.length * weight) / MAX_BATCH);
    controlFreeAt += ms.read * (reads - 1);
    after(controlFreeAt - now, () => {
      for (const { client, at } of batch) {
        if (now - at > READ_DEADLINE_MS) {
          refuse(client);
          continue;
        }
        shard.freeAt = Math.max(now, shard.freeAt) + ms.shard * weight;
        record(ms.recordMint);
        after(shard.freeAt - now, () => open(client));
      }
      after(Math.max(0, shard.freeAt - now), () => read(shard));
    });
  }

  function open(client: number): void {
    const object = Math.floor((client * weight) / socketsPerObject);
    const free = Math.max(now, objectFreeAt[object] ?? 0) + ms.open * weight;
    objectFreeAt[object] = free;
    after(free - now, () => {
      schedules[client]?.retryNow();
      record(ms.recordOpen);
      openedAt.push(now);
    });
  }

  for (let client = 0; client < clients; client += 1) {
    schedules[client]?.lost();
    askWhenDue(client);
  }
  for (let next = events.take(); next !== undefined && next.at < END_MS; next = events.take()) {
    now = next.at;
    next.work();
  }
  if (openedAt.length < clients) throw new Error('not every client came back');
  const at = (share: number): number => (openedAt[Math.ceil(clients * share) - 1] ?? 0) / 1000;
  return {
    half: at(0.5),
    most: at(0.99),
    all: at(1),
    mints,
    refused,
    peak: Math.max(...perSecond.values()),
    behind: behind / 1000,
    recorded: recordFreeAt / 1000,
  };
}
