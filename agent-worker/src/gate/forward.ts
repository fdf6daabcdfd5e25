import { stripTicket } from '@agent-ticket/shared/handshake.ts';
import { TRACEPARENT, type Trace, traceparentOf } from '@agent-ticket/shared/trace-context.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { TOKEN_PARAMETER } from '../callback-token.ts';
import {
  type Handover,
  isUpgrade,
  type TicketlessCall,
  writeHandover,
  writeTicketless,
} from '../handover.ts';

/** Headers by which the SDK's own parts talk to each other; a client's copy would be believed. */
const INTERNAL_HEADER = /^(x-agents-|x-cf-agents-|x-partykit-|cf-mcp-|x-agent-ticket-)/;

/** Credentials for others that a browser or the edge adds by itself: not for the agent. */
const AMBIENT_CREDENTIAL = /^(cookie|cf-access-.*)$/;

/**
 * The request as the destination object gets it: no ticket anywhere, no internal header of a client's making, the
 * connection id ours, and the verified claims beside it.
 *
 * @param body what the agent gets of the request's body.
 */
export const forward = (
  request: Request,
  trace: Trace,
  body: Uint8Array | null,
  ticket: VerifiedTicket,
  facts: Omit<Handover, 'claims' | 'kid'>,
): Request => strip(request, trace, body, writeHandover(request.cf, ticket, facts), facts.sessionId);

/** The same for a request without a ticket: the agent does not get the token of a callback either. */
export const forwardTicketless = (
  request: Request,
  trace: Trace,
  body: Uint8Array | null,
  call: TicketlessCall,
): Request => strip(request, trace, body, writeTicketless(request.cf, call));

function strip(
  request: Request,
  trace: Trace,
  body: Uint8Array | null,
  cf: Record<string, unknown>,
  sessionId?: string,
): Request {
  const url = new URL(request.url);
  const headers = new Headers(request.headers);
  stripTicket(url, headers);
  for (const name of [...headers.keys()])
    if (INTERNAL_HEADER.test(name) || AMBIENT_CREDENTIAL.test(name)) headers.delete(name);
  headers.set(TRACEPARENT, traceparentOf(trace));
  // What others keep of a trace means nothing in a trace that begins here (§3.5 of the standard).
  if (trace.parentId === undefined) headers.delete('tracestate');
  // On a plain request an odd `Upgrade` is noise that the SDK may take for an upgrade.
  if (!isUpgrade(request.headers)) headers.delete('upgrade');
  // `_pk` is the SDK's connection id; a client's choice could shadow another's. `__agents_transport` picks a wire
  // that pins the object in memory and bypasses the frame check.
  if (sessionId === undefined) url.searchParams.delete('_pk');
  else url.searchParams.set('_pk', sessionId);
  url.searchParams.delete('__agents_transport');
  url.searchParams.delete(TOKEN_PARAMETER);
  // The body is whole by now, and that of a read has no meaning (RFC 9110 §9.3.1) and is dropped.
  headers.delete('content-length');
  headers.delete('transfer-encoding');
  const { method, signal } = request;
  // A redirect by the agent is for the client. If the gate followed it, it would ask the object again.
  return new Request(url, { method, redirect: 'manual', signal, headers, cf, body });
}
