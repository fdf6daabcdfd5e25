import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { type ClaimRule, matchesClaim } from './claim-rules.ts';
import { type IssuerWithKeys, verifyForeignJwt } from './foreign-jwt.ts';
import { foreignHolder } from './foreign-principal.ts';
import type { Authenticated } from './principal.ts';
import type { WorkloadIssuer } from './workload-keys.ts';

export interface OidcPorts {
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
export async function authenticateOidc(
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
