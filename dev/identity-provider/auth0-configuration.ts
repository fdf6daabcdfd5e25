import type { AdapterFactory, Configuration } from 'oidc-provider';
import { addedClaims, shapeAccessToken } from './auth0-access-token.ts';
import { firstPartyGrant, OIDC_SCOPES, requestedAudience, resourceServer } from './auth0-api.ts';
import type { Auth0Settings } from './options.ts';
import { personBySub } from './people.ts';
import type { SigningKey } from './signing-key.ts';
import { renderError, renderSignedOut, renderSignOut } from './tenant-pages.ts';

/** What stays the same when the keys rotate, so that nobody is signed out by it. */
export interface TenantState {
  memory: AdapterFactory;
  cookieKey: string;
}

/** Settings that make oidc-provider answer as an Auth0 tenant does: its routes, lifetimes and token shape. */
export function auth0Configuration(
  settings: Auth0Settings,
  state: TenantState,
  keys: readonly [SigningKey, SigningKey],
): Configuration {
  const api = settings.audience;
  return {
    adapter: state.memory,
    jwks: { keys: keys.map(({ jwk, kid }) => ({ ...jwk, kid, use: 'sig', alg: 'RS256' })) },
    clients: [brokerClient(settings)],
    routes: {
      authorization: '/authorize',
      token: '/oauth/token',
      jwks: '/.well-known/jwks.json',
      userinfo: '/userinfo',
      end_session: '/oidc/logout',
      revocation: '/oauth/revoke',
    },
    // Cookies do not heed ports, so these names must not meet those of the broker on the same loopback address.
    cookies: {
      keys: [state.cookieKey],
      names: { session: 'tenant_session', interaction: 'tenant_interaction', resume: 'tenant_resume' },
    },
    pkce: { required: () => false },
    extraParams: ['audience', 'organization', 'connection'],
    scopes: OIDC_SCOPES,
    conformIdTokenClaims: false,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'nickname', 'picture'] },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => accountClaims(sub) }),
    extraTokenClaims: (_ctx, token) => addedClaims(token),
    formats: { customizers: { jwt: (_ctx, token, parts) => shapeAccessToken(settings, token, parts) } },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      backchannelLogout: { enabled: true },
      revocation: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: renderSignOut,
        postLogoutSuccessSource: renderSignedOut,
      },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        defaultResource: requestedAudience,
        getResourceServerInfo: (_ctx, requested) => resourceServer(api, requested, keys[0].kid),
      },
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: (ctx) => firstPartyGrant(ctx, api),
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    clientBasedCORS: () => false,
    renderError,
    fetch: fetchFromLoopback,
    // Seconds. Each kind needs a number, or oidc-provider prints a notice when it first makes one.
    ttl: {
      AccessToken: 3600,
      AuthorizationCode: 60,
      ClientCredentials: 86_400,
      Grant: 1_209_600,
      IdToken: 36_000,
      Interaction: 3600,
      RefreshToken: 1_209_600,
      Session: 259_200,
    },
  };
}

/** Like an Auth0 "regular web application", which may also fetch tokens for itself. */
function brokerClient({ clientId, clientSecret, baseUrl, logoutUrls }: Auth0Settings) {
  return {
    client_id: clientId,
    client_secret: clientSecret,
    redirect_uris: [`${baseUrl}/auth/callback`],
    post_logout_redirect_uris: [baseUrl, `${baseUrl}/`, ...logoutUrls],
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types: ['code'],
    backchannel_logout_uri: `${baseUrl}/auth/backchannel-logout`,
    backchannel_logout_session_required: true, // also what puts `sid` into ID tokens
  } as const;
}

function accountClaims(sub: string) {
  const { name, email, emailVerified } = personBySub(sub);
  return { sub, name, nickname: email.split('@')[0], email, email_verified: emailVerified };
}

/** Leaves out the dispatcher that oidc-provider brings: it refuses loopback, where the broker to notify is. */
function fetchFromLoopback(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  return fetch(input, Object.fromEntries(Object.entries(init).filter(([name]) => name !== 'dispatcher')));
}
