import type { IdentityProvider } from './start.ts';

/** By which a broker knows the stand-in as its Access team and its Auth0 tenant, and finds their keys. */
export const brokerSettings = ({ access, auth0 }: IdentityProvider) => ({
  CF_ACCESS_TEAM_DOMAIN: new URL(access.issuer).hostname,
  CF_ACCESS_AUD: access.audience,
  CF_ACCESS_CERTS_URL: access.certsUrl,
  AUTH0_DOMAIN: auth0.domain,
  AUTH0_AUDIENCE: auth0.audience,
  AUTH0_JWKS_URL: auth0.jwksUrl,
});
