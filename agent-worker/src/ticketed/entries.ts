/** The ways in which the runtime calls an object. */
export interface Entries {
  fetch(request: Request): Response | Promise<Response>;
  webSocketMessage(ws: WebSocket, frame: string | ArrayBuffer): void | Promise<void>;
  webSocketClose(ws: WebSocket, code: number, reason: string, wasClean: boolean): void | Promise<void>;
  webSocketError(ws: WebSocket, error: unknown): void | Promise<void>;
}

/** What the class of an object does at its entries: an agent's own override, or what the SDK installed. */
export function takeEntries(object: Partial<Entries>): Entries {
  const { fetch, webSocketMessage, webSocketClose, webSocketError } = object;
  if (!fetch || !webSocketMessage || !webSocketClose || !webSocketError) {
    throw new TypeError('ticketed() takes a class of the Agents SDK');
  }
  return {
    fetch: (request) => fetch.call(object, request),
    webSocketMessage: (ws, frame) => webSocketMessage.call(object, ws, frame),
    webSocketClose: (ws, code, reason, wasClean) => webSocketClose.call(object, ws, code, reason, wasClean),
    webSocketError: (ws, error) => webSocketError.call(object, ws, error),
  };
}

/**
 * Gives an object members that nothing replaces: they win over every class, and a class field of the same name throws
 * a `TypeError` instead of taking their place.
 */
export function pin(object: object, members: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(object, name, { value, writable: false, configurable: false, enumerable: false });
  }
}
