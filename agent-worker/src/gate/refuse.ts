import { closeFrameOf, type Denial, httpErrorOf } from '@agent-ticket/shared/denial.ts';
import { offersMarker, SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';

export const isUpgrade = (headers: Headers): boolean => headers.get('upgrade')?.toLowerCase() === 'websocket';

/**
 * A refusal as its caller can read it. A browser's script learns nothing from a failed handshake and retries for
 * ever, so an upgrade is answered 101 and closed with a code; only a caller that asks for JSON gets the status.
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
  return socketAnswer(request, client, requestId);
}

/** An answered upgrade, with the marker that a browser needs to see. */
export function socketAnswer(request: Request, webSocket: WebSocket | null, requestId: string): Response {
  const headers = new Headers({ 'x-request-id': requestId });
  if (offersMarker(request.headers)) headers.set('sec-websocket-protocol', SUBPROTOCOL);
  return new Response(null, { status: 101, webSocket, headers });
}

export function refuseHttp(denial: Denial, requestId: string): Response {
  const { status, code, message } = httpErrorOf(denial);
  const headers = new Headers({ 'cache-control': 'no-store', 'x-request-id': requestId });
  if (status === 401) headers.set('www-authenticate', 'Bearer realm="agents"');
  if (status === 429 || status === 503) headers.set('retry-after', String(denial.retryAfter ?? 1));
  if (denial.allow !== undefined) headers.set('allow', denial.allow.join(', '));
  return Response.json({ error: { code, message, request_id: requestId } }, { status, headers });
}
