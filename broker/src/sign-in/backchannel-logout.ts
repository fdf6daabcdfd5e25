import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { principalOf } from '../credentials/auth0-session.ts';
import { countFailure } from '../credentials/failures.ts';
import { renderError } from '../http/answer.ts';
import type { Handler } from '../http/call.ts';
import { readForm } from '../oauth/form.ts';
import type { PendingCommand } from '../revocation/termination.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import { endSockets, orderEnd } from './end-sockets.ts';
import { verifyLogoutToken } from './logout-token.ts';
import { FOREIGN_SESSION_MAX_SECONDS } from './ports.ts';

/**
 * `POST /auth/backchannel-logout` (OpenID Connect Back-Channel Logout 1.0 §2.5): the tenant says that somebody signed
 * out. Ends that sign-in, or every one of the subject where no `sid` is named, and the person's sockets. Done twice it
 * changes nothing, so the token counts as used only when all of it is done.
 */
export const receiveLogout =
  (ports: BrokerPorts): Handler =>
  async (call) => {
    const { signIn } = ports.credentials;
    if (signIn === undefined) return { outcome: err('route_unknown'), renderError };
    const form = await readForm(call.request);
    if (!form.ok) return { outcome: form };
    const logout = await verifyLogoutToken(form.value.get('logout_token') ?? '', signIn, call.now);
    if (!logout.ok) return { outcome: await countFailure(logout, call, ports) };
    const { subject, sid, use } = logout.value;
    const named = { issuer: signIn.config.tenant.issuer, sid, subject };
    const standing = await signIn.sessions.subjectsOf(named);
    const subjects = new Set(subject === undefined ? standing : [...standing, subject]);
    const commands: PendingCommand[] = [];
    for (const each of subjects) {
      const principal = principalOf(each, signIn);
      if (principal !== undefined) commands.push(await orderEnd(principal, 'back-channel', call, ports));
    }
    await signIn.sessions.logOut(named, call.now, call.now + FOREIGN_SESSION_MAX_SECONDS * 1000);
    for (const command of commands) await endSockets(command, ports);
    await signIn.usedTokens.use(use.name, use.until);
    return { outcome: ok({ status: 204 }) };
  };
