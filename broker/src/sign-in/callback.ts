import { hex } from '@agent-ticket/shared/hex.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { JWTPayload } from 'jose';
import * as z from 'zod';
import { auditEventOf } from '../audit/event.ts';
import { loginIdOf, principalOf, type SignInPorts } from '../credentials/auth0-session.ts';
import { dropCookie, readCookie, sessionCookieNames, setCookie } from '../credentials/cookies.ts';
import { openCookie, sealCookie } from '../credentials/session-cookie.ts';
import type { Answer } from '../http/context.ts';
import { changePolicy } from '../revocation/changes.ts';
import type { Call, Handler } from '../runtime/call.ts';
import { countSignIn } from '../runtime/limit.ts';
import { isSecure, loginCookieName } from './login.ts';
import { refuseSignIn } from './refusal-page.ts';
import { redeemLogin } from './tenant.ts';

/** The life of a sign-in. Use does not renew it: the sessions of its tickets end with it in any case. */
export const SIGN_IN_SECONDS = 24 * 3600;

/**
 * The most sign-ins for each address and window: that many people of an office may share one address. Each sign-in costs
 * the tenant a request. Only callbacks with the login cookie count: any page can send its visitors' browsers to the
 * callback, but without the cookie.
 */
export const SIGN_IN_LIMIT = 60;

const Begun = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  return_to: z.string(),
});

const IdClaims = z.looseObject({ sub: z.string().min(1).max(256), sid: z.string().max(256).optional() });

/** `GET /auth/callback`: the redirect from the tenant. The sign-in is recorded before the browser gets its cookie. */
export const finishLogin: Handler = async (call) => {
  const { signIn } = call.ports.credentials;
  if (signIn === undefined) return err('route_unknown');
  const begun = await readBegun(call, signIn);
  if (!begun.ok) return begun;
  const { return_to: returnTo, ...checks } = begun.value;
  const renderError = refuseSignIn(returnTo);
  const counted = await countSignIn(SIGN_IN_LIMIT, call, call.ports);
  if (!counted.outcome.ok) return { ...counted, outcome: counted.outcome, renderError };
  const rev = await signIn.control.revocations.newestRev();
  const redeemed = await redeemLogin(new URL(call.request.url).search, checks, signIn, call.now);
  const outcome = redeemed.ok ? await open(redeemed.value, rev, returnTo, call, signIn) : redeemed;
  return { ...counted, outcome, renderError };
};

/** The values of this browser's login cookie. Without the check, an attacker could sign the browser in (login CSRF). */
async function readBegun(call: Call, { config }: SignInPorts): Promise<Outcome<z.infer<typeof Begun>>> {
  const notBegun = err('login_not_begun', { hint: 'this sign-in was not begun here, or too long ago' });
  const name = loginCookieName(config);
  const cookie = readCookie(call.request.headers.get('cookie'), name);
  if (!cookie.ok || cookie.value === undefined) return notBegun;
  const opened = await openCookie(cookie.value, { name, secret: config.cookieSecret }, call.now);
  const begun = opened.ok ? Begun.safeParse(opened.value) : undefined;
  return begun?.success === true ? ok(begun.data) : notBegun;
}

/** Opens the session of verified ID token claims. `rev` is the newest change from before the tenant was asked. */
async function open(
  payload: JWTPayload,
  rev: number,
  returnTo: string,
  call: Call,
  signIn: SignInPorts,
): Promise<Outcome<Answer>> {
  const { config } = signIn;
  const { ports, now } = call;
  const claims = IdClaims.safeParse(payload);
  const principal = claims.success ? principalOf(claims.data.sub, signIn) : undefined;
  if (!claims.success || principal === undefined)
    return err('credential_claims_invalid', { detail: 'ID token' });
  const { sub, sid } = claims.data;
  const expiresAt = Math.floor(now / 1000) + SIGN_IN_SECONDS;
  const id = hex(ports.randomBytes(16));
  const lifted = sid === undefined ? [] : await revokedBefore(rev, sid, signIn, now);
  await changePolicy(
    {
      before: lifted.map((each) => ports.control.revocations.lift(each, now)),
      statement: ports.control.authSessions.insert({
        id,
        issuer: config.tenant.issuer,
        subject: sub,
        sid: sid ?? null,
        claims: claims.data,
        createdAt: now,
        expiresAt: expiresAt * 1000,
      }),
      event: {
        ...auditEventOf(call, 'login.succeeded', ports.randomId(), {}),
        principal,
      },
      command: lifted.length === 0 ? undefined : { op: 'revoke', ids: lifted },
    },
    ports,
  );
  const secure = isSecure(config);
  const name = config.cookieName;
  const value = await sealCookie(
    { id, exp: expiresAt },
    { name, secret: config.cookieSecret, kid: ports.randomId() },
  );
  const parts = sessionCookieNames(call.request.headers.get('cookie'), name).filter((each) => each !== name);
  return ok({
    status: 302,
    headers: { location: returnTo },
    cookies: [
      ...parts.map((part) => dropCookie(part, { path: '/', secure })),
      dropCookie(loginCookieName(config), { path: '/auth', secure }),
      setCookie(name, value, SIGN_IN_SECONDS, { path: '/', secure }),
    ],
  });
}

/**
 * Ids of the revocations of the tenant's session from before the code was redeemed. The caller lifts them: the tenant
 * has confirmed the session since, for example after a browser signed out here but did not complete the sign-out at the
 * tenant, and could not sign in again otherwise. A revocation from after that remains in force and ends this sign-in.
 */
async function revokedBefore(rev: number, sid: string, signIn: SignInPorts, now: number): Promise<string[]> {
  const rows = await signIn.control.revocations.anyOn([`login:${await loginIdOf(sid, signIn)}`], now);
  return rows.filter((row) => row.rev <= rev).map((row) => row.id);
}
