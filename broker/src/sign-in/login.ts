import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { base64url } from 'jose';
import * as z from 'zod';
import type { SignInConfig } from '../credentials/auth0-session.ts';
import { authenticate } from '../credentials/authenticate.ts';
import { setCookie } from '../credentials/cookies.ts';
import { TOO_OLD } from '../credentials/foreign-jwt.ts';
import { sealCookie } from '../credentials/session-cookie.ts';
import type { Answer } from '../http/context.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { readReturnTo } from './return-to.ts';
import { authorizeUrl } from './tenant.ts';

/** The longest time between the redirect to the tenant and the callback. */
const LOGIN_SECONDS = 600;

/** Must not begin with the session cookie's name: the Auth0 library would read it as a chunk of that cookie. */
export const loginCookieName = ({ cookieName }: SignInConfig): string => `login_${cookieName}`;

export const isSecure = ({ baseUrl }: SignInConfig): boolean => baseUrl.startsWith('https:');

/** `renewed`: Access was asked for a new sign-in on the way here. */
export const LoginQuery = z.object({
  return_to: z.string().optional(),
  login_hint: z.string().optional(),
  renewed: z.string().optional(),
});

/**
 * `GET /auth/login?return_to=…&login_hint=…`: redirects to the tenant, with the values that must come back in a cookie
 * of ten minutes. A person whom Access let through to here has signed in on the way and is redirected back at once.
 */
export const beginLogin: Handler = async (call) => {
  const { request, now, ports } = call;
  const { signIn, access } = ports.credentials;
  if (signIn === undefined && access.issuers.length === 0) return err('route_unknown');
  const query = new URL(request.url).searchParams;
  const returnTo = readReturnTo(query.get('return_to'), ports);
  if (!returnTo.ok) return returnTo;
  if (signIn === undefined || request.headers.has('cf-access-jwt-assertion'))
    return redirectFromAccess(call, returnTo.value);
  const { config } = signIn;
  const random = (): string => base64url.encode(ports.randomBytes(32));
  const checks = { state: random(), nonce: random(), verifier: random() };
  const name = loginCookieName(config);
  const exp = Math.floor(now / 1000) + LOGIN_SECONDS;
  const value = await sealCookie(
    { ...checks, return_to: returnTo.value, exp },
    { name, secret: config.cookieSecret, kid: ports.randomId() },
  );
  return ok({
    status: 302,
    headers: { location: await authorizeUrl(checks, query.get('login_hint'), signIn) },
    cookies: [setCookie(name, value, LOGIN_SECONDS, { path: '/auth', secure: isSecure(config) })],
  });
};

/**
 * Redirects back once Access has signed the user in. Without an identity of Access the redirects would never end. An
 * assertion that is too old by the settings has a session at Access that goes on: Access ends it, and signs the user in
 * anew on the way back to here, which is tried once.
 */
async function redirectFromAccess({ request, now, ports }: Call, location: string): Promise<Outcome<Answer>> {
  const { ownOrigin } = ports.credentials;
  const who = await authenticate(request, ports.credentials, now);
  if (!who.ok) {
    if (who.denial.detail !== TOO_OLD || new URL(request.url).searchParams.has('renewed')) return who;
    const again = new URL('/auth/login', ownOrigin);
    again.search = String(new URLSearchParams({ return_to: location, renewed: 'true' }));
    const end = new URL('/cdn-cgi/access/logout', ownOrigin);
    end.searchParams.set('returnTo', again.href);
    return ok({ status: 302, headers: { location: end.href } });
  }
  return who.value.method === 'access'
    ? ok({ status: 302, headers: { location } })
    : err('credential_missing', { detail: 'Access does not protect /auth/login' });
}
