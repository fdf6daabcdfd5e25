/**
 * Every number both sides must agree on, once, with its unit in its name and the reason beside it.
 * Numbers that one package alone needs are in that package.
 */

/** A ticket is shown once, within about a minute; five minutes is the most a slow client may ask for. */
export const TICKET_TTL_SECONDS = { min: 5, default: 60, max: 300 } as const;

/** Our own clocks only: 30 s, as is usual for foreign tokens, would add half of a default ticket's life. */
export const CLOCK_SKEW_SECONDS = 5;

/** Keeps a ticket inside URL, header and connection attachment limits, and a flood of dots cheap to refuse. */
export const TICKET_MAX_BYTES = 2048;

/** After this time past `exp` the refusal is final. Before, the client may just be slow and is asked to retry. */
export const EXPIRED_GRACE_SECONDS = 60;

/** A used `jti` is kept this long past `exp`: longer than any clock accepts the ticket, so above the clock skew. */
export const BURN_KEPT_SECONDS = 60;

/** How long rights granted by one ticket last without a renewal, before tier, credential and grant cap it. */
export const SESSION_SECONDS = 3600;

/** No session lives longer, however often it is renewed. */
export const SESSION_ABSOLUTE_SECONDS = 24 * 3600;

/** A credential with less time left gets no ticket: the ticket could expire before its use. */
export const CREDENTIAL_MIN_LEFT_SECONDS = 5;

/** The longest request body that the broker reads. Counted while reading: the length header may be missing. */
export const BODY_MAX_BYTES = 16 * 1024;

/** A WebSocket close frame carries at most 125 bytes, two of them the code. */
export const CLOSE_REASON_MAX_BYTES = 123;

/** How a verifier may hold a fetched key set. Rotation and revocation bounds are computed from these. */
export const KEY_SET = {
  /** Younger than this no request asks for a newer set. */
  freshMs: 60_000,
  /** While the key endpoint fails, a set this old still serves; then nothing does. Bounds an emergency revoke. */
  staleMs: 360_000,
  /** Between two fetches for an unknown `kid`, and between two failed refreshes, over HTTPS. */
  cooldownMs: 30_000,
  /** The same over a service binding, which costs no network. */
  bindingCooldownMs: 1_000,
  /** A request that meets the cooldown waits at most this long before it answers "unavailable". */
  waitMs: 1_000,
  /** A slow endpoint must not hold an upgrade past the stock client's 4 s connection timeout. */
  timeoutMs: 2_000,
  /** Ours are under 2 KiB; Access and Auth0 sets under 16 KiB. */
  maxBytes: 64 * 1024,
} as const;

/** An audit log is sealed each minute: a seal that is older missed one. */
export const LATE_SEAL_SECONDS = 120;

/** Deliveries that failed are tried again each few seconds: an operator looks at what waits for longer. */
export const LATE_DELIVERY_SECONDS = 60;

/**
 * An event is in the record database for at least so long, so that one which is delivered again within that time is
 * known. What arrives later is marked `late`: it may be in the archive as well, under the same id.
 */
export const AUDIT_HOT_DAYS_LEAST = 7;
