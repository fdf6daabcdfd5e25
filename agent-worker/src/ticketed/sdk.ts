import { hex } from '@agent-ticket/shared/hex.ts';
import { nameRequest, requestFields } from '@agent-ticket/shared/trace-context.ts';
import type { Ticketed } from './api.ts';

/** The points at which this layer uses internals of the SDK and of the runtime. */

/** The methods by which the runtime calls an object. */
interface Entries {
  fetch(request: Request): Response | Promise<Response>;
  webSocketMessage(ws: WebSocket, frame: string | ArrayBuffer): void | Promise<void>;
  webSocketClose(ws: WebSocket, code: number, reason: string, wasClean: boolean): void | Promise<void>;
  webSocketError(ws: WebSocket, error: unknown): void | Promise<void>;
  alarm(info?: AlarmInvocationInfo): void | Promise<void>;
}

/** The entries that the class of an object has: an agent's own overrides, or those that the SDK installed. */
export function takeEntries(object: Partial<Entries>): Entries {
  const { fetch, webSocketMessage, webSocketClose, webSocketError, alarm } = object;
  if (!fetch || !webSocketMessage || !webSocketClose || !webSocketError || !alarm) {
    throw new TypeError('ticketed() takes a class of the Agents SDK');
  }
  return {
    fetch: (request) => fetch.call(object, request),
    webSocketMessage: (ws, frame) => webSocketMessage.call(object, ws, frame),
    webSocketClose: (ws, code, reason, wasClean) => webSocketClose.call(object, ws, code, reason, wasClean),
    webSocketError: (ws, error) => webSocketError.call(object, ws, error),
    alarm: (info) => alarm.call(object, info),
  };
}

/** The entries and what agent code calls, and whatever else must not be replaced. */
type Pinned = Entries & Ticketed & Readonly<Record<string, (...args: never[]) => unknown>>;

/**
 * Gives an object members that nothing replaces: they win over every class, and a class field of the same name throws
 * a `TypeError` instead of taking their place.
 */
export function pin(object: object, members: Pinned): void {
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(object, name, { value, writable: false, configurable: false, enumerable: false });
  }
}

/**
 * The agent's answer; `undefined` when it failed, which is logged without its message.
 *
 * @param requestId the gate's, where the request came from there.
 */
export async function askAgent(
  agent: Pick<Entries, 'fetch'>,
  request: Request,
  requestId?: string,
): Promise<Response | undefined> {
  const fields = () =>
    requestId === undefined ? {} : requestFields(nameRequest(request.headers, requestId));
  try {
    const answer = await agent.fetch(request);
    // The SDK answers an exception with its stack.
    if (answer.status >= 500) {
      console.error(JSON.stringify({ event: 'agent_failed', status: answer.status, ...fields() }));
      return undefined;
    }
    if (request.method !== 'HEAD') return answer;
    // Its headers are the whole answer: a body that streams would open a session for nobody.
    await answer.body?.cancel();
    return new Response(null, answer);
  } catch (error) {
    console.error(JSON.stringify({ ...failureLine(error), ...fields() }));
    return undefined;
  }
}

/** The line of an error of the agent's code, by its kind alone: its message may quote anything. */
const failureLine = (error: unknown) => ({
  event: 'agent_failed',
  error: error instanceof Error ? error.name : typeof error,
});

export const logFailure = (error: unknown): void => console.error(JSON.stringify(failureLine(error)));

/**
 * The request as the SDK gets it. When anything throws while a connection opens, the SDK sends the stack to the
 * client, but only if `Upgrade` is spelled `websocket`; spelled otherwise it answers a status, which can be held back.
 */
export function sdkRequest(request: Request): Request {
  const headers = new Headers(request.headers);
  if (headers.has('upgrade')) headers.set('upgrade', 'WebSocket');
  return new Request(request, { headers });
}

/** The SDK's connection id, its first tag on every socket, is the session id: the gate chose it. */
export const sessionIdOf = (tags: readonly string[]): string | undefined => tags[0];

/** Tags that were made, by principal: those of one come back. Dropped together when many. */
const principalTags = new Map<string, string>();
const TAGS_KEPT = 1024;

/** Finds every socket of a principal. A digest, since a tag holds 256 characters and a principal id may be longer. */
export async function principalTag(principal: string): Promise<string> {
  const known = principalTags.get(principal);
  if (known !== undefined) return known;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(principal)));
  const tag = `p:${hex(digest)}`;
  if (principalTags.size >= TAGS_KEPT) principalTags.clear();
  principalTags.set(principal, tag);
  return tag;
}

/** Sends unless the socket is closed, which may have happened during an await; then `send` would throw. */
export function sendFrame(ws: WebSocket, frame: string): void {
  if (ws.readyState === WebSocket.READY_STATE_OPEN) ws.send(frame);
}
