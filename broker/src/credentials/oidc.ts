import type { usedTokenQueries } from '@agent-ticket/drizzle/control/used-tokens.ts';
import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { applyClaimRules, type ClaimRule, matchesClaim } from '../claim-rules.ts';
import type { WorkloadIssuer } from '../config/oidc.ts';
import { foreignActors } from '../delegation.ts';
import type { Authenticated } from '../principal.ts';
import { type IssuerWithKeys, verifyForeignJwt } from './foreign-jwt.ts';

export interface OidcPorts {
  readonly issuers: readonly IssuerWithKeys<WorkloadIssuer>[];
  readonly rules: readonly ClaimRule[];
  readonly usedTokens: Pick<ReturnType<typeof usedTokenQueries>, 'use'>;
}

const Claims = z.object({
  sub: z.string().min(1).max(400),
  jti: z.string().min(1).max(256).optional(),
  email: z.email().optional(),
  email_verified: z.boolean().optional(),
});

/** Longer than any leeway that might still take the token. */
const USE_KEPT_SECONDS = 120;

/**
 * A token of a registered OIDC issuer, as workloads have it: what every foreign token must be, and every claim rule
 * of its registration. The principal is `oidc:<name>:<sub>`, a service. Where the registration says so the token is
 * taken once, whatever comes of the request: its `jti` is burned after everything else held.
 *
 * Does NOT check the claims of an ID token that belong to a browser's sign-in (`nonce`, `at_hash`). `now` in ms.
 */
export async function authenticateOidc(
  token: string,
  ports: OidcPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  const verified = await verifyForeignJwt(token, ports.issuers, now);
  if (!verified.ok) return verified;
  const { issuer, payload } = verified.value;
  const claims = Claims.safeParse(payload);
  const id = PrincipalId.safeParse(`${issuer.namespace}:${claims.data?.sub ?? ''}`);
  if (!claims.success || !id.success) return deny('credential_claims_invalid', { inside: 'oidc claims' });
  const unmet = issuer.match.findIndex((rule) => !matchesClaim(rule, payload));
  if (unmet >= 0) return deny('credential_rule_unmet', { inside: `${issuer.name} match ${unmet + 1}` });
  const act = foreignActors(payload, issuer.issuer, issuer.namespace);
  if (!act.ok) return act;

  const { sub, jti, email, email_verified: emailVerified = false } = claims.data;
  if (issuer.singleUse) {
    if (jti === undefined) return deny('credential_claims_invalid', { inside: 'jti' });
    const until = (payload.exp + USE_KEPT_SECONDS) * 1000;
    const first = await ports.usedTokens.use(`${issuer.namespace}:${jti}`, until);
    if (!first) return deny('credential_used', { inside: issuer.name });
  }
  const address = email === undefined ? {} : { email, emailVerified };
  return allow({
    method: 'oidc',
    principal: applyClaimRules(
      { id: id.data, kind: 'service', issuer: issuer.issuer, ...address },
      payload,
      ports.rules,
    ),
    expiresAt: payload.exp,
    upstream: { sub, mayAct: payload.may_act },
    ...(act.value === undefined ? {} : { act: act.value }),
  });
}
