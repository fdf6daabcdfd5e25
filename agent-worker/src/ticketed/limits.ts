import { HandedLimits } from '../handover.ts';
import { readerOf } from './claims.ts';

export const readLimits = readerOf((json) => HandedLimits.parse(json)).read;

/** Whether a frame is longer than allowed, in bytes of UTF-8 or binary; counted only where the length leaves a doubt. */
export function isTooLarge(frame: string | ArrayBuffer, maxBytes: number): boolean {
  if (typeof frame !== 'string') return frame.byteLength > maxBytes;
  if (frame.length > maxBytes) return true;
  return frame.length * 3 > maxBytes && new TextEncoder().encode(frame).byteLength > maxBytes;
}

/** Frames that a socket may send at once: the stock client sends what it queued before the open, 25 at the least. */
const FRAME_BURST = 32;

interface Rate {
  readonly perSecond: number;
  /** How many may come at once after silence. */
  readonly burst: number;
  /** How many more may come and wait for their time; left out: none. */
  readonly waiting?: number;
}

export const frameRate = (perSecond: number): Rate => ({
  perSecond,
  burst: Math.max(FRAME_BURST, perSecond),
  waiting: perSecond,
});

/** Refused frames of one session: each costs an answer and a count. Above them the socket is closed. */
export const REFUSED_RATE: Rate = { perSecond: 1, burst: 60 };

/** Renewals of one session: each costs a verification, and those that succeed two rows. */
export const RENEWAL_RATE: Rate = { perSecond: 0.1, burst: 3 };

/** Above this number, buckets that have filled up again are dropped: they limit nothing. */
const BUCKETS_KEPT = 256;

/** Buckets of one isolate of the gate, where strangers choose the ids: a sender of more addresses has as many bursts anyway. */
export const GATE_BUCKETS = 10_000;

/**
 * Rates of what comes under an id: a bucket that holds a burst and fills steadily. Kept in memory: an object that forgets
 * it was asleep for ten seconds, in which a bucket of frames fills, and one of anything slower nearly. Above `most` buckets
 * the one that was used longest ago is forgotten; left out: none is.
 */
export function createRates(most = Number.POSITIVE_INFINITY) {
  const buckets = new Map<string, { left: number; at: number; fullAt: number }>();
  /** Doubled where most are in use, or each frame of a busy object would look at all of them. */
  let kept = BUCKETS_KEPT;
  const take = (id: string, { perSecond, burst, waiting = 0 }: Rate, now: number): number | undefined => {
    const bucket = buckets.get(id) ?? { left: burst, at: now };
    const before = Math.min(burst, bucket.left + (Math.max(0, now - bucket.at) / 1000) * perSecond);
    const isTaken = before - 1 >= -waiting;
    const left = isTaken ? before - 1 : before;
    // Deleted first, so that those used longest ago come first.
    buckets.delete(id);
    buckets.set(id, { left, at: now, fullAt: now + ((burst - left) / perSecond) * 1000 });
    if (buckets.size > kept) {
      for (const [other, { fullAt }] of buckets) if (fullAt <= now) buckets.delete(other);
      kept = Math.max(BUCKETS_KEPT, buckets.size * 2);
    }
    const oldest = buckets.keys().next();
    if (buckets.size > most && oldest.done !== true) buckets.delete(oldest.value);
    return isTaken ? Math.ceil((Math.max(0, -left) / perSecond) * 1000) : undefined;
  };
  return {
    /** Counts one. In how many ms its time comes; `undefined` where it is one too many. `now` in ms. */
    take,
    allow: (id: string, rate: Rate, now: number): boolean => take(id, rate, now) !== undefined,
    /** Takes back one that was counted. */
    giveBack(id: string): void {
      const bucket = buckets.get(id);
      if (bucket !== undefined) bucket.left += 1;
    },
    /** Forgets the buckets of these ids. */
    forget(...ids: readonly string[]): void {
      for (const id of ids) buckets.delete(id);
    },
  };
}
export type Rates = ReturnType<typeof createRates>;

/** What is under way by id, as many as may be. */
export function createInFlight() {
  const counts = new Map<string, number>();
  return {
    /** Counts one under each id until the answer is called; `undefined` where one has as many as it may. */
    enter(most: ReadonlyMap<string, number>): (() => void) | undefined {
      for (const [id, limit] of most) if ((counts.get(id) ?? 0) >= limit) return undefined;
      for (const id of most.keys()) counts.set(id, (counts.get(id) ?? 0) + 1);
      return () => {
        for (const id of most.keys()) {
          const left = (counts.get(id) ?? 1) - 1;
          if (left === 0) counts.delete(id);
          else counts.set(id, left);
        }
      };
    },
  };
}

/** Frames that came too early and wait, each socket's in the order in which they came. */
export function createFrameQueue(sleep: (ms: number) => Promise<void>) {
  const queues = new Map<string, { last: Promise<unknown>; bytes: number }>();
  return {
    /** Whether earlier frames of a socket wait. */
    isWaiting: (id: string): boolean => queues.has(id),

    /**
     * Waits until `ms` have passed and every earlier frame of the socket went on. `false` at once where more than
     * `maxBytes` would wait. A frame that need not wait goes on in the same turn of the event loop.
     */
    async pass(id: string, ms: number, bytes: number, maxBytes: number): Promise<boolean> {
      const queue = queues.get(id) ?? { last: Promise.resolve(), bytes: 0 };
      if (ms === 0 && queue.bytes === 0) return true;
      if (queue.bytes + bytes > maxBytes) return false;
      const own = Promise.all([queue.last, sleep(ms)]);
      queue.last = own;
      queue.bytes += Math.max(1, bytes);
      queues.set(id, queue);
      await own;
      queue.bytes -= Math.max(1, bytes);
      if (queue.bytes === 0) queues.delete(id);
      return true;
    },
  };
}
export type FrameQueue = ReturnType<typeof createFrameQueue>;
