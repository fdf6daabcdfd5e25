import type { DenialReason } from '@agent-ticket/shared/denial.ts';
import { PING, PONG } from '@agent-ticket/shared/heartbeat.ts';
import { covers } from '@agent-ticket/shared/scope.ts';
import type { Audit } from './audit.ts';
import type { Call } from './calls.ts';
import { closeSocket } from './ends.ts';
import { frameNeed, refusalFrame } from './frames.ts';
import { type FrameQueue, frameRate, isTooLarge, REFUSED_RATE } from './limits.ts';
import { type RenewalPorts, renew, renewalId } from './renewal.ts';
import { sendFrame } from './sdk.ts';
import type { LiveSession } from './sessions.ts';

interface InboundPorts extends RenewalPorts {
  readonly audit: RenewalPorts['audit'] & Pick<Audit, 'denied'>;
  readonly queue: FrameQueue;
}

/** A frame that the agent may have: its session, and the call that it makes or approves if it does. */
export interface AllowedFrame {
  readonly sessionId: string;
  readonly call?: Call;
  /** The call of a tool that it approves. */
  readonly approves?: string | undefined;
}

/**
 * Checks one inbound frame before any code of the agent or the SDK sees it. `undefined`: the agent does not get it, and
 * every answer and close has been sent. In order: session, size, rate, session again where it waited, ping, renewal, scope.
 *
 * A promise only where the frame waits for its time or renews: between the check of any other frame and the agent no other
 * event comes, and a frame of a session that is known reads no row.
 */
export function checkFrame(
  sessionId: string | undefined,
  ws: WebSocket,
  frame: string | ArrayBuffer,
  ports: InboundPorts,
): AllowedFrame | undefined | Promise<AllowedFrame | undefined> {
  const { sessions, audit, rates, queue, clock } = ports;
  const refuse = (reason: DenialReason): undefined => {
    if (sessionId !== undefined) sessions.end(sessionId, reason);
    closeSocket(ws, reason);
  };
  const found = sessions.current(sessionId);
  if (!found.ok) return refuse(found.denial.reason);
  const { id, limits } = found.value;
  if (isTooLarge(frame, limits.frameBytes)) return refuse('frame_too_large');
  const waitMs = rates.take(id, frameRate(limits.messagesPerSecond), clock());
  if (waitMs === undefined) return refuse('too_many_messages');
  if (waitMs === 0 && !queue.isWaiting(id)) return checkNeed(found.value);
  const size = typeof frame === 'string' ? frame.length : frame.byteLength;
  return queue.pass(id, waitMs, size, Math.min(limits.frameBytes, WAITING_BYTES)).then((isPassed) => {
    if (!isPassed) return refuse('too_many_messages');
    const current = sessions.current(id);
    return current.ok ? checkNeed(current.value) : refuse(current.denial.reason);
  });

  function checkNeed(session: LiveSession): AllowedFrame | undefined | Promise<undefined> {
    const need = frameNeed(frame);
    if (need.kind === 'ping') {
      // A ping does not count as use, nor does one that the runtime answers: an idle session still ends.
      sendFrame(ws, PONG);
      return undefined;
    }
    sessions.noteFrame(session);
    const isTolerated = (): boolean => rates.allow(refusedId(id), REFUSED_RATE, clock());
    if (need.kind === 'renew')
      return renew(id, need.ticket, ws, ports).then((isRenewed) =>
        isRenewed || isTolerated() ? undefined : refuse('too_many_messages'),
      );
    if (need.scope !== undefined && covers(session.claims.scope, need.scope))
      return need.kind === 'rpc' ? { sessionId: id, call: need } : { sessionId: id, approves: need.approves };
    if (!isTolerated()) return refuse('too_many_messages');
    audit.denied(id, need.kind, need.kind === 'rpc' ? need.method : undefined);
    const refusal = refusalFrame(need);
    if (refusal !== undefined) sendFrame(ws, refusal);
    return undefined;
  }
}

/**
 * Frames of one socket that wait, together, and no more than one of the largest size: they are held in memory, with those
 * of all other sockets of the object.
 */
const WAITING_BYTES = 1024 * 1024;

const refusedId = (sessionId: string): string => `refused ${sessionId}`;

/** The ids under which the rates of a session are counted. */
export const ratesOf = (sessionId: string): string[] => [
  sessionId,
  refusedId(sessionId),
  renewalId(sessionId),
];

/**
 * Makes the runtime answer pings, so that they wake no object. An answer that a base class has set stays; then a ping
 * reaches the object as a frame.
 */
export function answerPings(ctx: DurableObjectState): void {
  if (ctx.getWebSocketAutoResponse() === null)
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
}
