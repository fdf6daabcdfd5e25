import { CLOSED } from './ports.ts';

/** A close as a stock client reads it. Node before 23 has no `CloseEvent`; there the members are enough. */
export function closeEvent(code: number, reason = ''): Event {
  const facts = { code, reason, wasClean: true };
  return typeof CloseEvent === 'undefined'
    ? Object.assign(new Event('close'), facts)
    : new CloseEvent('close', facts);
}

/** Stands in for a socket that must not open: closes at once. Nothing goes over the network. */
export function closedSocket(code: number, reason?: string): object {
  const socket = Object.assign(new EventTarget(), { readyState: CLOSED });
  // After the caller has put its listeners on.
  queueMicrotask(() => socket.dispatchEvent(closeEvent(code, reason)));
  return socket;
}
