import { BaseUrl } from '@agent-ticket/shared/settings.ts';
import * as z from 'zod';
import type { TokenIssuer } from '../credentials/foreign-jwt.ts';
import type { CaepTransmitter } from '../credentials/registered-keys.ts';
import { KEY_MEMBERS, KEYS_FIT } from './issuers.ts';

/** A transmitter of security events, as `CAEP_ISSUERS` lists it. */
export const CaepIssuer = z
  .strictObject({
    /** `iss` of its tokens, character by character. */
    issuer: BaseUrl,
    /** `aud` must have one of these. */
    audiences: z.array(z.string().min(1).max(512)).min(1),
    /** The registered issuer whose people it may sign out, by its `iss`. Left out: the same. */
    subjects: BaseUrl.optional(),
    ...KEY_MEMBERS,
  })
  .refine(({ jwks, jwks_uri }) => (jwks === undefined) !== (jwks_uri === undefined), {
    path: ['jwks_uri'],
    message: 'needs one of jwks_uri and jwks',
  })
  .refine(...KEYS_FIT);
type CaepIssuer = z.output<typeof CaepIssuer>;

/**
 * The greatest age of a token. A transmitter that was away sends its stored events later; a `jti` is stored for the same
 * time. In seconds.
 */
export const SET_MAX_AGE_SECONDS = 7 * 24 * 3600;

/** Why the transmitters do not fit the issuers, or `undefined`. */
export function caepFault(
  settings: readonly CaepIssuer[],
  issuers: readonly Pick<TokenIssuer, 'issuer'>[],
): string | undefined {
  if (new Set(settings.map(({ issuer }) => issuer)).size !== settings.length)
    return 'an issuer is listed twice';
  const isRegistered = ({ issuer, subjects = issuer }: CaepIssuer): boolean =>
    issuers.some((each) => each.issuer === subjects);
  return settings.every(isRegistered)
    ? undefined
    : 'subjects must be the iss of a configured issuer: people of other issuers have no sessions here';
}

export const caepTransmitters = (
  settings: readonly CaepIssuer[],
  issuers: readonly Pick<TokenIssuer, 'issuer' | 'namespace'>[],
): CaepTransmitter[] =>
  settings.map(({ issuer, audiences, subjects = issuer, jwks, jwks_uri: url = '', algorithms }) => ({
    ...{ issuer, audiences, subjects, algorithms, maxAgeSeconds: SET_MAX_AGE_SECONDS },
    namespace: issuers.find((each) => each.issuer === subjects)?.namespace ?? '',
    keys: jwks === undefined ? { url } : { set: jwks },
  }));
