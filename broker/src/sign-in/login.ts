import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { base64url } from 'jose';
import { authenticate, type CredentialPorts } from '../credentials/authenticate.ts';
import { sealCookie } from '../credentials/session-cookie.ts';
import { setCookie } from '../credentials/session-cookie-header.ts';
import type { Answer, Call, Handler } from '../http/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { isSecure, LOGIN_SECONDS, loginCookieName } from './ports.ts';
import { readReturnTo } from './return-to.ts';
import { authorizeUrl } from './tenant.ts';

/**
 * `GET /auth/login?return_to=…&login_hint=…`: off to the tenant, with what must come back in a cookie of ten minutes.
 * Whoever Access let through to here has signed in on the way, and goes straight back.
 */
export const beginLogin =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const { request, now } = call;
    const { signIn, access, trustedOrigins, ownOrigin } = ports.credentials;
    if (signIn === undefined && access.issuers.length === 0) return { outcome: err('route_unknown') };
    const query = new URL(request.url).searchParams;
    const returnTo = readReturnTo(query.get('return_to'), ownOrigin, trustedOrigins);
    if (!returnTo.ok) return { outcome: returnTo };
    if (signIn === undefined || request.headers.has('cf-access-jwt-assertion'))
      return { outcome: await comeFromAccess(call, returnTo.value, ports.credentials) };
    const { config } = signIn;
    const random = (): string => base64url.encode(ports.randomBytes(32));
    const checks = { state: random(), nonce: random(), verifier: random() };
    const name = loginCookieName(config);
    const exp = Math.floor(now / 1000) + LOGIN_SECONDS;
    const value = await sealCookie(
      { ...checks, return_to: returnTo.value, exp },
      { name, secret: config.cookieSecret, kid: ports.randomId() },
    );
    return {
      outcome: ok({
        status: 302,
        headers: { location: await authorizeUrl(checks, query.get('login_hint'), signIn) },
        cookies: [setCookie(name, value, LOGIN_SECONDS, { path: '/auth', secure: isSecure(config) })],
      }),
    };
  };

/** Back again, once Access has signed the person in. Without its identity the way back would be a circle. */
async function comeFromAccess(
  { request, now }: Call,
  location: string,
  ports: CredentialPorts,
): Promise<Outcome<Answer>> {
  const who = await authenticate(request, ports, now);
  if (!who.ok) return who;
  return who.value.method === 'access'
    ? ok({ status: 302, headers: { location } })
    : err('credential_missing', { detail: 'Access does not stand in front of /auth/login' });
}
