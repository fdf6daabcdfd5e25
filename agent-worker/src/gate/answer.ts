import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { closeFrameOf, type Denial, httpErrorOf } from '@agent-ticket/shared/denial.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { answeredProtocol } from '@agent-ticket/shared/handshake.ts';
import { err } from '@agent-ticket/shared/outcome.ts';
import type { AgentEntry } from '@agent-ticket/shared/registry.ts';
import { isUpgrade } from '../handover.ts';
import { ROUTES } from '../routes.ts';

/** The answers of the gate: refusals, sockets, CORS, and the headers that each answer has. */

/** A year, as ASVS 3.4.1 asks. Not for hosts below this one: the app knows whether all of these have TLS. */
export const STRICT_TRANSPORT = 'max-age=31536000';

/** An answer is for its caller alone. `nosniff` and no frames: an agent may answer with text of other people. */
const SECURE_HEADERS = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/**
 * Compressed frames would be inflated before anybody looks at their size: 32 kB of them are 31 MiB. Without a value of
 * ours the runtime accepts the compression that a client offers, whatever headers the object saw. With this one, which
 * names no extension that the runtime knows, it accepts none (RFC 7692 §5.1), and sends the client no such header.
 */
const NO_EXTENSION = 'none';

/**
 * Sets the headers of every answer to `/agents/…` and `/control`, over those of the agent. Only its own
 * `Strict-Transport-Security` stays: an app knows the hosts below its own.
 */
export function secureHeaders(headers: Headers, requestId: string): Headers {
  for (const [name, value] of Object.entries(SECURE_HEADERS)) headers.set(name, value);
  if (!headers.has('strict-transport-security')) headers.set('strict-transport-security', STRICT_TRANSPORT);
  headers.set('x-request-id', requestId);
  return headers;
}

/** The headers of JSON of the gate itself, which a browser may show but not run. An agent's answer has the agent's policy. */
export function ownHeaders(requestId: string): Headers {
  const policy = "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
  return secureHeaders(new Headers({ 'content-security-policy': policy }), requestId);
}

/**
 * A refusal in the form that its caller can read. A browser's script learns nothing from a failed handshake and retries
 * for ever, so an upgrade is answered 101 and closed with a code; a caller that asks for JSON gets the HTTP status.
 */
export function refuse(request: Request, denial: Denial, requestId: string): Response {
  const wantsJson = (request.headers.get('accept') ?? '').includes('application/json');
  return isUpgrade(request.headers) && !wantsJson
    ? refuseSocket(request, denial, requestId)
    : refuseHttp(denial, requestId);
}

function refuseSocket(request: Request, denial: Denial, requestId: string): Response {
  const { code, reason } = closeFrameOf(denial);
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.close(code, reason);
  return socketAnswer(request, { webSocket: client }, requestId);
}

/** An answered upgrade: the socket of the agent's answer, or of ours, and none of its headers but the subprotocol. */
export function socketAnswer(
  request: Request,
  answer: { readonly webSocket: WebSocket | null; readonly headers?: Headers },
  requestId: string,
  cookie?: string,
): Response {
  const { webSocket, headers: chosen } = answer;
  const headers = secureHeaders(new Headers(), requestId);
  const protocol = answeredProtocol(request.headers, chosen?.get('sec-websocket-protocol') ?? null);
  if (protocol !== undefined) headers.set('sec-websocket-protocol', protocol);
  if (cookie !== undefined) headers.set('set-cookie', cookie);
  headers.set('sec-websocket-extensions', NO_EXTENSION);
  return new Response(null, { status: 101, webSocket, headers });
}

export function refuseHttp(denial: Denial, requestId: string): Response {
  const { status, code, message } = httpErrorOf(denial);
  const headers = ownHeaders(requestId);
  if (status === 401) headers.set('www-authenticate', 'Bearer realm="agents"');
  if (status === 429 || status === 503) headers.set('retry-after', String(denial.retryAfter ?? 1));
  if (denial.allow !== undefined) headers.set('allow', denial.allow.join(', '));
  return Response.json({ error: { code, message, request_id: requestId } }, { status, headers });
}

/** The log line of an error that the worker threw. */
export const faultLine = (error: unknown) => ({
  event: isOutage(error) ? 'outage' : 'bug',
  error: describeError(error),
});

/** The refusal for the same error. */
export const faultDenial = (error: unknown) =>
  isOutage(error) ? err('database_unavailable', { retryAfter: 5 }) : err('internal');

/**
 * Whether a request may come from its origin: one of the list, or the worker's own, which serves pages beside its agents.
 * Browsers name an origin on every upgrade; a client that names none is no browser and proves itself by its ticket alone.
 * The origin `null` (sandboxed frames, files) is never allowed.
 */
export const originAllowed = (request: Request, allowed: readonly string[]): boolean => {
  const origin = request.headers.get('origin');
  return origin === null || origin === new URL(request.url).origin || allowed.includes(origin);
};

/** Tickets are explicit credentials, so credentials of the browser (cookies) are never allowed. */
export function corsHeaders(
  origin: string | null,
  entry: Pick<AgentEntry, 'transport'> | undefined,
): Headers {
  const headers = new Headers({ vary: 'Origin' });
  if (origin === null) return headers;
  headers.set('access-control-allow-origin', origin);
  const exposed = ['retry-after', 'x-request-id'];
  // Headers that a client of Streamable HTTP reads (MCP 2025-03-26 and later, RFC 9728 §5).
  if (entry?.transport === 'sse') exposed.push('mcp-session-id', 'www-authenticate');
  headers.set('access-control-expose-headers', exposed.join(', '));
  return headers;
}

export function preflight(
  origin: string | null,
  requestId: string,
  entry: Pick<AgentEntry, 'transport'>,
): Response {
  const headers = secureHeaders(corsHeaders(origin, entry), requestId);
  const allowed = ROUTES.agent.methods.filter((method) => method !== 'OPTIONS');
  headers.set('access-control-allow-methods', allowed.join(', '));
  // Headers of the app and its libraries; `*` does not stand for Authorization (Fetch §3.3.4).
  headers.set('access-control-allow-headers', 'authorization, *');
  headers.set('access-control-max-age', '600');
  return new Response(null, { status: 204, headers });
}

/** An answer that a page may read where its origin is listed. */
export function withCors(
  answer: Response,
  request: Request,
  { allowedOrigins }: { readonly allowedOrigins: readonly string[] },
  entry: AgentEntry | undefined,
): Response {
  const origin = request.headers.get('origin');
  if (answer.status === 101 || !originAllowed(request, allowedOrigins)) return answer;
  for (const [name, value] of corsHeaders(origin, entry)) {
    // An agent may expose headers of its own.
    if (name === 'access-control-expose-headers') answer.headers.append(name, value);
    else answer.headers.set(name, value);
  }
  return answer;
}
