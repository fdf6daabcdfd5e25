/** Times of a development token, in seconds since 1970. */
export interface TokenTime {
  iat: number;
  exp: number;
}

/** How long a token had been good for when it is asked for already expired. */
const EXPIRED_TOKEN_LIFE_SECONDS = 60;

/**
 * `expiresIn` is in seconds from now. Zero or less makes a token that was once good: it was issued a minute
 * before its end, so that a verifier has only the expiry to complain about.
 */
export function tokenTime(nowMs: number, expiresIn: number): TokenTime {
  const now = Math.floor(nowMs / 1000);
  const exp = now + expiresIn;
  return { iat: expiresIn > 0 ? now : exp - EXPIRED_TOKEN_LIFE_SECONDS, exp };
}
