import { base64url } from 'jose';
import {
  AuthorizationResponseError,
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientError,
  type Configuration,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  initiateDeviceAuthorization,
  None,
  pollDeviceAuthorizationGrant,
  ResponseBodyError,
  refreshTokenGrant,
  type TokenEndpointResponse,
  tokenRevocation,
} from 'openid-client';
import { plain } from '../api/plain-text.ts';
import { type LoopbackAnswer, type Terminal, UsageError } from '../command.ts';
import { type SignIn, safeAddress } from './profile.ts';

/** An issuer of access tokens that the broker accepts, such as a tenant of Auth0, and the application for it there. */
export type Issuer = Pick<SignIn, 'issuer' | 'issuer_url' | 'client_id' | 'audience'>;

/** The nonce of the ID token binds the code to this sign-in; the refresh token renews the sign-in. */
const SCOPE = 'openid offline_access';
/** How long a person may take in the browser. */
const SIGN_IN_MS = 600_000;
const CALLBACK = '/callback';

/**
 * Signs a person in by the browser: authorization code with PKCE and a redirect to loopback (RFC 8252, RFC 7636). The
 * library compares state, nonce, and the issuer of the answer where there is one (RFC 9207).
 *
 * The browser starts at an address of this process that works once, and its cookie must come back with the answer.
 * Other users of the machine see the arguments of a process: with the address of the issuer they could make the
 * person sign in with a code of theirs.
 */
export async function signInByBrowser(
  issuer: Issuer,
  { port, opens }: { readonly port: number; readonly opens: boolean },
  terminal: Terminal,
): Promise<SignIn> {
  return namingFaults(issuer, async () => {
    const config = await configurationOf(issuer, terminal);
    const random = (): string => base64url.encode(terminal.randomBytes(32));
    const [state, nonce, verifier] = [random(), random(), random()];
    const [begin, cookie] = [`/${random()}`, `agent_ticket_login=${random()}`];
    const challenge = await calculatePKCECodeChallenge(verifier);
    const addressOf = (redirectUri: string): URL =>
      reachable(
        buildAuthorizationUrl(config, {
          redirect_uri: redirectUri,
          scope: SCOPE,
          ...{ state, nonce, code_challenge: challenge, code_challenge_method: 'S256' },
          ...(issuer.audience !== undefined && { audience: issuer.audience }),
        }),
        issuer,
      );
    let hasBegun = false;
    let answered: (callback: URL) => void = () => {};
    const callback = new Promise<URL>((resolve) => {
      answered = resolve;
    });
    const loopback = await terminal.openLoopback(port, (url, cookies) => {
      const isSameBrowser = cookies.split('; ').includes(cookie);
      if (url.pathname === begin) {
        if (hasBegun && !isSameBrowser) return BEGUN;
        hasBegun = true;
        const headers = {
          location: addressOf(`${url.origin}${CALLBACK}`).href,
          'set-cookie': `${cookie}; HttpOnly; SameSite=Lax; Path=/`,
        };
        return { status: 303, text: '', headers };
      }
      // Any page can send a browser here, so an answer to another request is ignored, and the sign-in goes on.
      const [given, ...others] = url.searchParams.getAll('state');
      if (url.pathname !== CALLBACK || given !== state || others.length > 0 || !isSameBrowser) return OTHER;
      answered(url);
      return { status: 200, text: 'Go back to the terminal. This page may be closed.' };
    });
    const over = new AbortController();
    try {
      const address = `http://127.0.0.1:${loopback.port}${begin}`;
      terminal.err(
        `Sign in with your browser at this address${opens ? ', which should open now' : ''}:\n${address}\n`,
      );
      if (opens) terminal.openBrowser(address);
      const found = await Promise.race([callback, terminal.wait(SIGN_IN_MS, over.signal)]);
      if (found === undefined) throw timedOut();
      const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier };
      const tokens = await authorizationCodeGrant(config, found, { ...checks, idTokenExpected: true });
      return keptOf(issuer, tokens, terminal);
    } finally {
      over.abort();
      await loopback.close();
    }
  });
}

const BEGUN: LoopbackAnswer = {
  status: 409,
  text: 'This sign-in began in another browser. If that was not you, stop the command with Ctrl-C and start again.',
};
const OTHER: LoopbackAnswer = {
  status: 400,
  text: 'This page does not belong to the sign-in that the terminal waits for.',
};

/** Signs a person in on another device, by a code that they type there (RFC 8628). */
export async function signInByDevice(issuer: Issuer, terminal: Terminal): Promise<SignIn> {
  return namingFaults(issuer, async () => {
    const config = await configurationOf(issuer, terminal);
    if (config.serverMetadata().device_authorization_endpoint === undefined)
      throw new UsageError(`${issuer.issuer} does not support the device flow. Leave out --device.`);
    const begun = await initiateDeviceAuthorization(config, {
      scope: SCOPE,
      ...(issuer.audience !== undefined && { audience: issuer.audience }),
    });
    const where = reachable(new URL(begun.verification_uri), issuer);
    terminal.err(
      `On any device, open ${plain(where.href)} and type the code ${plain(begun.user_code)}, within ${Math.floor(begun.expires_in / 60)} minutes.\n`,
    );
    return keptOf(issuer, await pollDeviceAuthorizationGrant(config, begun), terminal);
  });
}

/**
 * New tokens for a sign-in. Throws a `UsageError` when the sign-in has ended (with `again`), and when the issuer does
 * not answer.
 */
export async function renewSignIn(
  signIn: SignIn,
  refreshToken: string,
  again: string,
  terminal: Terminal,
): Promise<SignIn> {
  const renew = async (): Promise<SignIn> => {
    const tokens = await refreshTokenGrant(await configurationOf(signIn, terminal), refreshToken);
    // An issuer that does not replace the refresh token leaves it out (RFC 6749 §6).
    return keptOf(signIn, { refresh_token: refreshToken, ...tokens }, terminal);
  };
  return namingFaults(signIn, renew, again);
}

/** Ends a sign-in at the issuer (RFC 7009). False where the issuer cannot do so. */
export async function revokeSignIn(
  signIn: SignIn,
  refreshToken: string,
  terminal: Terminal,
): Promise<boolean> {
  return namingFaults(signIn, async () => {
    const config = await configurationOf(signIn, terminal);
    if (config.serverMetadata().revocation_endpoint === undefined) return false;
    await tokenRevocation(config, refreshToken, { token_type_hint: 'refresh_token' });
    return true;
  });
}

function keptOf(
  { issuer, issuer_url: issuerUrl, client_id: clientId, audience }: Issuer,
  {
    access_token: accessToken,
    expires_in: expiresIn,
    refresh_token: refreshToken,
  }: Pick<TokenEndpointResponse, 'access_token' | 'expires_in' | 'refresh_token'>,
  terminal: Terminal,
): SignIn {
  // A token without `expires_in` (RFC 6749 §5.1) is renewed soon.
  const seconds = expiresIn ?? 300;
  return {
    ...{ issuer, client_id: clientId, access_token: accessToken },
    expires_at: new Date(terminal.now() + seconds * 1000).toISOString(),
    ...(issuerUrl !== undefined && { issuer_url: issuerUrl }),
    ...(audience !== undefined && { audience }),
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
  };
}

/** The metadata of the issuer, which must name the issuer that was asked. */
async function configurationOf(issuer: Issuer, terminal: Terminal): Promise<Configuration> {
  const server = safeAddress(issuer.issuer, '--issuer');
  return discovery(server, issuer.client_id, undefined, None(), {
    // Only loopback may be without TLS.
    execute: server.protocol === 'http:' ? [allowInsecureRequests] : [],
    [customFetch]: (url, { method, headers, body }) =>
      terminal
        .fetch(reachable(new URL(url), issuer).href, {
          method,
          headers: {
            ...Object.fromEntries(new Headers(headers)),
            ...(issuer.issuer_url !== undefined && {
              'x-forwarded-proto': server.protocol.slice(0, -1),
              'x-forwarded-host': server.host,
            }),
          },
          ...(body !== undefined && body !== null && { body: String(body) }),
        })
        .catch((error: unknown) => {
          // A fetch without a connection rejects with this class.
          if (!(error instanceof TypeError)) throw error;
          throw new UsageError(`${issuer.issuer} does not answer. Check the address and the network.`, {
            code: 'UNREACHABLE',
          });
        }),
  });
}

/** The address as it is reached: in development the name of the issuer has no DNS entry. */
function reachable(url: URL, { issuer, issuer_url: at }: Issuer): URL {
  if (at === undefined || url.origin !== new URL(issuer).origin) return url;
  return new URL(url.pathname + url.search, safeAddress(at, '--issuer-url').origin);
}

/** Runs the steps of a sign-in. A fault of the issuer or the network becomes a `UsageError` that names it. */
async function namingFaults<Result>(
  { issuer }: Issuer,
  work: () => Promise<Result>,
  again = 'agent-ticket login',
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError) {
      const { error: code, error_description: text } = error;
      const said = [code, text].filter((part) => part !== undefined).join(': ');
      throw new UsageError(`${issuer} refuses (${plain(said)}). Sign in again: ${again}`, {
        code: 'SIGN_IN_REFUSED',
        issuer_code: plain(code),
      });
    }
    if (!(error instanceof ClientError)) throw error;
    // The library wraps what its caller's fetch throws.
    if (error.cause instanceof UsageError) throw error.cause;
    if (error.code === 'OAUTH_TIMEOUT') throw timedOut();
    if (error.code === undefined) throw error;
    // Messages of the library name members, and contain no token.
    throw new UsageError(
      `${issuer} does not answer as the issuer that was asked (${plain(error.message)}). Compare --issuer with the "issuer" of its metadata, then sign in again.`,
      { code: 'SIGN_IN_REFUSED' },
    );
  }
}

const timedOut = (): UsageError =>
  new UsageError('The sign-in took too long. Start again: agent-ticket login');
