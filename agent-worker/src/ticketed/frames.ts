import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import {
  CONNECT,
  covers,
  MESSAGE,
  rpcScope,
  type Scope,
  STATE_READ,
  STATE_WRITE,
} from '@agent-ticket/shared/scope.ts';
import type { Sessions } from './sessions.ts';

/** A frame's JSON object, read loosely: nothing of it has been checked. */
export interface FrameMembers {
  readonly type?: unknown;
  readonly [member: string]: unknown;
}

const isMembers = (value: unknown): value is FrameMembers => typeof value === 'object' && value !== null;

/**
 * The members of a text that is a JSON object, `undefined` for every other text. An array is an object here, with no
 * `type`, as it is to the SDK.
 */
export function frameMembers(text: string): FrameMembers | undefined {
  const value = parseJson(text);
  return isMembers(value) ? value : undefined;
}

/** The kind of an inbound frame and the scope that it needs. */
type FrameNeed =
  | {
      readonly kind: 'rpc';
      readonly scope: Scope | undefined;
      readonly id: string;
      readonly method: string;
    }
  | { readonly kind: 'renew'; readonly ticket: string }
  | { readonly kind: 'ping' }
  | {
      readonly kind: 'state' | 'resume' | 'message';
      readonly scope: Scope;
      /** Of a message that approves a call of a tool in the SDK's chat: the call. */
      readonly approves?: string;
    };

/** Frames by which the SDK's chat client asks for the rest of a stream it already follows. */
const RESUME_TYPES = new Set(['cf_agent_stream_resume_request', 'cf_agent_stream_resume_ack']);

/**
 * Reads the need of a frame. The SDK dispatches by the same members of the same JSON, so the frame is parsed as it
 * parses it, and is one of its own frames only where the SDK takes it for one: everything else reaches the agent as
 * a message, whatever `type` it claims.
 */
export function frameNeed(frame: string | ArrayBuffer): FrameNeed {
  const parsed = typeof frame === 'string' ? frameMembers(frame) : undefined;
  const { type } = parsed ?? {};
  if (type === 'rpc') {
    const { id, method, args } = parsed ?? {};
    if (typeof id === 'string' && typeof method === 'string' && Array.isArray(args)) {
      return { kind: 'rpc', scope: rpcScope(method), id, method };
    }
  }
  if (type === 'ticket.renew') {
    const { ticket } = parsed ?? {};
    return { kind: 'renew', ticket: typeof ticket === 'string' ? ticket : '' };
  }
  // Of an object whose agent has set another answer of the runtime than ours.
  if (type === 'ticket.ping') return { kind: 'ping' };
  if (type === 'cf_agent_state' && parsed !== undefined && 'state' in parsed)
    return { kind: 'state', scope: STATE_WRITE };
  if (typeof type === 'string' && RESUME_TYPES.has(type)) return { kind: 'resume', scope: CONNECT };
  const { toolCallId, approved } = parsed ?? {};
  return type === 'cf_agent_tool_approval' && typeof toolCallId === 'string' && approved !== false
    ? { kind: 'message', scope: MESSAGE, approves: toolCallId }
    : { kind: 'message', scope: MESSAGE };
}

/**
 * The answer to a frame without its scope: the SDK's own error where it has one, so that a stock client rejects the
 * call or reports the state error, else a `ticket.denied` frame; `undefined` where there is none.
 */
export function refusalFrame(need: FrameNeed): string | undefined {
  switch (need.kind) {
    case 'rpc':
      return JSON.stringify({ type: 'rpc', id: need.id, success: false, error: 'forbidden' });
    case 'renew':
    case 'ping':
      return undefined;
    case 'state':
      return JSON.stringify({ type: 'cf_agent_state_error', error: 'forbidden' });
    case 'resume':
    case 'message':
      return JSON.stringify({ type: 'ticket.denied', code: 'forbidden', scope: need.scope });
  }
}

/** Frames with the transcript of the SDK's chat, which plain HTTP answers to `agent:state:read` alone. */
const TRANSCRIPT = /"type":"cf_agent_(chat_messages|message_updated)"/;

/**
 * Sessions that a broadcast must skip: those that are over though their sockets are not closed yet, and for the
 * transcript of a chat those that may not read the state. The text of an answer in progress goes to every session, as
 * do the frames that resume it.
 */
export function skippedByBroadcast(
  message: string | ArrayBuffer | ArrayBufferView,
  sessionIds: readonly string[],
  sessions: Pick<Sessions, 'current'>,
): string[] {
  const isTranscript = typeof message === 'string' && TRANSCRIPT.test(message);
  return sessionIds.filter((id) => {
    const session = sessions.current(id);
    return !session.ok || (isTranscript && !covers(session.value.claims.scope, STATE_READ));
  });
}
