import type { SetKey } from '@agent-ticket/shared/key-set.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { isCanonicalCompact, readJwsHeader } from '@agent-ticket/shared/own-jws.ts';
import type { KeyLookup } from '@agent-ticket/shared/remote-keys.ts';
import { decodeJwt, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import * as z from 'zod';

/** Algorithms of foreign tokens; each issuer's keys say which of them. */
export type ForeignAlgorithm = 'RS256' | 'ES256';

/** One issuer whose tokens are taken, as the settings describe it. */
export interface ForeignIssuer {
  /** `access:<team domain>` or `auth0:<domain>`: how principal ids begin. */
  readonly namespace: string;
  /** Exactly `iss`. */
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** The greatest age of a token, whatever its `exp`; null: none. */
  readonly maxAgeSeconds: number | null;
  readonly keysUrl: string;
}

/** The part that issuers of every kind have. */
export interface TokenIssuer
  extends Pick<ForeignIssuer, 'namespace' | 'issuer' | 'audiences' | 'maxAgeSeconds'> {
  /** Where an operator chose them. A set without a key for them is a fault of the registration then, and no outage. */
  readonly algorithms?: readonly ForeignAlgorithm[];
  /** Whether an address in a token that does not say `email_verified` is verified; left out: it is not. */
  readonly emailsVerified?: boolean;
}

/** An issuer with its keys, which no other issuer shares. */
export interface IssuerWithKeys<Issuer extends TokenIssuer = ForeignIssuer> {
  readonly issuer: Issuer;
  readonly keys: {
    find(kid: string): Promise<KeyLookup<ForeignAlgorithm>>;
    /** Whether the issuer publishes keys and none that can serve here. */
    isUnusable(): boolean;
  };
}

/** Tokens carry groups and custom claims; cookies that hold them end at 4 KiB, headers at 16. */
const MAX_BYTES = 8192;
/** Their clocks, not ours. */
export const LEEWAY_SECONDS = 30;
/**
 * A sign-out at the platform does not end the signature: an older access token is refused, whatever its `exp`. Its client
 * can get a new one at any time.
 */
export const MAX_AGE_SECONDS = 24 * 3600;

/** `at+jwt` is RFC 9068 §2.1. Our own tickets and control tokens, and logout tokens, say otherwise. */
const Header = z.object({
  kid: z.string().min(1).max(256),
  typ: z
    .string()
    .regex(/^(application\/)?(jwt|at\+jwt)$/i)
    .optional(),
});

/** What the tokens of every issuer have. Dates are whole: `1e999` is not a date. */
const Dates = z.object({ exp: z.int(), iat: z.int(), nbf: z.int().optional() });

export interface ForeignToken<Issuer extends TokenIssuer = ForeignIssuer> {
  readonly issuer: Issuer;
  readonly payload: JWTPayload & { readonly exp: number; readonly iat: number };
}

/** What must hold for every JWT of an issuer, whatever it is for: algorithm of the key, issuer, audience, time. */
export const fromIssuer = (
  { issuer, audiences }: TokenIssuer,
  alg: ForeignAlgorithm,
  now: number,
): JWTVerifyOptions => ({
  algorithms: [alg],
  issuer,
  audience: [...audiences],
  clockTolerance: LEEWAY_SECONDS,
  currentDate: new Date(now),
});

/**
 * A token of a registered issuer: signed by that issuer's own keys, RS256 or ES256 as they are, exact issuer, one of
 * its audiences, in time and not older than its issuer's settings say. The issuer is looked up by the token's unverified `iss` in a closed
 * list; nothing is fetched for one that is not in it. `now` in ms.
 *
 * Does NOT check: what the claims say about a person, revocation at the issuer, that the token came by the issuer's
 * own edge, replay.
 */
export async function verifyForeignJwt<Issuer extends TokenIssuer>(
  token: string,
  issuers: readonly IssuerWithKeys<Issuer>[],
  now: number,
): Promise<Outcome<ForeignToken<Issuer>>> {
  if (!isCanonicalCompact(token, MAX_BYTES)) return err('credential_malformed', { hint: NOT_A_JWT });
  try {
    const header = Header.safeParse(readJwsHeader(token));
    if (!header.success) return err('credential_malformed', { detail: 'header' });
    const { iss } = decodeJwt(token);
    const found = issuers.find(({ issuer }) => issuer.issuer === iss);
    if (found === undefined) return err('credential_issuer_unknown');

    const looked = await findKey(found, header.data.kid);
    if (!looked.ok) return looked;
    const key = looked.value;
    const { payload } = await jwtVerify(token, key.key, {
      ...fromIssuer(found.issuer, key.alg, now),
      // Without an age jose would not refuse a token from the future.
      maxTokenAge: found.issuer.maxAgeSeconds ?? Number.MAX_SAFE_INTEGER,
      requiredClaims: ['exp', 'iat', 'aud', 'iss'],
    });
    const dates = Dates.safeParse(payload);
    if (!dates.success) return err('credential_claims_invalid', { detail: 'dates' });
    const { exp, iat } = dates.data;
    return ok({ issuer: found.issuer, payload: { ...payload, exp, iat } });
  } catch (error) {
    if (error instanceof errors.JOSEError) return denialOf(error);
    throw error;
  }
}

/** The key of an issuer by its `kid`. */
export async function findKey(
  { issuer, keys }: IssuerWithKeys<TokenIssuer>,
  kid: string,
): Promise<Outcome<SetKey<ForeignAlgorithm>>> {
  const key = await keys.find(kid);
  if (typeof key === 'object') return ok(key);
  if (key === 'unknown') return err('credential_key_unknown', { detail: issuer.namespace });
  const { namespace, algorithms } = issuer;
  const detail = keys.isUnusable() ? `the key set of ${namespace} has no key that can serve` : namespace;
  return keys.isUnusable() && algorithms !== undefined
    ? err('credential_key_unknown', { detail: `${detail} for ${algorithms.join(' or ')}` })
    : err('identity_source_unavailable', { retryAfter: 5, detail });
}

/** The `detail` of a token that is not expired and older than the settings allow. */
export const TOO_OLD = 'older than the settings allow';

const NOT_A_JWT =
  'the token is not a JWT; ask the issuer for an access token with this broker as its audience';
const NOT_FOR_US =
  'the token is for another audience; an ID token is no credential, ask for an access token for this broker';

/** Why jose refused, in our words. Its messages stay inside: they name claims, never values or token bytes. */
function denialOf(error: errors.JOSEError): Outcome<never> {
  const detail = error.code;
  if (error instanceof errors.JWTExpired)
    return err('credential_expired', { detail: error.claim === 'iat' ? TOO_OLD : detail });
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'nbf' && error.reason === 'check_failed')
      return err('credential_not_yet_valid', { detail });
    const hint = error.claim === 'aud' ? { hint: NOT_FOR_US } : {};
    return err('credential_claims_invalid', { detail: `${detail} ${error.claim}`, ...hint });
  }
  return error instanceof errors.JWSSignatureVerificationFailed
    ? err('credential_signature_invalid', { detail })
    : err('credential_malformed', { detail });
}
