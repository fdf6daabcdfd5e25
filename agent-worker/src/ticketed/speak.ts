import type { ObjectSession } from '@agent-ticket/drizzle/object/sessions.ts';
import { DENIALS, type Denial } from '@agent-ticket/shared/denial.ts';
import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import { covers, formatScope, STATE_READ } from '@agent-ticket/shared/scope.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { Verifier } from '../verifier.ts';
import type { Call } from './calls.ts';
import { frameNeed, refusalFrame } from './frames.ts';
import type { Keeper } from './keeper.ts';
import { keptText } from './kept-text.ts';
import { type createFrameRates, isTooLarge, readLimits } from './limits.ts';
import { renewalFrames, renewedBy, verifyRenewal } from './renewal.ts';
import { claimsOf } from './session.ts';
import { say } from './socket.ts';

export interface SpeakPorts {
  readonly keeper: Keeper;
  readonly rates: ReturnType<typeof createFrameRates>;
  readonly verifier: () => Verifier;
  /** Whether nothing stands against a ticket in the record database, while that answers. */
  readonly stands: (ticket: VerifiedTicket) => Promise<Outcome<undefined>>;
  readonly clock: () => number;
  /** What is next due may have moved. */
  readonly onPlanned: () => Promise<unknown>;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** A frame that may pass: whose it is, and which call it makes if it makes one. */
export interface Passing {
  readonly session: ObjectSession;
  readonly call?: Call;
}

/**
 * Judges one inbound frame before any code of the agent or the SDK sees it. `undefined`: it does not pass, and all that
 * there is to say or to close has been done. In order: session, size, rate, renewal, scope.
 */
export async function mayPass(
  sessionId: string | undefined,
  ws: WebSocket,
  frame: string | ArrayBuffer,
  ports: SpeakPorts,
): Promise<Passing | undefined> {
  const { keeper, rates, clock } = ports;
  const current = keeper.current(sessionId);
  if (!current.ok) return turnAway(sessionId, ws, current.denial, keeper);
  const session = current.value;
  const limits = readLimits(session.limits);
  if (isTooLarge(frame, limits.frameBytes))
    return turnAway(session.id, ws, { reason: 'frame_too_large' }, keeper);
  if (!rates.admits(session.id, limits.messagesPerSecond, clock())) {
    return turnAway(session.id, ws, { reason: 'too_many_messages' }, keeper);
  }
  keeper.heard(session, limits.idleSeconds);

  const need = frameNeed(frame);
  if (need.kind === 'renew') {
    await renew(session, need.ticket, ws, ports);
    return undefined;
  }
  if (need.scope !== undefined && covers(claimsOf(session).scope, need.scope))
    return need.kind === 'rpc' ? { session, call: need } : { session };
  const details =
    need.kind === 'rpc' ? { frame: need.kind, method: keptText(need.method) } : { frame: need.kind };
  keeper.denied(session, details);
  const refusal = refusalFrame(need);
  if (refusal !== undefined) say(ws, refusal);
  return undefined;
}

function turnAway(
  sessionId: string | undefined,
  ws: WebSocket,
  { reason }: Denial,
  keeper: Keeper,
): undefined {
  if (sessionId !== undefined) keeper.end(sessionId, reason);
  keeper.close(ws, reason);
}

/**
 * Renewal in band. The session is read again after the keys and the record were asked: whoever ended it meanwhile wins.
 * A ticket that counts no more ends the session, which is of the same person and place.
 */
async function renew(
  session: ObjectSession,
  ticket: string,
  ws: WebSocket,
  ports: SpeakPorts,
): Promise<void> {
  const { keeper, clock } = ports;
  const refuse = ({ reason, detail }: Denial): void => {
    ports.log({ event: 'renewal_refused', reason, detail, session: session.id });
    keeper.renewalRefused(session.id, reason);
    say(ws, renewalFrames.refused(DENIALS[reason].close));
  };
  const verified = await verifyRenewal(ticket, session, ports.verifier(), clock());
  if (!verified.ok) return refuse(verified.denial);
  const stands = await ports.stands(verified.value);

  const still = keeper.current(session.id);
  if (!still.ok) {
    refuse(still.denial);
    return turnAway(session.id, ws, still.denial, keeper);
  }
  if (!stands.ok) {
    refuse(stands.denial);
    return turnAway(session.id, ws, stands.denial, keeper);
  }
  const rights = renewedBy(verified.value, still.value, clock());
  if (!rights.ok) return refuse(rights.denial);
  if (keeper.isLocked(verified.value)) return refuse({ reason: 'locked' });
  if (!keeper.burnFor(still.value, verified.value)) {
    await ports.onPlanned();
    return refuse({ reason: 'ticket_used' });
  }
  const renewed = keeper.renew(session.id, rights.value);
  if (renewed === undefined) return refuse({ reason: 'session_terminated' });

  const { scope } = verified.value.claims;
  say(ws, renewalFrames.renewed(formatScope(scope), renewed.expiresAt));
  // The SDK decided at accept that this connection is told the state; it cannot be told otherwise now.
  if (covers(claimsOf(session).scope, STATE_READ) && !covers(scope, STATE_READ))
    keeper.refuse(session.id, 'rights_changed');
  await ports.onPlanned();
}
