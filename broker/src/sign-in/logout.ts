import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { principalOf, readSignIn, type SignIn } from '../credentials/auth0-session.ts';
import { dropCookie, readSessionCookie, sessionCookieNames } from '../credentials/session-cookie-header.ts';
import type { Call, Handler } from '../http/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { endSockets, orderEnd } from './end-sockets.ts';
import { FOREIGN_SESSION_MAX_SECONDS, isSecure, type SignInPorts } from './ports.ts';
import { readReturnTo } from './return-to.ts';
import { endSessionUrl } from './tenant.ts';

/**
 * `GET /auth/logout?return_to=…`: ends the sign-in here, its person's sockets, and goes on to the tenant, which ends its
 * own session. Without a sign-in that stands it only tidies up. A page that is not listed may not send browsers here.
 */
export const logOut =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const { signIn, trustedOrigins, ownOrigin } = ports.credentials;
    if (signIn === undefined) return { outcome: err('route_unknown') };
    const { headers, url } = call.request;
    if (!isOwnWish(headers, trustedOrigins)) return { outcome: err('origin_not_allowed') };
    const { config } = signIn;
    const returnTo = readReturnTo(new URL(url).searchParams.get('return_to'), ownOrigin, trustedOrigins);
    if (!returnTo.ok) return { outcome: returnTo };
    const ended = await end(call, signIn, ports);
    const names = sessionCookieNames(headers.get('cookie'), config.cookieName);
    return {
      outcome: ok({
        status: 302,
        headers: { location: endSessionUrl(config, returnTo.value, ended?.sid) },
        cookies: names.map((name) => dropCookie(name, { path: '/', secure: isSecure(config) })),
      }),
    };
  };

/** Where browsers say that another origin led here (Fetch Metadata §2.4): a sibling host is no friend either. */
const FOREIGN_SITES: readonly (string | null)[] = ['cross-site', 'same-site'];

/** When a page of another origin led here it must be a listed one. */
function isOwnWish(headers: Headers, origins: readonly string[]): boolean {
  if (!FOREIGN_SITES.includes(headers.get('sec-fetch-site'))) return true;
  const referrer = headers.get('referer');
  return referrer !== null && URL.canParse(referrer) && origins.includes(new URL(referrer).origin);
}

async function end(call: Call, signIn: SignInPorts, ports: BrokerPorts): Promise<SignIn | undefined> {
  const { config, sessions } = signIn;
  const cookie = readSessionCookie(call.request.headers.get('cookie'), config.cookieName);
  if (!cookie.ok || cookie.value === undefined) return undefined;
  const read = await readSignIn(cookie.value, signIn, call.now);
  if (!read.ok) return undefined;
  const { id, subject, sid } = read.value;
  const principal = principalOf(subject, signIn);
  const command = principal && (await orderEnd(principal, 'logout', call, ports));
  if (id !== undefined) await sessions.end(id, call.now);
  else
    await sessions.logOut(
      { issuer: config.tenant.issuer, sid, subject },
      call.now,
      call.now + FOREIGN_SESSION_MAX_SECONDS * 1000,
    );
  if (command !== undefined) await endSockets(command, ports);
  return read.value;
}
