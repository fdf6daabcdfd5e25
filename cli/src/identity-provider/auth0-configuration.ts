import type { AdapterFactory, Configuration, ErrorOut, KoaContextWithOIDC } from 'oidc-provider';
import {
  addedClaims,
  firstPartyGrant,
  OIDC_SCOPES,
  requestedAudience,
  resourceServer,
  shapeAccessToken,
} from './auth0-api.ts';
import type { SigningKey } from './key-ring.ts';
import type { Auth0Settings } from './options.ts';
import { escapeHtml, PAGE_HEADERS, plainPage } from './pages.ts';
import { personBySub } from './people.ts';

/** State that a rotation of keys keeps, so that it signs nobody out. */
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
    // Cookies ignore ports, so these names must differ from those of the broker on the same loopback address.
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
    // Seconds. Without a number oidc-provider prints a notice when it issues the first of a kind.
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

/** Like an Auth0 "regular web application" that also has the client credentials grant. */
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

/** Without the dispatcher of oidc-provider, which refuses loopback, where the broker to notify listens. */
function fetchFromLoopback(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  return fetch(input, Object.fromEntries(Object.entries(init).filter(([name]) => name !== 'dispatcher')));
}

/** Auth0 signs a person out without asking, so a script submits the form; the button works without script. */
function renderSignOut(ctx: KoaContextWithOIDC, form: string): void {
  const confirmed = form.replace('</form>', '<input type="hidden" name="logout" value="yes"></form>');
  const button = '<button form="op.logoutForm">Sign out</button>';
  showPage(ctx, plainPage('Signing out', `${confirmed}\n${button}`, true));
}

function renderSignedOut(ctx: KoaContextWithOIDC): void {
  showPage(ctx, plainPage('Signed out', '<p>You are signed out of the development tenant.</p>'));
}

function renderError(ctx: KoaContextWithOIDC, out: ErrorOut, error: Error): void {
  const detail = out.error === 'server_error' ? error.message : (out.error_description ?? '');
  showPage(
    ctx,
    plainPage('That did not work', `<p><code>${escapeHtml(out.error)}</code> ${escapeHtml(detail)}</p>`),
  );
}

function showPage(ctx: KoaContextWithOIDC, page: string): void {
  ctx.set(PAGE_HEADERS);
  ctx.body = page;
}
