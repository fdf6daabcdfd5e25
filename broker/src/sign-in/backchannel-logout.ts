import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { countFailure } from '../credentials/auth-result.ts';
import { loginIdOf, principalOf } from '../credentials/auth0-session.ts';
import { renderError } from '../http/answer.ts';
import { readForm } from '../http/form.ts';
import type { Handler } from '../runtime/call.ts';
import { verifyLogoutToken } from './logout-token.ts';
import { signOut } from './sign-out.ts';

/**
 * `POST /auth/backchannel-logout` (OpenID Connect Back-Channel Logout 1.0 §2.5): the tenant says that somebody signed out.
 * Ends that sign-in, or every one of the subject where no `sid` is named, and the person's sockets.
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
  // In the same batch as what it does: a logout that failed must be taken when it is sent again, and only then.
  const ends = [authSessions.endAll(named, call.now), usedTokens.note(use.name, use.until)];
  await signOut({ by: 'back-channel', principals, login, ends }, call);
  return ok({ status: 204 });
};
