import { createHash } from 'node:crypto';

/** How to start the stand-in. All of it but the port has a default. */
export interface IdentityProviderOptions {
  /** TCP port on 127.0.0.1; 0 takes any free one. */
  port: number;
  /**
   * Milliseconds since 1970; default `Date.now`. Times of the development tokens and of get-identity follow it.
   * The OIDC flows of the tenant always use the real clock.
   */
  now?: () => number;
  access?: {
    /** Host name of the team, default `dev-team.cloudflareaccess.com`. */
    teamDomain?: string;
    /** AUD tag of the application, 64 hex digits; by default a digest of the team domain. */
    audience?: string;
  };
  auth0?: {
    /** Host name of the tenant, default `dev-tenant.auth.test`. */
    domain?: string;
    /** Identifier of the one API of the tenant, default `https://broker.test/api`. */
    audience?: string;
    /** Default `dev-broker`. */
    clientId?: string;
    /** Default `dev-broker-secret`: it opens nothing but this stand-in. */
    clientSecret?: string;
    /** Origin of the broker, for the callback and logout addresses; default `http://127.0.0.1:8787`. */
    baseUrl?: string;
    /** Pages besides the broker's first one that may be returned to after a logout (Allowed Logout URLs). */
    logoutUrls?: readonly string[];
  };
  /** Folder for the signing keys, so that tokens survive a restart; left out, each start makes new ones. */
  stateDir?: string;
}

export interface AccessSettings {
  teamDomain: string;
  audience: string;
}

export interface Auth0Settings {
  domain: string;
  audience: string;
  clientId: string;
  clientSecret: string;
  baseUrl: string;
  logoutUrls: readonly string[];
}

const HOST_NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
const AUDIENCE_TAG = /^[0-9a-f]{64}$/;

export function accessSettings(options: IdentityProviderOptions): AccessSettings {
  const teamDomain = options.access?.teamDomain ?? 'dev-team.cloudflareaccess.com';
  requireMatch(HOST_NAME, 'access.teamDomain', teamDomain, 'a host name');
  const audience = options.access?.audience ?? createHash('sha256').update(teamDomain).digest('hex');
  requireMatch(AUDIENCE_TAG, 'access.audience', audience, '64 lower-case hex digits');
  return { teamDomain, audience };
}

export function auth0Settings(options: IdentityProviderOptions): Auth0Settings {
  const domain = options.auth0?.domain ?? 'dev-tenant.auth.test';
  requireMatch(HOST_NAME, 'auth0.domain', domain, 'a host name');
  return {
    domain,
    audience: options.auth0?.audience ?? 'https://broker.test/api',
    clientId: options.auth0?.clientId ?? 'dev-broker',
    clientSecret: options.auth0?.clientSecret ?? 'dev-broker-secret',
    baseUrl: new URL(options.auth0?.baseUrl ?? 'http://127.0.0.1:8787').origin,
    logoutUrls: options.auth0?.logoutUrls ?? [],
  };
}

function requireMatch(pattern: RegExp, name: string, value: string, expected: string): void {
  if (!pattern.test(value)) throw new TypeError(`${name} must be ${expected}`);
}
