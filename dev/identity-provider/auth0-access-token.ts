import type { JWTPayload } from 'jose';
import type { AccessToken, ClientCredentials, JWTStructured, UnknownObject } from 'oidc-provider';
import { API_SCOPES, OIDC_SCOPES } from './auth0-api.ts';
import type { Auth0Settings } from './options.ts';
import type { Auth0TokenRequest } from './token-requests.ts';
import { tokenTime } from './token-time.ts';

const DEFAULT_LIFE_SECONDS = 3600;
const MACHINE_SUFFIX = '@clients';

/** What role-based access control gives to everyone: the reading half of the API. */
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

/** The claims of an access token without a flow; a `sub` that ends in `@clients` makes it a machine's. */
export function accessTokenClaims(
  settings: Auth0Settings,
  request: Auth0TokenRequest,
  nowMs: number,
): JWTPayload {
  const { sub, scope, audience = settings.audience, expiresIn = DEFAULT_LIFE_SECONDS } = request;
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

/** A token that also opens the userinfo endpoint says so. */
function audienceFor<T>({ domain }: Auth0Settings, api: T, scopes: readonly string[]): T | (T | string)[] {
  return scopes.includes('openid') ? [api, `https://${domain}/userinfo`] : api;
}

const scopesOf = (scope: unknown): string[] =>
  typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
