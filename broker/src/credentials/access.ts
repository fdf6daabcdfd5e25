import { isCanonicalCompact } from '@agent-ticket/shared/compact-jws.ts';
import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import type { createRemoteKeys } from '@agent-ticket/shared/remote-keys.ts';
import { decodeProtectedHeader, errors, jwtVerify } from 'jose';
import * as z from 'zod';
import type { AccessIssuer } from '../config.ts';
import type { Authenticated, Principal } from '../principal.ts';
import { denialOfJose } from './jose-denial.ts';

type Rs256Keys = ReturnType<typeof createRemoteKeys<'RS256'>>;

/** Assertions carry groups and custom claims; Access keeps its cookie below the browsers' 4 KiB. */
const MAX_BYTES = 8192;
/** Cloudflare's clocks, not ours. */
const LEEWAY_SECONDS = 30;
/** Signing out stops the edge, not the signature: an assertion older than a day is not taken, whatever `exp` says. */
const MAX_AGE_SECONDS = 24 * 3600;

const Header = z.object({ kid: z.string().min(1).max(256) });

/** What Access signs for an application. `type: "org"` is the team's session, never an identity for us. */
const Claims = z.object({
  type: z.literal('app'),
  sub: z.string().max(256),
  exp: z.int(),
  iat: z.int(),
  email: z.email().optional(),
  /** Client id of an Access service token; also the name in a client certificate, hence the shape. */
  common_name: z
    .string()
    .regex(/^[0-9a-f]{32}\.access$/)
    .optional(),
});

/**
 * A Cloudflare Access application token: RS256 by the team's keys, exact issuer, one of our audiences, of type
 * `app`, not too old. A user has a `sub`; a service token has an empty one and a `common_name`.
 *
 * Does NOT check that the request came through Access: the signature is the proof, and the only one. `now` in ms.
 */
export async function authenticateAccess(
  token: string,
  issuer: AccessIssuer,
  keys: Rs256Keys,
  now: number,
): Promise<Outcome<Authenticated>> {
  if (!isCanonicalCompact(token, MAX_BYTES)) return deny('credential_malformed');
  try {
    const header = Header.safeParse(decodeProtectedHeader(token));
    if (!header.success) return deny('credential_malformed');
    const key = await keys.find(header.data.kid);
    if (key === 'unknown') return deny('credential_key_unknown');
    if (key === 'unavailable') return deny('identity_source_unavailable', { retryAfter: 5 });

    const { payload } = await jwtVerify(token, key.key, {
      algorithms: [key.alg],
      issuer: issuer.issuer,
      audience: [...issuer.audiences],
      clockTolerance: LEEWAY_SECONDS,
      currentDate: new Date(now),
      maxTokenAge: MAX_AGE_SECONDS,
      requiredClaims: ['exp', 'iat', 'aud', 'iss', 'type'],
    });
    const claims = Claims.safeParse(payload);
    if (!claims.success) return deny('credential_claims_invalid');
    const principal = principalOf(claims.data, issuer);
    return principal === undefined
      ? deny('credential_claims_invalid')
      : allow({ method: 'access', principal, expiresAt: claims.data.exp });
  } catch (error) {
    if (error instanceof errors.JOSEError) return denialOfJose(error);
    throw error;
  }
}

function principalOf(claims: z.infer<typeof Claims>, issuer: AccessIssuer): Principal | undefined {
  const { sub, common_name: commonName, email } = claims;
  const rest = { issuer: issuer.issuer, groups: [], tier: 'free', permissions: [] } as const;
  if (sub !== '') {
    const id = PrincipalId.safeParse(`access:${issuer.teamDomain}:user:${sub}`);
    return id.success
      ? { id: id.data, kind: 'user', ...rest, ...(email === undefined ? {} : { email }) }
      : undefined;
  }
  if (commonName === undefined) return undefined;
  return {
    id: PrincipalId.parse(`access:${issuer.teamDomain}:service:${commonName}`),
    kind: 'service',
    ...rest,
  };
}
