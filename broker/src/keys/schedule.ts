import type { SigningKeyRow } from '@agent-ticket/drizzle/control/signing-keys.ts';
import { CLOCK_SKEW_SECONDS, KEY_SET, TICKET_TTL_SECONDS } from '@agent-ticket/shared/limits.ts';

export type KeyState = 'pending' | 'active' | 'retiring' | 'retired' | 'revoked';

/** How long a signer may go on with the key states it read, in ms. */
export const SIGNER_CACHE_MS = 5_000;

/** How long anyone may hold the published set without asking, in seconds; sent as `max-age`. */
export const JWKS_MAX_AGE_SECONDS = KEY_SET.freshMs / 1000;

/**
 * A key is published this long before it signs, so that every verifier has it by then: what a verifier may hold,
 * what a cache on the way may hold, and the clocks' difference, with the rest as margin. In ms.
 */
export const PUBLISH_LEAD_MS = 300_000;

/** A key is published this long after it stopped signing: its last ticket, a signer that noticed late, clocks. In ms. */
export const RETIRE_LAG_MS = 360_000;

const LEAST_LEAD_MS = KEY_SET.freshMs + JWKS_MAX_AGE_SECONDS * 1000 + CLOCK_SKEW_SECONDS * 1000;
const LEAST_LAG_MS = (TICKET_TTL_SECONDS.max + CLOCK_SKEW_SECONDS) * 1000 + SIGNER_CACHE_MS;

/** Whether a rotation by these times refuses no valid ticket. */
export const isSafeSchedule = (leadMs: number, lagMs: number): boolean =>
  leadMs >= LEAST_LEAD_MS && lagMs >= LEAST_LAG_MS;

/** The state of a key at a moment: nothing else is stored, so no transition can be missed. `now` in ms. */
export function stateOf(row: SigningKeyRow, now: number): KeyState {
  if (row.revokedAt !== null) return 'revoked';
  if (row.removedAt !== null && now >= row.removedAt) return 'retired';
  if (row.retiresAt !== null && now >= row.retiresAt) return 'retiring';
  return now >= row.activatesAt ? 'active' : 'pending';
}

const PUBLISHED: readonly KeyState[] = ['pending', 'active', 'retiring'];

export const isPublished = (row: SigningKeyRow, now: number): boolean =>
  PUBLISHED.includes(stateOf(row, now));
