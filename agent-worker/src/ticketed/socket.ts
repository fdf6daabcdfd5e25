/** Where this layer touches what the SDK and the runtime know of a socket. */

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

/** Finds every socket of a principal. A digest, since a tag holds 256 characters and a principal id may be longer. */
export async function principalTag(principal: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(principal)));
  return `p:${Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** Sends unless the socket is closed, which may have happened while something was waited for; then `send` would throw. */
export function say(ws: WebSocket, frame: string): void {
  if (ws.readyState === WebSocket.READY_STATE_OPEN) ws.send(frame);
}
