import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { isCanonicalCompact, readJwsHeader } from '@agent-ticket/shared/own-jws.ts';
import { errors, jwtVerify } from 'jose';
import * as z from 'zod';
import { countFailure } from '../credentials/auth-result.ts';
import { loginIdOf, principalOf, type SignInPorts } from '../credentials/auth0-session.ts';
import { findKey, fromIssuer, LEEWAY_SECONDS } from '../credentials/foreign-jwt.ts';
import { renderError } from '../http/answer.ts';
import { readForm } from '../http/form.ts';
import type { Handler } from '../runtime/call.ts';
import { signOut } from './sign-out.ts';

/**
 * `POST /auth/backchannel-logout` (OpenID Connect Back-Channel Logout 1.0 §2.5): the tenant reports that a user signed
 * out. Ends the sign-in that `sid` names, or all sign-ins of the subject without a `sid`, and the sockets of the user.
 */
export const receiveLogout: Handler = async (call) => {
  const { signIn } = call.ports.credentials;
  if (signIn === undefined) return { outcome: err('route_unknown'), renderError };
  const form = await readForm(call.request);
  if (!form.ok) return form;
  const logout = await verifyLogoutToken(form.value.get('logout_token') ?? '', signIn, call.now);
  if (!logout.ok) return countFailure(logout, call, call.ports);
  const { subject, sid, use } = logout.value;
  const { authSessions, usedTokens } = signIn.control;
  const named = { issuer: signIn.config.tenant.issuer, sid, subject };
  const subjects = new Set([
    ...(subject === undefined ? [] : [subject]),
    ...(await authSessions.subjectsOf(named)),
  ]);
  const principals = [...subjects]
    .map((each) => principalOf(each, signIn))
    .filter((principal) => principal !== undefined);
  const login = sid === undefined ? undefined : await loginIdOf(sid, signIn);
  // In the same batch as the sign-out: a logout that failed must be accepted when it is sent again, and only then.
  const ends = [authSessions.endAll(named, call.now), usedTokens.note(use.name, use.until)];
  await signOut({ by: 'back-channel', principals, login, ends }, call);
  return ok({ status: 204 });
};

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const MAX_BYTES = 4096;
/** The greatest age of a logout token: a tenant sends it at the moment of the logout. */
const MAX_AGE_SECONDS = 300;

const Header = z.object({
  kid: z.string().min(1).max(256),
  typ: z.string().regex(/^(application\/)?logout\+jwt$/i),
});

/** OpenID Connect Back-Channel Logout 1.0 §2.4. With a `nonce` it would be an ID token. */
const Claims = z
  .object({
    jti: z.string().min(1).max(256),
    iat: z.int(),
    sub: z.string().min(1).max(256).optional(),
    sid: z.string().min(1).max(256).optional(),
    nonce: z.undefined().optional(),
    events: z.object({ [EVENT]: z.object({}) }),
  })
  .refine(({ sub, sid }) => sub !== undefined || sid !== undefined);

interface Logout {
  readonly subject: string | undefined;
  readonly sid: string | undefined;
  /** To be noted with the sign-out: a logout that failed must be taken when it is sent again. */
  readonly use: { readonly name: string; readonly until: number };
}

/**
 * A logout token of the tenant (§2.6): its own type, the tenant's keys, our client id, at most five minutes old, and no
 * `jti` that was used. `exp` is checked where there is one. `now` in ms.
 */
async function verifyLogoutToken(
  token: string,
  { tenant, control }: SignInPorts,
  now: number,
): Promise<Outcome<Logout>> {
  const invalid = (detail: string) => err('logout_token_invalid', { detail });
  if (!isCanonicalCompact(token, MAX_BYTES)) return invalid('spelling');
  try {
    const header = Header.safeParse(readJwsHeader(token));
    if (!header.success) return invalid('header');
    const found = await findKey(tenant, header.data.kid);
    if (!found.ok) return found.denial.reason === 'identity_source_unavailable' ? found : invalid('key');
    const key = found.value;
    const { payload } = await jwtVerify(token, key.key, {
      ...fromIssuer(tenant.issuer, key.alg, now),
      maxTokenAge: MAX_AGE_SECONDS,
    });
    const claims = Claims.safeParse(payload);
    if (!claims.success) return invalid('claims');
    const { jti, iat, sub, sid } = claims.data;
    const until = (iat + MAX_AGE_SECONDS + 2 * LEEWAY_SECONDS) * 1000;
    const name = `logout:${tenant.issuer.issuer} ${jti}`;
    if (await control.usedTokens.isUsed(name)) return invalid('replayed');
    return ok({ subject: sub, sid, use: { name, until } });
  } catch (error) {
    if (error instanceof errors.JOSEError) return invalid(error.code);
    throw error;
  }
}
