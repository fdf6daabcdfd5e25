import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { JWTPayload } from 'jose';
import * as z from 'zod';
import { recordAct } from '../audit/act.ts';
import { principalOf } from '../credentials/auth0-session.ts';
import { readCookie } from '../credentials/cookies.ts';
import { openCookie, sealCookie } from '../credentials/session-cookie.ts';
import { dropCookie, sessionCookieNames, setCookie } from '../credentials/session-cookie-header.ts';
import { admitSignIn } from '../http/anonymous-limit.ts';
import type { Answer, Call, Handler } from '../http/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { isSecure, loginCookieName, SESSION_SECONDS, type SignInPorts } from './ports.ts';
import { refuseSignIn } from './refusal-page.ts';
import { redeemLogin } from './tenant.ts';

const Begun = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  return_to: z.string(),
});

const IdClaims = z.looseObject({ sub: z.string().min(1).max(256), sid: z.string().max(256).optional() });

/** `GET /auth/callback`: back from the tenant. The sign-in is recorded before the browser has a cookie for it. */
export const finishLogin =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const { signIn } = ports.credentials;
    if (signIn === undefined) return { outcome: err('route_unknown') };
    const begun = await readBegun(call, signIn);
    if (!begun.ok) return { outcome: begun };
    const { return_to: returnTo, ...checks } = begun.value;
    const renderError = refuseSignIn(returnTo);
    const admitted = await admitSignIn(call, ports.ledger);
    if (!admitted.outcome.ok) return { outcome: admitted.outcome, rate: admitted.rate, renderError };
    const redeemed = await redeemLogin(new URL(call.request.url).search, checks, signIn, call.now);
    const outcome = redeemed.ok ? await open(redeemed.value, returnTo, call, signIn, ports) : redeemed;
    return { outcome, rate: admitted.rate, renderError };
  };

/** What this browser set out with. Without it somebody else's sign-in could be put upon it. */
async function readBegun(call: Call, { config }: SignInPorts): Promise<Outcome<z.infer<typeof Begun>>> {
  const notBegun = err('login_not_begun', { hint: 'this sign-in was not begun here, or too long ago' });
  const name = loginCookieName(config);
  const cookie = readCookie(call.request.headers.get('cookie'), name);
  if (!cookie.ok || cookie.value === undefined) return notBegun;
  const opened = await openCookie(cookie.value, { name, secret: config.cookieSecret }, call.now);
  const begun = opened.ok ? Begun.safeParse(opened.value) : undefined;
  return begun?.success === true ? ok(begun.data) : notBegun;
}

async function open(
  payload: JWTPayload,
  returnTo: string,
  call: Call,
  signIn: SignInPorts,
  ports: BrokerPorts,
): Promise<Outcome<Answer>> {
  const claims = IdClaims.safeParse(payload);
  const principal = claims.success ? principalOf(claims.data.sub, signIn) : undefined;
  if (!claims.success || principal === undefined)
    return err('credential_claims_invalid', { detail: 'ID token' });
  const { sub, sid = null } = claims.data;
  const { config } = signIn;
  const expiresAt = Math.floor(call.now / 1000) + SESSION_SECONDS;
  const id = [...ports.randomBytes(16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  await recordAct(ports, { ...call, who: { principal: { id: principal } } }, 'login.succeeded', {});
  await signIn.sessions.insert({
    id,
    issuer: config.tenant.issuer,
    subject: sub,
    sid,
    claims: claims.data,
    createdAt: call.now,
    expiresAt: expiresAt * 1000,
  });
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
      setCookie(name, value, SESSION_SECONDS, { path: '/', secure }),
    ],
  });
}
