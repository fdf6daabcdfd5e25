import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import type { AccessGroups } from './access-groups.ts';
import { applyClaimRules, type ClaimRule, rulesAsk } from './claim-rules.ts';
import { EmailAddress } from './email-address.ts';
import { type ForeignToken, type IssuerWithKeys, verifyForeignJwt } from './foreign-jwt.ts';
import { foreignPrincipalId } from './foreign-principal.ts';
import type { Authenticated, Identity } from './principal.ts';

/** What Access signs for an application. `type: "org"` is the team's session, never an identity for us. */
const Claims = z.object({
  type: z.literal('app'),
  sub: z.string().max(256),
  email: EmailAddress,
  /** Client id of an Access service token; also the name in a client certificate, hence the shape. */
  common_name: z
    .string()
    .regex(/^[0-9a-f]{32}\.access$/)
    .optional(),
});

export interface AccessPorts {
  readonly issuers: readonly IssuerWithKeys[];
  readonly groups: AccessGroups;
  readonly rules: readonly ClaimRule[];
}

/**
 * A Cloudflare Access application token. A user has a `sub`; an Access service token has an empty one and a
 * `common_name`. Groups are asked of Access only where a claim rule of that issuer looks at them.
 *
 * Does NOT check that the request came through Access: the signature is the proof, and the only one. `now` in ms.
 */
export async function authenticateAccess(
  token: string,
  ports: AccessPorts,
  now: number,
): Promise<Outcome<Authenticated>> {
  const verified = await verifyForeignJwt(token, ports.issuers, now);
  if (!verified.ok) return verified;
  const { issuer, payload } = verified.value;
  const identity = identityOf(verified.value);
  if (identity === undefined) return err('credential_claims_invalid', { detail: 'access claims' });

  const asked = identity.kind === 'user' && rulesAsk(ports.rules, issuer.issuer, 'groups');
  const groups = asked
    ? await ports.groups.of(token, identity.id, issuer, now)
    : ok<readonly string[] | undefined>(undefined);
  if (!groups.ok) return groups;
  const claims = groups.value === undefined ? payload : { ...payload, groups: groups.value };
  return ok({
    method: 'access',
    principal: applyClaimRules(identity, claims, ports.rules),
    expiresAt: payload.exp,
    issuedAt: payload.iat * 1000,
    upstream: { sub: payload.sub ?? '', mayAct: payload.may_act },
  });
}

function identityOf({ issuer, payload }: ForeignToken): Identity | undefined {
  const claims = Claims.safeParse(payload);
  if (!claims.success) return undefined;
  const { sub, common_name: commonName, email } = claims.data;
  if (sub === '' && commonName === undefined) return undefined;
  const kind = sub === '' ? 'service' : 'user';
  const id = foreignPrincipalId(issuer, `${kind}:${sub === '' ? commonName : sub}`);
  if (id === undefined) return undefined;
  // Access itself admits people by this address; `TRUST_EMAIL` decides whether that is enough here.
  const address = kind === 'user' && email !== undefined ? { email, emailVerified: true } : {};
  return { id, kind, issuer: issuer.issuer, ...address };
}
