import { TRACEPARENT, traceparentOf } from '@agent-ticket/shared/trace-context.ts';
import { postByFetch } from '../webhooks/post.ts';
import type { Runtime } from './compose.ts';

/**
 * The parts of the runtime that Workers and Node have in common: those of the web platform.
 *
 * @param ask how a request gets to an agent worker; left out: over the network.
 */
export const openWeb = (
  ask: (url: URL, init: RequestInit) => Promise<Response> = (url, init) => fetch(url, init),
): Pick<Runtime, 'sendControl' | 'fetch' | 'post' | 'sleep' | 'clock' | 'randomId' | 'randomBytes'> => ({
  sendControl: (worker, token, signal, trace) =>
    ask(new URL('/control', worker.url), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        ...(trace === undefined ? {} : { [TRACEPARENT]: traceparentOf(trace) }),
      },
      redirect: 'manual',
      signal,
    }),
  // A key document that moved is no key document: the address is configuration.
  fetch: (url, init) => fetch(url, { ...init, redirect: 'manual' }),
  post: postByFetch((url, init) => fetch(url, init)),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  clock: () => Date.now(),
  randomId: () => crypto.randomUUID(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
});
