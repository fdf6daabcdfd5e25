import { describe, expect, it } from 'vitest';
import { CLOSES } from './denial.ts';
import {
  BODY_MAX_BYTES,
  BURN_KEPT_SECONDS,
  CLOCK_SKEW_SECONDS,
  CLOSE_REASON_MAX_BYTES,
  CREDENTIAL_MIN_LEFT_SECONDS,
  EXPIRED_GRACE_SECONDS,
  KEY_SET,
  SESSION_ABSOLUTE_SECONDS,
  SESSION_SECONDS,
  TICKET_MAX_BYTES,
  TICKET_TTL_SECONDS,
} from './limits.ts';

const MINUTE_MS = 60_000;

describe('the numbers agree with each other', () => {
  it.each<[string, boolean]>([
    ['a burn outlives every clock that may still accept its ticket', BURN_KEPT_SECONDS > CLOCK_SKEW_SECONDS],
    ['a ticket says "come back" before it says "stop"', EXPIRED_GRACE_SECONDS > CLOCK_SKEW_SECONDS],
    ['the skew is small beside a default ticket', CLOCK_SKEW_SECONDS * 10 <= TICKET_TTL_SECONDS.default],
    ['the shortest ticket outlives the clock skew', TICKET_TTL_SECONDS.min >= CLOCK_SKEW_SECONDS],
    ['the default life lies within the range', TICKET_TTL_SECONDS.min <= TICKET_TTL_SECONDS.default],
    ['the range has an order', TICKET_TTL_SECONDS.default <= TICKET_TTL_SECONDS.max],
    [
      'a credential that may mint can fill the shortest ticket',
      CREDENTIAL_MIN_LEFT_SECONDS >= TICKET_TTL_SECONDS.min,
    ],
    ['a session outlives the ticket that opened it', SESSION_SECONDS > TICKET_TTL_SECONDS.max],
    ['the absolute life has room for renewals', SESSION_ABSOLUTE_SECONDS >= 2 * SESSION_SECONDS],
    ['a ticket fits the body of a request', TICKET_MAX_BYTES < BODY_MAX_BYTES],
    ['a set goes fresh, then stale', KEY_SET.freshMs < KEY_SET.staleMs],
    [
      'a failed refresh is tried again before the set is stale',
      KEY_SET.freshMs + KEY_SET.cooldownMs < KEY_SET.staleMs,
    ],
    ['a binding is asked more often than a network', KEY_SET.bindingCooldownMs < KEY_SET.cooldownMs],
    ['a request may wait out the cooldown of a binding', KEY_SET.waitMs >= KEY_SET.bindingCooldownMs],
    ['fetching and waiting end within the stock client’s 4 s', KEY_SET.timeoutMs + KEY_SET.waitMs < 4000],
    ['a revoked key is forgotten within 120 s of a working endpoint', 2 * KEY_SET.freshMs <= 2 * MINUTE_MS],
    ['a revoked key is forgotten within 360 s in any case', KEY_SET.staleMs <= 6 * MINUTE_MS],
    ['a set of the keys of one rotation fits many times over', KEY_SET.maxBytes >= 8 * 2048],
  ])('%s', (_name, holds) => {
    expect(holds).toBe(true);
  });

  it('every close reason fits a close frame', () => {
    const tooLong = Object.keys(CLOSES).filter(
      (reason) => new TextEncoder().encode(reason).length > CLOSE_REASON_MAX_BYTES,
    );
    expect([CLOSE_REASON_MAX_BYTES, tooLong]).toEqual([123, []]);
  });
});

describe('the numbers that are promised to users', () => {
  it('are these', () => {
    expect(TICKET_TTL_SECONDS).toEqual({ min: 5, default: 60, max: 300 });
    expect({
      BURN_KEPT_SECONDS,
      CLOCK_SKEW_SECONDS,
      EXPIRED_GRACE_SECONDS,
      CREDENTIAL_MIN_LEFT_SECONDS,
    }).toEqual({
      BURN_KEPT_SECONDS: 60,
      CLOCK_SKEW_SECONDS: 5,
      EXPIRED_GRACE_SECONDS: 60,
      CREDENTIAL_MIN_LEFT_SECONDS: 5,
    });
    expect({ SESSION_SECONDS, SESSION_ABSOLUTE_SECONDS }).toEqual({
      SESSION_SECONDS: 3600,
      SESSION_ABSOLUTE_SECONDS: 86_400,
    });
    expect({ TICKET_MAX_BYTES, BODY_MAX_BYTES }).toEqual({ TICKET_MAX_BYTES: 2048, BODY_MAX_BYTES: 16_384 });
  });
});
