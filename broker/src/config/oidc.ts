import { isKeyOf } from '@agent-ticket/shared/key-set.ts';
import { BaseUrl } from '@agent-ticket/shared/settings.ts';
import * as z from 'zod';
import { ClaimMatch } from '../credentials/claim-rules.ts';
import type { ForeignAlgorithm, TokenIssuer } from '../credentials/foreign-jwt.ts';

const ALGORITHMS = ['RS256', 'ES256'] as const satisfies readonly ForeignAlgorithm[];

/** Members of a private or symmetric key (RFC 7518 §6.2.2, §6.3.2, §6.4). */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];

const PinnedKey = z
  .looseObject({ kid: z.string().min(1).max(256) })
  .refine((key) => !SECRET_MEMBERS.some((name) => name in key), 'must be a public key')
  .refine((key) => isKeyOf(key, ALGORITHMS), 'must be a key for RS256 or ES256 with its alg');

/** One registered issuer of workload tokens, as `OIDC_ISSUERS` lists it. */
export const OidcIssuer = z
  .strictObject({
    /** Ours, for principals: `oidc:<name>:<sub>`. To give it to another issuer is to give away its grants. */
    name: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be lower case letters, digits and -'),
    /** `iss`, character by character. */
    issuer: BaseUrl,
    /** `aud` must have one of these. Best the broker's own address: an audience that others use proves nothing. */
    audiences: z.array(z.string().min(1).max(512)).min(1),
    /** All must hold. At least one, since most issuers sign for anybody. */
    match: z.array(ClaimMatch).min(1),
    /** Where the keys are; left out: where the issuer's discovery document says. */
    jwks_uri: BaseUrl.optional(),
    /** The keys themselves, for an issuer that cannot be reached. */
    jwks: z.strictObject({ keys: z.array(PinnedKey).min(1).max(100) }).optional(),
    algorithms: z
      .array(z.enum(ALGORITHMS))
      .min(1)
      .default([...ALGORITHMS]),
    /** Each token, by its `jti`, is taken once. */
    single_use: z.boolean().default(false),
  })
  .refine(({ jwks, jwks_uri }) => jwks === undefined || jwks_uri === undefined, {
    path: ['jwks'],
    message: 'needs no jwks_uri beside it',
  })
  .refine(({ jwks, algorithms }) => (jwks?.keys ?? []).every((key) => isKeyOf(key, algorithms)), {
    path: ['jwks'],
    message: 'has a key for another algorithm',
  });
type OidcIssuer = z.output<typeof OidcIssuer>;

export interface WorkloadIssuer extends TokenIssuer {
  readonly name: string;
  readonly match: readonly ClaimMatch[];
  readonly singleUse: boolean;
  readonly algorithms: readonly ForeignAlgorithm[];
  /** Where its keys come from. */
  readonly keys: { readonly set: object } | { readonly url: string } | 'discovery';
}

export const workloadIssuer = (setting: OidcIssuer): WorkloadIssuer => ({
  name: setting.name,
  namespace: `oidc:${setting.name}`,
  issuer: setting.issuer,
  audiences: setting.audiences,
  match: setting.match,
  singleUse: setting.single_use,
  algorithms: setting.algorithms,
  keys:
    setting.jwks !== undefined
      ? { set: setting.jwks }
      : setting.jwks_uri !== undefined
        ? { url: setting.jwks_uri }
        : 'discovery',
});

/** Why the issuers do not go together, or `undefined`: one `iss` must never be two identities. */
export function oidcFault(issuers: readonly OidcIssuer[], others: readonly string[]): string | undefined {
  const twice = (values: readonly string[]): boolean => new Set(values).size !== values.length;
  if (twice(issuers.map(({ name }) => name))) return 'a name is used twice';
  if (twice([...others, ...issuers.map(({ issuer }) => issuer)])) return 'an issuer is registered twice';
  return undefined;
}
