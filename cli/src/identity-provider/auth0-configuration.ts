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
    clients: [brokerClient(settings), NATIVE_CLIENT],
    routes: {
      authorization: '/authorize',
      token: '/oauth/token',
      jwks: '/.well-known/jwks.json',
      userinfo: '/userinfo',
      end_session: '/oidc/logout',
      revocation: '/oauth/revoke',
      device_authorization: '/oauth/device/code',
      code_verification: '/activate',
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
      deviceFlow: {
        enabled: true,
        userCodeInputSource: renderCodeInput,
        userCodeConfirmSource: renderCodeConfirmation,
        successSource: renderSignedIn,
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
      DeviceCode: 900,
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

/** An Auth0 "native application": public, with a redirect to any port of loopback (RFC 8252 §7.3), and the device flow. */
export const NATIVE_CLIENT = {
  client_id: 'dev-cli',
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback'],
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
} as const;

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

function renderCodeInput(ctx: KoaContextWithOIDC, form: string): void {
  const button = '<button type="submit" form="op.deviceInputForm">Continue</button>';
  showPage(ctx, plainPage('Enter the code', `<p>The terminal shows it.</p>\n${form}\n${button}`));
}

function renderCodeConfirmation(
  ctx: KoaContextWithOIDC,
  form: string,
  _client: unknown,
  _device: unknown,
  userCode: string,
): void {
  const buttons = ['Continue', 'Cancel'].map(
    (text) =>
      `<button type="submit" form="op.deviceConfirmForm"${text === 'Cancel' ? ' name="abort" value="yes"' : ''}>${text}</button>`,
  );
  const question = `<p>Continue only if your own terminal shows <code>${escapeHtml(userCode)}</code>.</p>`;
  showPage(ctx, plainPage('Sign in a terminal', [question, form, ...buttons].join('\n')));
}

function renderSignedIn(ctx: KoaContextWithOIDC): void {
  showPage(ctx, plainPage('Signed in', '<p>Go back to the terminal.</p>'));
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
