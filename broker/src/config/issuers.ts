import { isKeyOf } from '@agent-ticket/shared/key-set.ts';
import { BaseUrl } from '@agent-ticket/shared/settings.ts';
import * as z from 'zod';
import type { SignInConfig } from '../credentials/auth0-session.ts';
import { ClaimMatch } from '../credentials/claim-rules.ts';
import { type ForeignAlgorithm, type ForeignIssuer, MAX_AGE_SECONDS } from '../credentials/foreign-jwt.ts';
import type { WorkloadIssuer } from '../credentials/registered-keys.ts';

interface IssuerSettings {
  readonly domains: readonly string[];
  /** `aud`, or `<domain>|<aud>`; with several domains each says whose it is. */
  readonly audiences: readonly string[];
  /** In the order of the domains; left out: where the platform has them. */
  readonly keyUrls: readonly string[] | undefined;
  readonly maxAgeSeconds: number | null;
}

interface Platform {
  readonly prefix: 'access' | 'auth0';
  readonly issuerOf: (domain: string) => string;
  readonly keysOf: (domain: string) => string;
}

export const ACCESS: Platform = {
  prefix: 'access',
  issuerOf: (domain) => `https://${domain}`,
  keysOf: (domain) => `https://${domain}/cdn-cgi/access/certs`,
};

export const AUTH0: Platform = {
  prefix: 'auth0',
  issuerOf: (domain) => `https://${domain}/`,
  keysOf: (domain) => `https://${domain}/.well-known/jwks.json`,
};

/** Why the lists do not fit each other, or `undefined` when they do. */
export function issuerFault({ domains, audiences, keyUrls }: IssuerSettings): string | undefined {
  const owners = audiences.map((entry) =>
    entry.includes('|') ? entry.slice(0, entry.indexOf('|')) : undefined,
  );
  const owned = (domain: string): boolean => owners.some((owner) => owner === domain || owner === undefined);
  if (domains.length === 0) return 'needs the domain that it goes with';
  if (audiences.length === 0) return 'every domain needs an audience';
  if (new Set(domains).size !== domains.length) return 'a domain is listed twice';
  if (domains.length > 1 && owners.includes(undefined))
    return 'with several domains write every audience as <domain>|<audience>';
  if (owners.some((owner) => owner !== undefined && !domains.includes(owner)))
    return 'an audience names a domain that is not listed';
  if (!domains.every(owned)) return 'every domain needs an audience';
  return keyUrls !== undefined && keyUrls.length !== domains.length
    ? 'needs one key URL for each domain, in order'
    : undefined;
}

export const foreignIssuers = (platform: Platform, settings: IssuerSettings): ForeignIssuer[] =>
  settings.domains.map((domain, index) => ({
    namespace: `${platform.prefix}:${domain}`,
    issuer: platform.issuerOf(domain),
    audiences: settings.audiences
      .filter((entry) => !entry.includes('|') || entry.startsWith(`${domain}|`))
      .map((entry) => entry.slice(entry.indexOf('|') + 1)),
    maxAgeSeconds: settings.maxAgeSeconds,
    keysUrl: settings.keyUrls?.[index] ?? platform.keysOf(domain),
  }));

const ALGORITHMS = ['RS256', 'ES256'] as const satisfies readonly ForeignAlgorithm[];

/** Members of a private or symmetric key (RFC 7518 §6.2.2, §6.3.2, §6.4). */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];

const PinnedKey = z
  .looseObject({ kid: z.string().min(1).max(256) })
  .refine((key) => !SECRET_MEMBERS.some((name) => name in key), 'must be a public key')
  .refine((key) => isKeyOf(key, ALGORITHMS), 'must be a key for RS256 or ES256');

/** The keys of an issuer, as its setting names them. */
export const KEY_MEMBERS = {
  /** Where the keys are. */
  jwks_uri: BaseUrl.optional(),
  /** The keys themselves, for an issuer that cannot be reached. */
  jwks: z.strictObject({ keys: z.array(PinnedKey).min(1).max(100) }).optional(),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .default([...ALGORITHMS]),
};
type KeyMembers = z.output<z.ZodObject<typeof KEY_MEMBERS>>;

/** The refinement that each listed key is of a listed algorithm. */
export const KEYS_FIT = [
  ({ jwks, algorithms }: KeyMembers): boolean => (jwks?.keys ?? []).every((key) => isKeyOf(key, algorithms)),
  { path: ['jwks'], message: 'has a key for another algorithm' },
] satisfies [unknown, unknown];

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
    /** Without `jwks_uri` and `jwks` the keys are where the issuer's discovery document says. */
    ...KEY_MEMBERS,
    /** The issuer verifies addresses and does not say so: one without `email_verified` counts as verified. */
    emails_verified: z.boolean().default(false),
    /** Each token, by its `jti`, is taken once. */
    single_use: z.boolean().default(false),
  })
  .refine(({ jwks, jwks_uri }) => jwks === undefined || jwks_uri === undefined, {
    path: ['jwks'],
    message: 'needs no jwks_uri beside it',
  })
  .refine(...KEYS_FIT);
type OidcIssuer = z.output<typeof OidcIssuer>;

export const workloadIssuer = (setting: OidcIssuer): WorkloadIssuer => ({
  name: setting.name,
  namespace: `oidc:${setting.name}`,
  issuer: setting.issuer,
  audiences: setting.audiences,
  maxAgeSeconds: MAX_AGE_SECONDS,
  match: setting.match,
  emailsVerified: setting.emails_verified,
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

interface SignInSettings {
  readonly AUTH0_CLIENT_ID?: string | undefined;
  readonly AUTH0_CLIENT_SECRET?: string | undefined;
  readonly AUTH0_SESSION_ENCRYPTION_KEY?: string | undefined;
  readonly BASE_URL?: string | undefined;
  readonly AUTH0_COOKIE_NAME: string;
  readonly AUTH0_TENANT_URL?: string | undefined;
  readonly CF_ACCESS_TEAM_DOMAIN?: readonly string[] | undefined;
}

const NEEDED = [
  'AUTH0_CLIENT_ID',
  'AUTH0_CLIENT_SECRET',
  'AUTH0_SESSION_ENCRYPTION_KEY',
  'BASE_URL',
] as const;

/** The first setting at fault with the reason: sign-in is configured whole or not at all. */
export function signInFault(
  settings: SignInSettings,
  tenants: readonly ForeignIssuer[],
): [name: string, message: string] | undefined {
  const given = NEEDED.filter((name) => settings[name] !== undefined);
  // Without a tenant it is the hostname that Access protects.
  const isForAccess =
    settings.CF_ACCESS_TEAM_DOMAIN !== undefined && given.every((name) => name === 'BASE_URL');
  if (given.length === 0 || isForAccess) return undefined;
  const missing = NEEDED.find((name) => settings[name] === undefined);
  if (missing !== undefined) return [missing, 'missing: sign-in needs all of its settings or none'];
  if (tenants.length === 0) return ['AUTH0_DOMAIN', 'missing: sign-in needs a tenant'];
  const { AUTH0_CLIENT_ID: clientId = '' } = settings;
  return tenants.some(({ audiences }) => audiences.includes(clientId))
    ? ['AUTH0_AUDIENCE', 'lists the client id, which would let ID tokens in as access tokens']
    : undefined;
}

/** People sign in at the first tenant; `undefined` where they do not sign in here at all. */
export function signInConfig(s: SignInSettings, tenants: readonly ForeignIssuer[]): SignInConfig | undefined {
  const [tenant] = tenants;
  const { AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_SESSION_ENCRYPTION_KEY, BASE_URL } = s;
  if (
    tenant === undefined ||
    AUTH0_CLIENT_ID === undefined ||
    AUTH0_CLIENT_SECRET === undefined ||
    AUTH0_SESSION_ENCRYPTION_KEY === undefined ||
    BASE_URL === undefined
  )
    return undefined;
  return {
    tenant,
    tenantUrl: new URL(s.AUTH0_TENANT_URL ?? tenant.issuer).origin,
    clientId: AUTH0_CLIENT_ID,
    clientSecret: AUTH0_CLIENT_SECRET,
    cookieSecret: AUTH0_SESSION_ENCRYPTION_KEY,
    cookieName: s.AUTH0_COOKIE_NAME,
    baseUrl: new URL(BASE_URL).origin,
  };
}
