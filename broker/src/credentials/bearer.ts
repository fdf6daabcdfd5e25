import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { decodeJwt, errors } from 'jose';
import * as z from 'zod';
import { type AccessPorts, authenticateAccess } from './access.ts';
import { type ClaimRule, matchesClaim } from './claim-rules.ts';
import { type IssuerWithKeys, verifyForeignJwt } from './foreign-jwt.ts';
import { foreignHolder } from './foreign-principal.ts';
import type { Authenticated } from './principal.ts';
import type { WorkloadIssuer } from './registered-keys.ts';

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

/** Of both token profiles, the older one and RFC 9068 §2.2. */
const Auth0Claims = z.object({ scope: z.string().max(4096).optional() });

interface Auth0Ports {
  readonly issuers: readonly IssuerWithKeys[];
  readonly rules: readonly ClaimRule[];
}

/**
 * An Auth0 API access token. A machine is known by its subject, `<client id>@clients`. For claim rules `scope` is a
 * list, as `permissions` is; neither means anything without a rule.
 *
 * An ID token has the same issuer and keys and differs by its audience only, so a client id must never be listed as
 * an audience. `now` in ms.
 */
async function authenticateAuth0(
  token: string,
  ports: Auth0Ports,
  now: number,
): Promise<Outcome<Authenticated>> {
  const verified = await verifyForeignJwt(token, ports.issuers, now);
  if (!verified.ok) return verified;
  const { payload } = verified.value;
  const claims = Auth0Claims.safeParse(payload);
  if (!claims.success) return err('credential_claims_invalid', { detail: 'auth0 claims' });
  const scope = claims.data.scope?.split(' ').filter((name) => name !== '');
  return foreignHolder(verified.value, {
    method: 'auth0',
    kindOf: (subject) => (subject.endsWith('@clients') ? 'service' : 'user'),
    claims: { ...payload, scope },
    rules: ports.rules,
  });
}

interface OidcPorts {
  readonly issuers: readonly IssuerWithKeys<WorkloadIssuer>[];
  readonly rules: readonly ClaimRule[];
  readonly usedTokens: Pick<ControlStore['usedTokens'], 'use'>;
}

const TokenName = z.string().min(1).max(256);

/** Longer than any leeway that might still take the token. */
const USE_KEPT_SECONDS = 120;

/**
 * A token of a registered OIDC issuer, as workloads have it: what every foreign token must be, and every claim rule
 * of its registration. The principal is `oidc:<name>:<sub>`, a service. Where the registration says so the token is
 * taken once, whatever comes of the request: its `jti` is burned after everything else held.
 *
 * Does NOT check the claims of an ID token that belong to a browser's sign-in (`nonce`, `at_hash`). `now` in ms.
 */
async function authenticateOidc(
  token: string,
  ports: OidcPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  const verified = await verifyForeignJwt(token, ports.issuers, now);
  if (!verified.ok) return verified;
  const { issuer, payload } = verified.value;
  const { rules, usedTokens } = ports;
  const holder = foreignHolder(verified.value, { method: 'oidc', kindOf: () => 'service', rules });
  if (!holder.ok) return holder;
  const unmet = issuer.match.findIndex((rule) => !matchesClaim(rule, payload));
  if (unmet >= 0) return err('credential_rule_unmet', { detail: `${issuer.name} match ${unmet + 1}` });
  if (!issuer.singleUse) return holder;

  const jti = TokenName.safeParse(payload.jti);
  if (!jti.success) return err('credential_claims_invalid', { detail: 'jti' });
  const until = (payload.exp + USE_KEPT_SECONDS) * 1000;
  const first = await usedTokens.use(`${issuer.namespace}:${jti.data}`, until);
  return first ? holder : err('credential_used', { detail: issuer.name });
}
