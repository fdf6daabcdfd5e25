import type { JWTPayload } from 'jose';
import {
  type AccessToken,
  type ClientCredentials,
  errors,
  type JWTStructured,
  type KoaContextWithOIDC,
  type ResourceServer,
  type UnknownObject,
} from 'oidc-provider';
import type { Auth0Settings } from './options.ts';
import { type Auth0TokenRequest, tokenTime } from './token-requests.ts';

export const OIDC_SCOPES: readonly string[] = ['openid', 'profile', 'email', 'offline_access'];

/** Scopes of the one API of the tenant. */
const API_SCOPES = ['read:agents', 'write:agents'] as const;

/** Includes the OIDC scopes, because a refresh would otherwise drop them. */
const RESOURCE_SCOPE = [...OIDC_SCOPES, ...API_SCOPES].join(' ');

/** Access tokens for the API are JWTs; without an audience a token is an opaque string, as at Auth0. */
export function resourceServer(api: string, requested: string, kid: string): ResourceServer {
  if (requested !== api) throw new errors.InvalidTarget();
  return {
    audience: api,
    scope: RESOURCE_SCOPE,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'RS256', kid } },
  };
}

/** Auth0 names the API in `audience`: at the authorization endpoint, and for machines at the token endpoint. */
export function requestedAudience({ oidc }: KoaContextWithOIDC): string | undefined {
  const audience = oidc.params?.audience ?? oidc.body?.audience;
  return typeof audience === 'string' && audience !== '' ? audience : undefined;
}

/** The broker is a first-party application: nobody is asked for consent, and every scope is granted. */
export async function firstPartyGrant({ oidc }: KoaContextWithOIDC, api: string) {
  const clientId = oidc.client?.clientId;
  const accountId = oidc.session?.accountId;
  if (clientId === undefined || accountId === undefined) return undefined;
  const grant = new oidc.provider.Grant({ clientId, accountId });
  grant.addOIDCScope(OIDC_SCOPES.join(' '));
  grant.addResourceScope(api, RESOURCE_SCOPE);
  await grant.save();
  return grant;
}

const DEFAULT_LIFETIME_SECONDS = 3600;
const MACHINE_SUFFIX = '@clients';

/** The permissions of everybody under role-based access control: to read the API. */
const DEFAULT_PERMISSIONS: readonly string[] = [API_SCOPES[0]];

/** The claims that Auth0 adds to those of oidc-provider. */
export const addedClaims = (token: AccessToken | ClientCredentials): UnknownObject => ({
  azp: token.clientId,
  ...(token.kind === 'ClientCredentials' ? { gty: 'client-credentials' } : {}),
  permissions: DEFAULT_PERMISSIONS,
});

/** Turns an access token that is about to be signed into one of the "Auth0" profile. */
export function shapeAccessToken(
  settings: Auth0Settings,
  token: AccessToken | ClientCredentials,
  parts: JWTStructured,
): void {
  parts.header = { ...parts.header, typ: 'JWT' };
  if (token.kind === 'ClientCredentials') parts.payload.sub = `${token.clientId}${MACHINE_SUFFIX}`;
  const { aud, scope } = parts.payload;
  parts.payload.aud = audienceFor(settings, aud, scopesOf(scope));
}

/** The claims of an access token that no flow issues. A `sub` that ends in `@clients` is a machine. */
export function accessTokenClaims(
  settings: Auth0Settings,
  request: Auth0TokenRequest,
  nowMs: number,
): JWTPayload {
  const { sub, scope, audience = settings.audience, expiresIn = DEFAULT_LIFETIME_SECONDS } = request;
  const scopes = scopesOf(scope);
  const client = sub.endsWith(MACHINE_SUFFIX)
    ? { azp: sub.slice(0, -MACHINE_SUFFIX.length), gty: 'client-credentials' }
    : { azp: settings.clientId };
  return {
    sub,
    aud: audienceFor(settings, audience, scopes),
    ...tokenTime(nowMs, expiresIn),
    ...(scope === undefined ? {} : { scope }),
    ...client,
    permissions:
      scope === undefined ? DEFAULT_PERMISSIONS : scopes.filter((one) => !OIDC_SCOPES.includes(one)),
  };
}

/** A token for the userinfo endpoint too names it as an audience. */
function audienceFor<T>({ domain }: Auth0Settings, api: T, scopes: readonly string[]): T | (T | string)[] {
  return scopes.includes('openid') ? [api, `https://${domain}/userinfo`] : api;
}

const scopesOf = (scope: unknown): string[] =>
  typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
