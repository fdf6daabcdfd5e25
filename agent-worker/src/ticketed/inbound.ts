import type { ObjectSession } from '@agent-ticket/drizzle/object/sessions.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { covers } from '@agent-ticket/shared/scope.ts';
import type { Audit } from './audit.ts';
import type { Call } from './calls.ts';
import { claimsOf } from './claims.ts';
import { closeSocket } from './ends.ts';
import { frameNeed, refusalFrame } from './frames.ts';
import { type FrameRates, isTooLarge, readLimits } from './limits.ts';
import { type RenewalPorts, renew } from './renewal.ts';
import { sendFrame } from './sdk.ts';

export interface InboundPorts extends RenewalPorts {
  readonly audit: RenewalPorts['audit'] & Pick<Audit, 'denied'>;
  readonly rates: FrameRates;
}

/** A frame that the agent may have: its session, and the call that it makes if it makes one. */
export interface AllowedFrame {
  readonly session: ObjectSession;
  readonly call?: Call;
}

/**
 * Checks one inbound frame before any code of the agent or the SDK sees it. `undefined`: the agent does not get it, and
 * every answer and close has been sent. In order: session, size, rate, renewal, scope.
 */
export async function checkFrame(
  sessionId: string | undefined,
  ws: WebSocket,
  frame: string | ArrayBuffer,
  ports: InboundPorts,
): Promise<AllowedFrame | undefined> {
  const { sessions, audit, rates, clock } = ports;
  const refuse = (reason: DenialReason): undefined => {
    if (sessionId !== undefined) sessions.end(sessionId, reason);
    closeSocket(ws, reason);
  };
  const current = sessions.current(sessionId);
  if (!current.ok) return refuse(current.denial.reason);
  const session = current.value;
  const limits = readLimits(session.limits);
  if (isTooLarge(frame, limits.frameBytes)) return refuse('frame_too_large');
  if (!rates.allow(session.id, limits.messagesPerSecond, clock())) return refuse('too_many_messages');
  sessions.noteFrame(session, limits.idleSeconds);

  const need = frameNeed(frame);
  if (need.kind === 'renew') {
    await renew(session, need.ticket, ws, ports);
    return undefined;
  }
  if (need.scope !== undefined && covers(claimsOf(session).scope, need.scope))
    return need.kind === 'rpc' ? { session, call: need } : { session };
  audit.denied(
    session,
    need.kind === 'rpc' ? { frame: need.kind, method: need.method } : { frame: need.kind },
  );
  const refusal = refusalFrame(need);
  if (refusal !== undefined) sendFrame(ws, refusal);
  return undefined;
}
