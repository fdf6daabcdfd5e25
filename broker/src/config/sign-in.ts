import type { ForeignIssuer } from './issuers.ts';

/** How people sign in at the broker itself: as a client of one Auth0 tenant. */
export interface SignInConfig {
  /** The tenant, as an issuer of access tokens; ID tokens have the same name and keys. */
  readonly tenant: ForeignIssuer;
  /** Where the tenant is reached; its own name, unless a stand-in plays it. */
  readonly tenantUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Encrypts the session cookie, as `@auth0/auth0-hono` does with its `session.secret`. */
  readonly cookieSecret: string;
  readonly cookieName: string;
  /** The broker's origin as browsers know it. */
  readonly baseUrl: string;
}

export interface SignInSettings {
  readonly AUTH0_CLIENT_ID?: string | undefined;
  readonly AUTH0_CLIENT_SECRET?: string | undefined;
  readonly AUTH0_SESSION_ENCRYPTION_KEY?: string | undefined;
  readonly BASE_URL?: string | undefined;
  readonly AUTH0_COOKIE_NAME: string;
  readonly AUTH0_TENANT_URL?: string | undefined;
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
  if (NEEDED.every((name) => settings[name] === undefined)) return undefined;
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
