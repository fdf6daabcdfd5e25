import type { KeyTimes } from '@agent-ticket/drizzle/control/signing-keys.ts';
import { CLOCK_SKEW_SECONDS, KEY_SET, TICKET_TTL_SECONDS } from '@agent-ticket/shared/limits.ts';

type KeyState = 'pending' | 'active' | 'retiring' | 'retired' | 'revoked';

/** How long a signer may go on with the key states it read, in ms. */
export const SIGNER_CACHE_MS = 5_000;

/** How long anyone may hold the published set without asking, in seconds; sent as `max-age`. */
export const JWKS_MAX_AGE_SECONDS = KEY_SET.freshMs / 1000;

/**
 * For how long after its revocation a verifier may still hold a key, in seconds: while it reaches the published set, and
 * while it does not. A cache on the way adds its share to both.
 */
export const REVOKED_KEY_SECONDS = {
  reached: KEY_SET.freshMs / 1000 + JWKS_MAX_AGE_SECONDS,
  away: KEY_SET.staleMs / 1000 + JWKS_MAX_AGE_SECONDS,
} as const;

/** When keys follow each other, all in ms. Every number that a rotation goes by comes from here. */
export interface KeySchedule {
  /** How long a key signs before the next one does. */
  readonly everyMs: number;
  /** How long a key is published before it signs, so that every verifier has it by then. */
  readonly leadMs: number;
  /** How long a key is published after it stopped signing. */
  readonly lagMs: number;
}

export const DEFAULT_SCHEDULE: KeySchedule = {
  everyMs: 30 * 24 * 3_600_000,
  leadMs: 600_000,
  lagMs: 360_000,
};

/**
 * The oldest set that any verifier may still go by, and the clocks' difference: by then it has learnt the next key, or
 * has none at all.
 */
const LEAST_LEAD_MS = (REVOKED_KEY_SECONDS.away + CLOCK_SKEW_SECONDS) * 1000;

/** The last ticket of a key, the clocks' difference, and a signer that noticed late. */
const LEAST_LAG_MS = (TICKET_TTL_SECONDS.max + CLOCK_SKEW_SECONDS) * 1000 + SIGNER_CACHE_MS;

/** What makes a schedule refuse valid tickets, by the member at fault; none for a safe one. */
export function scheduleFaults(schedule: KeySchedule): Partial<Record<keyof KeySchedule, string>> {
  const { everyMs, leadMs, lagMs } = schedule;
  const seconds = (ms: number): string =>
    `must be at least ${ms / 1000} s, or a rotation refuses good tickets`;
  return {
    ...(!(leadMs >= LEAST_LEAD_MS) && { leadMs: seconds(LEAST_LEAD_MS) }),
    ...(!(lagMs >= LEAST_LAG_MS) && { lagMs: seconds(LEAST_LAG_MS) }),
    ...(!(everyMs >= leadMs + lagMs) && {
      everyMs: 'must be longer than publish lead and retire lag together',
    }),
  };
}

/** Has no predecessor, so it has nothing to wait for. */
const FIRST_GENERATION = 1;

/**
 * The state of a key at a moment: nothing else is stored, so no transition can be missed. `now` in ms. A first key is
 * never pending: of several instances that start together, those that read their clock before its maker did sign too.
 */
export function stateOf(row: KeyTimes, now: number): KeyState {
  if (row.revokedAt !== null) return 'revoked';
  if (row.removedAt !== null && now >= row.removedAt) return 'retired';
  if (row.retiresAt !== null && now >= row.retiresAt) return 'retiring';
  return row.generation === FIRST_GENERATION || now >= row.activatesAt ? 'active' : 'pending';
}

/**
 * How long a set of keys may be held without asking, in seconds: never beyond the moment at which one of them leaves it.
 * `now` in ms.
 */
export function maxAgeOf(rows: readonly Pick<KeyTimes, 'removedAt'>[], now: number): number {
  const left = rows.flatMap(({ removedAt }) => (removedAt === null ? [] : [removedAt - now]));
  return Math.max(0, Math.min(JWKS_MAX_AGE_SECONDS, ...left.map((ms) => Math.floor(ms / 1000))));
}

/** The one state in which a key signs. */
export const SIGNING: KeyState = 'active';

/** States in which a ticket key is in the set. */
export const PUBLISHED: readonly KeyState[] = ['pending', 'active', 'retiring'];

export const isPublished = (row: KeyTimes, now: number): boolean => PUBLISHED.includes(stateOf(row, now));
