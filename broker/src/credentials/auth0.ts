import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import type { ClaimRule } from './claim-rules.ts';
import { type IssuerWithKeys, verifyForeignJwt } from './foreign-jwt.ts';
import { foreignHolder } from './foreign-principal.ts';
import type { Authenticated } from './principal.ts';

/** Of both token profiles, the older one and RFC 9068 §2.2. */
const Claims = z.object({ scope: z.string().max(4096).optional() });

export interface Auth0Ports {
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
export async function authenticateAuth0(
  token: string,
  ports: Auth0Ports,
  now: number,
): Promise<Outcome<Authenticated>> {
  const verified = await verifyForeignJwt(token, ports.issuers, now);
  if (!verified.ok) return verified;
  const { payload } = verified.value;
  const claims = Claims.safeParse(payload);
  if (!claims.success) return err('credential_claims_invalid', { detail: 'auth0 claims' });
  const scope = claims.data.scope?.split(' ').filter((name) => name !== '');
  return foreignHolder(verified.value, {
    method: 'auth0',
    kindOf: (subject) => (subject.endsWith('@clients') ? 'service' : 'user'),
    claims: { ...payload, scope },
    rules: ports.rules,
  });
}
