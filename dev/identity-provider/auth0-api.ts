import { errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';

export const OIDC_SCOPES: readonly string[] = ['openid', 'profile', 'email', 'offline_access'];

/** What the one API of the tenant offers. */
export const API_SCOPES = ['read:agents', 'write:agents'] as const;

/** The OIDC scopes are in it because a refresh would otherwise lose them. */
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
