import * as z from 'zod';

/** Ten years: enough for any test, far from where NumericDate loses whole seconds. */
const MAX_EXPIRES_IN_SECONDS = 315_360_000;

const expiresIn = z.int().min(-MAX_EXPIRES_IN_SECONDS).max(MAX_EXPIRES_IN_SECONDS).optional();

/** Merged over the finished claims as they are, so that tests can make tokens that no platform would. */
const claims = z.record(z.string(), z.unknown()).optional();

/** A user by e-mail address, or a service by client id. */
export const accessTokenRequest = z
  .strictObject({
    email: z
      .string()
      .regex(/^[^\s@]+@[^\s@]+$/, 'expected an e-mail address')
      .optional(),
    commonName: z
      .string()
      .regex(/^[0-9a-f]{32}\.access$/, 'expected 32 lower-case hex digits and ".access"')
      .optional(),
    aud: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
    expiresIn,
    claims,
  })
  .refine((request) => request.email === undefined || request.commonName === undefined, {
    path: ['email'],
    error: 'a service token has no e-mail address',
  });

export type AccessTokenRequest = z.infer<typeof accessTokenRequest>;

export const auth0TokenRequest = z.strictObject({
  sub: z.string().min(1),
  scope: z.string().optional(),
  audience: z.string().min(1).optional(),
  expiresIn,
  claims,
});

export type Auth0TokenRequest = z.infer<typeof auth0TokenRequest>;

/** Times of a development token, in seconds since 1970. */
export interface TokenTime {
  iat: number;
  exp: number;
}

/** Lifetime of a token that is requested already expired. */
const EXPIRED_TOKEN_LIFETIME_SECONDS = 60;

/**
 * `expiresIn` is in seconds from now. Zero or less makes a token that was once valid: it was issued a minute
 * before its end, so that a verifier finds only the expiry wrong.
 */
export function tokenTime(nowMs: number, expiresIn: number): TokenTime {
  const now = Math.floor(nowMs / 1000);
  const exp = now + expiresIn;
  return { iat: expiresIn > 0 ? now : exp - EXPIRED_TOKEN_LIFETIME_SECONDS, exp };
}
