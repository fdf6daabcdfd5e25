import { stripTicket } from '@agent-ticket/shared/handshake.ts';

/** The members of Node's `IncomingMessage` that are read. */
export interface NodeRequest {
  readonly url?: string | undefined;
  readonly rawHeaders: readonly string[];
}

/**
 * A request of Node as the verifier takes it, or `undefined` for a request line that is no path. All headers are read: Node's
 * own `headers` hides all but the first of several `Authorization`.
 */
export function nodeRequest({
  url = '',
  rawHeaders,
}: NodeRequest): { url: string; headers: Headers } | undefined {
  const absolute = `http://node.invalid${url}`;
  if (!(url.startsWith('/') && URL.canParse(absolute))) return undefined;
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
  return { url: absolute, headers };
}

/**
 * Calls back once when a session ends; without delay where it has ended already. Returns a function that stops it, for
 * the close of the socket. A Durable Object that hibernates has no timers: use an alarm at `endsAt` there.
 *
 * @param clock Milliseconds since 1970.
 */
export function closeAtEnd(
  { endsAt }: { readonly endsAt: number },
  close: () => void,
  clock: () => number = Date.now,
): () => void {
  const timer = setTimeout(close, Math.max(0, endsAt - clock()));
  return () => clearTimeout(timer);
}

/** The request without its ticket, in whatever place the ticket is, for code behind the verifier and its logs. */
export function withoutTicket(request: Request): Request {
  const url = new URL(request.url);
  const headers = new Headers(request.headers);
  stripTicket(url, headers);
  return new Request(new Request(url, request), { headers });
}
