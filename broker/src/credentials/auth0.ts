import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { allow, deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { applyClaimRules, type ClaimRule } from '../claim-rules.ts';
import { foreignActors } from '../delegation.ts';
import type { Authenticated } from '../principal.ts';
import { type IssuerWithKeys, verifyForeignJwt } from './foreign-jwt.ts';

/** What both token profiles of Auth0 have in common, the older one and RFC 9068 §2.2. */
const Claims = z.object({
  sub: z.string().min(1).max(256),
  scope: z.string().max(4096).optional(),
  email: z.email().optional(),
  email_verified: z.boolean().optional(),
});

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
  const { issuer, payload } = verified.value;
  const claims = Claims.safeParse(payload);
  const id = PrincipalId.safeParse(`${issuer.namespace}:${claims.data?.sub ?? ''}`);
  if (!claims.success || !id.success) return deny('credential_claims_invalid', { inside: 'auth0 claims' });
  const { sub, scope, email, email_verified: emailVerified = false } = claims.data;
  const kind = sub.endsWith('@clients') ? 'service' : 'user';
  const principal = applyClaimRules(
    { id: id.data, kind, issuer: issuer.issuer, ...(email === undefined ? {} : { email, emailVerified }) },
    { ...payload, scope: scope?.split(' ').filter((name) => name !== '') },
    ports.rules,
  );
  const act = foreignActors(payload, issuer.issuer, issuer.namespace);
  if (!act.ok) return act;
  return allow({
    method: 'auth0',
    principal,
    expiresAt: payload.exp,
    upstream: { sub, mayAct: payload.may_act },
    ...(act.value === undefined ? {} : { act: act.value }),
  });
}
