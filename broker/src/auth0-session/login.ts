import { allow, deny } from '@agent-ticket/shared/outcome.ts';
import { base64url } from 'jose';
import type { Handler } from '../http/call.ts';
import type { BrokerPorts } from '../ports.ts';
import { sealCookie } from './cookie.ts';
import { setCookie } from './cookie-header.ts';
import { isSecure, LOGIN_SECONDS, loginCookieName } from './ports.ts';
import { readReturnTo } from './return-to.ts';
import { authorizeUrl } from './tenant.ts';

/** `GET /auth/login?return_to=…&login_hint=…`: off to the tenant, with what must come back in a cookie of ten minutes. */
export const beginLogin =
  (ports: BrokerPorts): Handler =>
  async ({ request, now }) => {
    const { signIn } = ports.credentials;
    if (signIn === undefined) return { outcome: deny('route_unknown') };
    const { config } = signIn;
    const query = new URL(request.url).searchParams;
    const returnTo = readReturnTo(query.get('return_to'), config.baseUrl, ports.credentials.trustedOrigins);
    if (!returnTo.ok) return { outcome: returnTo };
    const random = (): string => base64url.encode(ports.randomBytes(32));
    const checks = { state: random(), nonce: random(), verifier: random() };
    const name = loginCookieName(config);
    const exp = Math.floor(now / 1000) + LOGIN_SECONDS;
    const value = await sealCookie(
      { ...checks, return_to: returnTo.value, exp },
      { name, secret: config.cookieSecret, kid: ports.randomId() },
    );
    return {
      outcome: allow({
        status: 302,
        headers: { location: await authorizeUrl(checks, query.get('login_hint'), signIn) },
        cookies: [setCookie(name, value, LOGIN_SECONDS, { path: '/auth', secure: isSecure(config) })],
      }),
    };
  };
