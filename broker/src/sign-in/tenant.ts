import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { JWTPayload } from 'jose';
import {
  AuthorizationResponseError,
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientError,
  ClientSecretPost,
  Configuration,
  calculatePKCECodeChallenge,
  customFetch,
  ResponseBodyError,
} from 'openid-client';
import type { SignInConfig, SignInPorts } from '../credentials/auth0-session.ts';
import { verifyForeignJwt } from '../credentials/foreign-jwt.ts';

/** Values that must come back unchanged from the tenant. */
interface LoginChecks {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/**
 * Error codes of a tenant that a log may repeat (RFC 6749 §4.1.2.1, §5.2, OpenID Connect Core §3.1.2.6, and Auth0's
 * own). The browser delivers the code, so a code that is not listed may contain any text.
 */
const TENANT_ERRORS = [
  'access_denied',
  'account_selection_required',
  'consent_required',
  'interaction_required',
  'invalid_client',
  'invalid_grant',
  'invalid_request',
  'invalid_scope',
  'login_required',
  'mfa_required',
  'server_error',
  'temporarily_unavailable',
  'too_many_attempts',
  'unauthorized',
  'unauthorized_client',
  'unsupported_response_type',
] as const;

const TIMEOUT_MS = 5_000;
const SCOPE = 'openid profile email';

const callbackUrl = ({ baseUrl }: SignInConfig): string => `${baseUrl}/auth/callback`;

/** The openid-client configuration of the tenant. All Auth0 tenants have the same endpoints, so none are discovered. */
function configurationOf({ config, fetch }: SignInPorts, onUnreachable: () => void): Configuration {
  const { tenant, tenantUrl, clientId, clientSecret } = config;
  const configuration = new Configuration(
    {
      issuer: tenant.issuer,
      authorization_endpoint: `${tenantUrl}/authorize`,
      token_endpoint: `${tenantUrl}/oauth/token`,
      jwks_uri: tenant.keysUrl,
      authorization_response_iss_parameter_supported: false,
    },
    clientId,
    {},
    ClientSecretPost(clientSecret),
  );
  // The settings accept http only on loopback, where a fake tenant listens.
  if (tenantUrl.startsWith('http:')) allowInsecureRequests(configuration);
  configuration[customFetch] = async (url, { method, headers, body }) => {
    try {
      const form = body === undefined || body === null ? {} : { body: String(body) };
      const answer = await fetch(url, { method, headers, ...form, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.status >= 500) onUnreachable();
      return answer;
    } catch (error) {
      onUnreachable();
      throw error;
    }
  };
  return configuration;
}

/** Where a browser goes to sign in (OpenID Connect Core §3.1.2.1, PKCE by RFC 7636). */
export async function authorizeUrl(
  { state, nonce, verifier }: LoginChecks,
  loginHint: string | null,
  ports: SignInPorts,
): Promise<string> {
  const url = buildAuthorizationUrl(
    configurationOf(ports, () => {}),
    {
      redirect_uri: callbackUrl(ports.config),
      scope: SCOPE,
      state,
      nonce,
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...(loginHint === null ? {} : { login_hint: loginHint }),
    },
  );
  return url.href;
}

/**
 * Redeems the tenant's code and returns the verified claims of the ID token. openid-client checks state, nonce and
 * PKCE; the signature is verified with the tenant's keys, as for its other tokens. No token is stored.
 */
export async function redeemLogin(
  query: string,
  { state, nonce, verifier }: LoginChecks,
  ports: SignInPorts,
  now: number,
): Promise<Outcome<JWTPayload>> {
  let unreachable = false;
  const configuration = configurationOf(ports, () => {
    unreachable = true;
  });
  // From the configuration, not from the request: behind a proxy the two differ, and the tenant compares the address.
  const url = new URL(callbackUrl(ports.config));
  url.search = query;
  try {
    const { id_token: idToken = '' } = await authorizationCodeGrant(configuration, url, {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    });
    const verified = await verifyForeignJwt(idToken, [ports.tenant], now);
    return verified.ok ? ok(verified.value.payload) : verified;
  } catch (error) {
    if (unreachable) return err('identity_source_unavailable', { retryAfter: 5 });
    if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError)
      return err('login_refused', {
        detail: TENANT_ERRORS.find((name) => name === error.error) ?? 'another error',
        hint: 'the sign-in was not completed',
      });
    if (error instanceof ClientError)
      return err('login_refused', { detail: error.code ?? 'client', hint: 'the sign-in was not completed' });
    throw error;
  }
}

/** Where a browser goes to sign out at the tenant too (OpenID Connect RP-Initiated Logout §2). */
export function endSessionUrl(
  { tenantUrl, clientId }: SignInConfig,
  returnTo: string,
  sid: string | undefined,
): string {
  const url = new URL('/oidc/logout', tenantUrl);
  url.searchParams.set('client_id', clientId);
  url.searchParams.set('post_logout_redirect_uri', returnTo);
  if (sid !== undefined) url.searchParams.set('logout_hint', sid);
  return url.href;
}
