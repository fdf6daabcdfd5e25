import { HandedLimits } from '../handover.ts';

export const readLimits = (text: string): HandedLimits => HandedLimits.parse(JSON.parse(text));

/** Whether a frame is longer than allowed, in bytes of UTF-8 or binary; counted only where the length leaves a doubt. */
export function isTooLarge(frame: string | ArrayBuffer, maxBytes: number): boolean {
  if (typeof frame !== 'string') return frame.byteLength > maxBytes;
  if (frame.length > maxBytes) return true;
  return frame.length * 3 > maxBytes && new TextEncoder().encode(frame).byteLength > maxBytes;
}

/** Above this number, buckets that have filled up again are dropped: they limit nothing. */
const BUCKETS_KEPT = 256;
const FILLS_MS = 1_000;

/**
 * Frames per second of each socket, and plain requests per second of each principal: a bucket that holds one second's
 * worth and fills steadily. Kept in memory: an object that forgets it was asleep for ten seconds, in which any bucket
 * fills.
 */
export function createFrameRates() {
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    /** Counts one frame or request; whether it is within the rate. `now` in ms. */
    allow(id: string, perSecond: number, now: number): boolean {
      const bucket = buckets.get(id) ?? { left: perSecond, at: now };
      const left = Math.min(perSecond, bucket.left + (Math.max(0, now - bucket.at) / 1000) * perSecond) - 1;
      buckets.set(id, { left: Math.max(0, left), at: now });
      if (buckets.size > BUCKETS_KEPT)
        for (const [other, { at }] of buckets) if (now - at >= FILLS_MS) buckets.delete(other);
      return left >= 0;
    },
    forget(id: string): void {
      buckets.delete(id);
    },
  };
}
export type FrameRates = ReturnType<typeof createFrameRates>;
