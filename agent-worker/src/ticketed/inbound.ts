import type { ObjectSession } from '@agent-ticket/drizzle/object/sessions.ts';
import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { covers } from '@agent-ticket/shared/scope.ts';
import type { Audit } from './audit.ts';
import type { Call } from './calls.ts';
import { claimsOf } from './claims.ts';
import { closeSocket } from './ends.ts';
import { frameNeed, refusalFrame } from './frames.ts';
import { type FrameQueue, frameRate, isTooLarge, REFUSED_RATE, readLimits } from './limits.ts';
import { type RenewalPorts, renew, renewalId } from './renewal.ts';
import { sendFrame } from './sdk.ts';

interface InboundPorts extends RenewalPorts {
  readonly audit: RenewalPorts['audit'] & Pick<Audit, 'denied'>;
  readonly queue: FrameQueue;
}

/** A frame that the agent may have: its session, and the call that it makes if it makes one. */
interface AllowedFrame {
  readonly session: ObjectSession;
  readonly call?: Call;
}

/**
 * Checks one inbound frame before any code of the agent or the SDK sees it. `undefined`: the agent does not get it, and
 * every answer and close has been sent. In order: session, size, rate, session again where it waited, renewal, scope.
 */
export async function checkFrame(
  sessionId: string | undefined,
  ws: WebSocket,
  frame: string | ArrayBuffer,
  ports: InboundPorts,
): Promise<AllowedFrame | undefined> {
  const { sessions, audit, rates, queue, clock } = ports;
  const refuse = (reason: DenialReason): undefined => {
    if (sessionId !== undefined) sessions.end(sessionId, reason);
    closeSocket(ws, reason);
  };
  const found = sessions.current(sessionId);
  if (!found.ok) return refuse(found.denial.reason);
  const { id } = found.value;
  const limits = readLimits(found.value.limits);
  if (isTooLarge(frame, limits.frameBytes)) return refuse('frame_too_large');
  const waitMs = rates.take(id, frameRate(limits.messagesPerSecond), clock());
  if (waitMs === undefined) return refuse('too_many_messages');
  const size = typeof frame === 'string' ? frame.length : frame.byteLength;
  if (!(await queue.pass(id, waitMs, size, Math.min(limits.frameBytes, WAITING_BYTES))))
    return refuse('too_many_messages');
  const current = sessions.current(id);
  if (!current.ok) return refuse(current.denial.reason);
  const session = current.value;
  sessions.noteFrame(session, limits.idleSeconds);

  const need = frameNeed(frame);
  const isTolerated = (): boolean => rates.allow(refusedId(id), REFUSED_RATE, clock());
  if (need.kind === 'renew') {
    const isRenewed = await renew(session, need.ticket, ws, ports);
    return isRenewed || isTolerated() ? undefined : refuse('too_many_messages');
  }
  if (need.scope !== undefined && covers(claimsOf(session).scope, need.scope))
    return need.kind === 'rpc' ? { session, call: need } : { session };
  if (!isTolerated()) return refuse('too_many_messages');
  audit.denied(session, need.kind, need.kind === 'rpc' ? need.method : undefined);
  const refusal = refusalFrame(need);
  if (refusal !== undefined) sendFrame(ws, refusal);
  return undefined;
}

/** Frames of one socket that wait, together, and no more than one of the largest size: they are held in memory, with those of all other sockets of the object. */
const WAITING_BYTES = 1024 * 1024;

const refusedId = (sessionId: string): string => `refused ${sessionId}`;

/** The ids under which the rates of a session are counted. */
export const ratesOf = (sessionId: string): string[] => [
  sessionId,
  refusedId(sessionId),
  renewalId(sessionId),
];
