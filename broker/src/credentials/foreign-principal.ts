import { CONTROL_CHARACTER } from '@agent-ticket/shared/describe-values.ts';
import { PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { applyClaimRules, type ClaimRule, type Claims } from './claim-rules.ts';
import { foreignActors } from './delegation.ts';
import { EmailAddress } from './email-address.ts';
import type { ForeignToken, TokenIssuer } from './foreign-jwt.ts';
import type { Authenticated, Identity, Principal } from './principal.ts';
import { containsCredential } from './secret-in-text.ts';

/** A text that a table can show. No credential is refused for its name: any other counts as none. */
const PersonName = z
  .string()
  .trim()
  .min(1)
  .max(256)
  .refine((text) => text.isWellFormed() && !CONTROL_CHARACTER.test(text) && !containsCredential(text))
  .optional()
  .catch(undefined);

const Subject = z.object({
  sub: z.string().min(1).max(400),
  email: EmailAddress,
  name: PersonName,
  email_verified: z.boolean().optional().catch(false),
});

/** The principal of an issuer's subject: named by both, and by nothing that may change. */
export const foreignPrincipalId = ({ namespace }: TokenIssuer, subject: string): PrincipalId | undefined =>
  PrincipalId.safeParse(`${namespace}:${subject}`).data;

/** The identity in verified claims of an issuer that names everybody by `sub` alone; `undefined`: there is none. */
export function foreignIdentity(
  issuer: TokenIssuer,
  claims: unknown,
  kindOf: (subject: string) => Principal['kind'],
): Identity | undefined {
  const subject = Subject.safeParse(claims);
  const id = subject.data && foreignPrincipalId(issuer, subject.data.sub);
  if (!subject.success || id === undefined) return undefined;
  const { sub, email, email_verified: emailVerified = issuer.emailsVerified === true, name } = subject.data;
  const address = email === undefined ? {} : { email, emailVerified };
  return {
    id,
    kind: kindOf(sub),
    issuer: issuer.issuer,
    ...address,
    ...(name === undefined ? {} : { name }),
  };
}

interface ForeignHolderPorts {
  readonly method: Authenticated['method'];
  readonly kindOf: (subject: string) => Principal['kind'];
  /** The claims as the rules see them; left out: as they came. */
  readonly claims?: Claims;
  readonly rules: readonly ClaimRule[];
}

/** The holder of a verified token, with the actors that it names. */
export function foreignHolder(
  { issuer, payload }: ForeignToken<TokenIssuer>,
  { method, kindOf, claims = payload, rules }: ForeignHolderPorts,
): Outcome<Authenticated> {
  const identity = foreignIdentity(issuer, payload, kindOf);
  if (identity === undefined) return err('credential_claims_invalid', { detail: `${method} claims` });
  const act = foreignActors(payload, issuer.issuer, issuer.namespace);
  if (!act.ok) return act;
  return ok({
    method,
    principal: applyClaimRules(identity, claims, rules),
    expiresAt: payload.exp,
    issuedAt: payload.iat * 1000,
    upstream: { sub: payload.sub ?? '', mayAct: payload.may_act },
    ...(act.value === undefined ? {} : { act: act.value }),
  });
}
