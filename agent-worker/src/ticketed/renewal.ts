import type { ObjectSession, Renewed } from '@agent-ticket/drizzle/object/sessions.ts';
import { isAnonymous } from '@agent-ticket/shared/anonymous.ts';
import { DENIALS, type Denial } from '@agent-ticket/shared/denial.ts';
import { SESSION_ABSOLUTE_SECONDS } from '@agent-ticket/shared/limits.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { CONNECT, covers, formatScope, STATE_READ } from '@agent-ticket/shared/scope.ts';
import { type VerifiedTicket, verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { Unrevoked } from '../gate/revocation-feed.ts';
import type { Verifier } from '../verifier.ts';
import { rightsOf } from './admission.ts';
import type { Audit } from './audit.ts';
import { claimsOf } from './claims.ts';
import { closeSocket } from './ends.ts';
import { type Rates, RENEWAL_RATE } from './limits.ts';
import { sendFrame } from './sdk.ts';
import type { Sessions } from './sessions.ts';

export interface RenewalPorts {
  readonly sessions: Sessions;
  readonly audit: Pick<Audit, 'renewalRefused'>;
  readonly rates: Rates;
  readonly verifier: () => Verifier;
  /** Whether no revocation hits a ticket, as far as this isolate knows or can read in time. */
  readonly checkRevoked: (ticket: VerifiedTicket) => Promise<Outcome<Unrevoked>>;
  readonly clock: () => number;
  /** Schedules the next sweep: its time may have changed. */
  readonly arm: () => Promise<unknown>;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** The frames that a client gets about the end of its session. */
export const renewalFrames = {
  expiring: (expiresAt: number): string =>
    JSON.stringify({ type: 'ticket.expiring', session_expires_at: new Date(expiresAt).toISOString() }),
  renewed: (scope: string, expiresAt: number): string =>
    JSON.stringify({ type: 'ticket.renewed', scope, session_expires_at: new Date(expiresAt).toISOString() }),
  refused: (code: string): string => JSON.stringify({ type: 'ticket.refused', code }),
} as const;

/**
 * Renewal in band. The session is read again after the awaits of keys and revocations: an end that came meanwhile counts.
 * A ticket that is known to be revoked ends the session, which is of the same person and place; one that this object
 * refuses does not, since the command that made it refuse ended the sessions that were hit. Answers whether it renewed.
 */
export async function renew(id: string, token: string, ws: WebSocket, ports: RenewalPorts): Promise<boolean> {
  const { sessions, clock } = ports;
  const refuse = ({ reason, detail }: Denial): false => {
    ports.log({ event: 'renewal_refused', reason, detail, session: id });
    ports.audit.renewalRefused(id, reason);
    sendFrame(ws, renewalFrames.refused(DENIALS[reason].close));
    return false;
  };
  const refuseAndEnd = (denial: Denial): false => {
    refuse(denial);
    sessions.end(id, denial.reason);
    closeSocket(ws, denial.reason);
    return false;
  };
  if (!ports.rates.allow(renewalId(id), RENEWAL_RATE, clock())) return refuse({ reason: 'rate_limited' });
  const session = sessions.find(id);
  if (session === undefined) return refuse({ reason: 'claims_missing' });
  const verified = await verifyRenewal(token, session, ports.verifier(), clock());
  if (!verified.ok) return refuse(verified.denial);
  const ticket = verified.value;
  const checked = await ports.checkRevoked(ticket);

  const current = sessions.current(id);
  if (!current.ok) return refuseAndEnd(current.denial);
  if (!checked.ok) return refuseAndEnd(checked.denial);
  const revoked = sessions.whyRefused(ticket);
  if (revoked !== undefined) return refuse({ reason: revoked });
  const rights = rightsAfter(ticket, session, clock());
  if (!rights.ok) return refuse(rights.denial);
  if (!sessions.burnForRenewal(session, ticket)) {
    await ports.arm();
    return refuse({ reason: 'ticket_used' });
  }
  const renewed = sessions.renew(id, ticket, rights.value);
  if (renewed === undefined) return refuse({ reason: 'session_terminated' });

  const { scope } = ticket.claims;
  sendFrame(ws, renewalFrames.renewed(formatScope(scope), renewed.expiresAt));
  // The SDK decided at accept that this connection gets the state, and that cannot be changed now.
  if (covers(current.value.claims.scope, STATE_READ) && !covers(scope, STATE_READ))
    sessions.terminate(id, 'rights_changed');
  await ports.arm();
  await checked.value.noteInside();
  return true;
}

/** Under which the rate of a session's renewals is counted. */
export const renewalId = (sessionId: string): string => `renewal ${sessionId}`;

/**
 * Whether a ticket may carry on a session: valid now, for the same place and the same person acting through the same
 * actors. Does NOT burn it, nor check revocations. `now` in ms.
 */
async function verifyRenewal(
  token: string,
  session: ObjectSession,
  { config, findKey }: Verifier,
  now: number,
): Promise<Outcome<VerifiedTicket>> {
  const held = claimsOf(session);
  if (isAnonymous(held.sub)) return err('renewal_refused', { detail: 'anonymous sessions do not renew' });
  const verified = await verifyTicket(token, {
    issuer: config.issuer,
    audience: config.audience,
    nowSeconds: Math.floor(now / 1000),
    route: { agent: held.agent, instance: held.instance },
    scope: CONNECT,
    transport: 'websocket',
    findKey,
  });
  if (!verified.ok) return verified;
  const { sub, act } = verified.value.claims;
  const isSame = sub === held.sub && JSON.stringify(act) === JSON.stringify(held.act);
  return isSame ? verified : err('renewal_refused', { detail: 'another principal or actor' });
}

/** The session's rights after the renewal: the new ticket's, within the life that no session exceeds. */
function rightsAfter(ticket: VerifiedTicket, { startedAt }: ObjectSession, now: number): Outcome<Renewed> {
  const expiresAt = Math.min(
    ticket.claims.session_expiry * 1000,
    startedAt + SESSION_ABSOLUTE_SECONDS * 1000,
  );
  return expiresAt <= now ? err('session_expired') : ok(rightsOf(ticket, expiresAt, now));
}
