import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { html } from 'hono/html';
import * as z from 'zod';
import { readSignIn, type SignIn, type SignInPorts } from '../credentials/auth0-session.ts';
import { dropCookie, readSessionCookie, sessionCookieNames } from '../credentials/cookies.ts';
import type { Answer } from '../http/context.ts';
import { isFromOtherOrigin } from '../http/other-origin.ts';
import { plainPage } from '../http/plain-page.ts';
import { readQuery } from '../http/query.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { isSecure } from './login.ts';
import { readReturnTo } from './return-to.ts';
import { signOut } from './sign-out.ts';
import { endSessionUrl } from './tenant.ts';

export const LogoutQuery = z.object({
  return_to: z.string().optional(),
  /** Left out: this sign-in, and all tokens and sockets from before. */
  everywhere: z.enum(['true', 'false']).optional(),
});

/**
 * `GET /auth/logout?return_to=…&everywhere=…`: ends the sign-in here and its person's sockets, and goes on to the tenant,
 * which ends its own session. `everywhere=true` ends every sign-in of the person, `false` this one and what rests on it,
 * and leaves the person's other sockets and tokens alone. Without a sign-in it only drops cookies. A page that is not
 * listed may not send browsers here.
 */
export const logOut: Handler = async (call) => {
  const { signIn, trustedOrigins } = call.ports.credentials;
  if (signIn === undefined) return err('route_unknown');
  const { headers, url } = call.request;
  const { config } = signIn;
  const { search, searchParams } = new URL(url);
  const returnTo = readReturnTo(searchParams.get('return_to'), call.ports);
  if (!returnTo.ok) return returnTo;
  const query = readQuery(url, LogoutQuery);
  if (!query.ok) return query;
  if (isFromOtherOrigin(headers, trustedOrigins))
    return headers.has('referer') || headers.get('sec-fetch-dest') !== 'document'
      ? err('origin_not_allowed')
      : ask(search, returnTo.value);
  const ended = await end(call, signIn, query.value.everywhere);
  const names = sessionCookieNames(headers.get('cookie'), config.cookieName);
  return ok({
    status: 302,
    headers: { location: endSessionUrl(config, returnTo.value, ended?.sid) },
    cookies: names.map((name) => dropCookie(name, { path: '/', secure: isSecure(config) })),
  });
};

/**
 * The page for a person whom a page without a referrer (`no-referrer`) led here: it may be a page of the app or any other,
 * so the person decides (OpenID Connect RP-Initiated Logout 1.0 §2). No page can frame this one.
 */
function ask(again: string, returnTo: string): Outcome<Answer> {
  const page = plainPage('Sign out?', [
    html`<a href="${again}">Sign out</a> or <a href="${returnTo}">go back to the app</a>.`,
  ]);
  return ok({
    status: 200,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    stream: new Blob([page]).stream(),
  });
}

async function end(
  call: Call,
  signIn: SignInPorts,
  everywhere: z.infer<typeof LogoutQuery>['everywhere'],
): Promise<SignIn | undefined> {
  const { config, control } = signIn;
  const cookie = readSessionCookie(call.request.headers.get('cookie'), config.cookieName);
  if (!cookie.ok || cookie.value === undefined) return undefined;
  const read = await readSignIn(cookie.value, signIn, call.now);
  if (!read.ok) return undefined;
  const { id, principal, subject, sid, login } = read.value;
  const { issuer } = config.tenant;
  const signedOut = { by: 'logout', principals: [principal] } as const;
  if (everywhere === 'true') {
    const ends = [control.authSessions.endAll({ issuer, subject }, call.now)];
    await signOut({ ...signedOut, login: undefined, ends }, call);
    return read.value;
  }
  const ends =
    sid === undefined && id !== undefined
      ? control.authSessions.end(id, call.now)
      : control.authSessions.endAll({ issuer, sid, subject }, call.now);
  await signOut({ ...signedOut, login, ends: [ends], isLoginOnly: everywhere === 'false' }, call);
  return read.value;
}
