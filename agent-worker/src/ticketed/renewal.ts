import type { ObjectSession, Renewed } from '@agent-ticket/drizzle/object/sessions.ts';
import { isAnonymous } from '@agent-ticket/shared/anonymous.ts';
import { SESSION_ABSOLUTE_SECONDS } from '@agent-ticket/shared/limits.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { CONNECT } from '@agent-ticket/shared/scope.ts';
import { type VerifiedTicket, verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { Verifier } from '../verifier.ts';
import { claimsOf, payloadText, warnTime } from './session.ts';

/**
 * Whether a ticket may carry on a session: valid now, for the same place and the same person acting through the same
 * actors. Burning it is the caller's, in one step with the change. `now` in ms.
 */
export async function verifyRenewal(
  token: string,
  session: ObjectSession,
  verifier: Verifier,
  now: number,
): Promise<Outcome<VerifiedTicket>> {
  const held = claimsOf(session);
  if (isAnonymous(held.sub)) return err('renewal_refused', { detail: 'anonymous sessions do not renew' });
  const verified = await verifyTicket(token, {
    issuer: verifier.config.issuer,
    audience: verifier.config.audience,
    nowSeconds: Math.floor(now / 1000),
    route: { agent: held.agent, instance: held.instance },
    scope: CONNECT,
    transport: 'websocket',
    findKey: verifier.findKey,
  });
  if (!verified.ok) return verified;
  const { sub, act } = verified.value.claims;
  const same = sub === held.sub && JSON.stringify(act) === JSON.stringify(held.act);
  return same ? verified : err('renewal_refused', { detail: 'another principal or actor' });
}

/** What the session becomes: the new ticket's rights and key, within the life that no session exceeds. */
export function renewedBy(
  { claims, kid }: VerifiedTicket,
  session: ObjectSession,
  now: number,
): Outcome<Renewed> {
  const expiresAt = Math.min(
    claims.session_expiry * 1000,
    session.startedAt + SESSION_ABSOLUTE_SECONDS * 1000,
  );
  if (expiresAt <= now) return err('session_expired');
  return ok({
    jti: claims.jti,
    claims: payloadText(claims),
    kid,
    expiresAt,
    warnAt: warnTime(claims, now, expiresAt),
  });
}

/** What the client is told. */
export const renewalFrames = {
  expiring: (expiresAt: number): string =>
    JSON.stringify({ type: 'ticket.expiring', session_expires_at: new Date(expiresAt).toISOString() }),
  renewed: (scope: string, expiresAt: number): string =>
    JSON.stringify({ type: 'ticket.renewed', scope, session_expires_at: new Date(expiresAt).toISOString() }),
  refused: (code: string): string => JSON.stringify({ type: 'ticket.refused', code }),
} as const;
