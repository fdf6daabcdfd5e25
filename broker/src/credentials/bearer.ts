import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import { decodeJwt, errors } from 'jose';
import { type AccessPorts, authenticateAccess } from './access.ts';
import { type Auth0Ports, authenticateAuth0 } from './auth0.ts';
import { authenticateOidc, type OidcPorts } from './oidc.ts';
import type { Authenticated } from './principal.ts';

export interface JwtPorts {
  readonly access: AccessPorts;
  readonly auth0: Auth0Ports;
  readonly oidc: OidcPorts;
}

/** Kinds of issuers of JWTs. */
export type JwtSource = 'access' | 'auth0' | 'oidc';

/** Access tokens of Access travel in headers of their own; everything else is a bearer token. */
const BEARER: readonly JwtSource[] = ['auth0', 'oidc'];

/** The holder of a JWT in `Authorization`. `now` in ms. */
export const authenticateBearer = (
  token: string,
  ports: JwtPorts,
  now: number,
): Promise<Outcome<Authenticated>> => authenticateJwt(token, BEARER, ports, now);

/**
 * The holder of a JWT, out of the sources that are accepted where it came. Its unverified `iss` only chooses who
 * verifies it; a token without a registered issuer is refused by the last of them.
 */
export function authenticateJwt(
  token: string,
  sources: readonly JwtSource[],
  ports: JwtPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  const iss = claimedIssuer(token);
  const isOf = (known: readonly { readonly issuer: { readonly issuer: string } }[]): boolean =>
    known.some(({ issuer }) => issuer.issuer === iss);
  if (sources.includes('access') && isOf(ports.access.issuers))
    return authenticateAccess(token, ports.access, now);
  if (sources.includes('oidc') && isOf(ports.oidc.issuers)) return authenticateOidc(token, ports.oidc, now);
  const auth0 = sources.includes('auth0') ? ports.auth0 : { ...ports.auth0, issuers: [] };
  return authenticateAuth0(token, auth0, now);
}

function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
    throw error;
  }
}
