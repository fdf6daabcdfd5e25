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

/** An ID token is asked for, since its nonce binds the code to this sign-in; a refresh token renews it. */
const SCOPE = 'openid offline_access';
/** How long a person may take in the browser. */
const SIGN_IN_MS = 600_000;
const CALLBACK = '/callback';

/**
 * Signs a person in by the browser: authorization code with PKCE and a redirect to loopback (RFC 8252, RFC 7636). The
 * library compares state, nonce, and the issuer of the answer where there is one (RFC 9207).
 *
 * The browser begins at an address of ours that works once, and its cookie must come back with the answer: words of a
 * process are visible to other users of the machine, who could bring the person a code of their own by what is in the
 * address of the issuer.
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
      // Any page can send a browser here, so an answer to another question neither counts nor ends the sign-in.
      const [given, ...others] = url.searchParams.getAll('state');
      if (url.pathname !== CALLBACK || given !== state || others.length > 0 || !isSameBrowser) return OTHER;
      answered(url);
      return { status: 200, text: 'Go back to the terminal. This page may be closed.' };
    });
    const over = new AbortController();
    try {
      const address = `http://127.0.0.1:${loopback.port}${begin}`;
      terminal.err(
        `Sign in with your browser at this address${opens ? ', which it is asked to open' : ''}:\n${address}\n`,
      );
      if (opens) terminal.openBrowser(address);
      const found = await Promise.race([callback, terminal.wait(SIGN_IN_MS, over.signal)]);
      if (found === undefined) throw nobody();
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
  text: 'This sign-in was begun elsewhere. If that was not you, end the command by Ctrl-C, and begin again.',
};
const OTHER: LoopbackAnswer = {
  status: 400,
  text: 'This is no answer to the sign-in that the terminal waits for.',
};

/** Signs a person in on another device, by a code that they type there (RFC 8628). */
export async function signInByDevice(issuer: Issuer, terminal: Terminal): Promise<SignIn> {
  return namingFaults(issuer, async () => {
    const config = await configurationOf(issuer, terminal);
    if (config.serverMetadata().device_authorization_endpoint === undefined)
      throw new UsageError(`${issuer.issuer} has no device flow. Leave out --device.`);
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

/** New tokens for a sign-in. Throws a `UsageError` with `again` where it is over, and one where the issuer does not answer. */
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
  // Of a token without an end nothing says when to renew it (RFC 6749 §5.1): soon.
  const seconds = expiresIn ?? 300;
  return {
    ...{ issuer, client_id: clientId, access_token: accessToken },
    expires_at: new Date(terminal.now() + seconds * 1000).toISOString(),
    ...(issuerUrl !== undefined && { issuer_url: issuerUrl }),
    ...(audience !== undefined && { audience }),
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
  };
}

/** The issuer by its metadata, whose name must be the one that was asked for. */
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

/** The address as it is reached: in development an issuer is behind a name that nothing resolves. */
function reachable(url: URL, { issuer, issuer_url: at }: Issuer): URL {
  if (at === undefined || url.origin !== new URL(issuer).origin) return url;
  return new URL(url.pathname + url.search, safeAddress(at, '--issuer-url').origin);
}

/** Runs the steps of a sign-in. Faults that the issuer or the network make become a `UsageError` that says so. */
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
    if (error.code === 'OAUTH_TIMEOUT') throw nobody();
    if (error.code === undefined) throw error;
    // Its sentences name members, and hold no token.
    throw new UsageError(
      `${issuer} does not answer as the issuer that was asked (${plain(error.message)}). Compare --issuer with the "issuer" of its metadata, then sign in again.`,
      { code: 'SIGN_IN_REFUSED' },
    );
  }
}

const nobody = (): UsageError => new UsageError('Nobody signed in. Begin again: agent-ticket login');
