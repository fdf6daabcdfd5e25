import { stripTicket } from '@agent-ticket/shared/handshake.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import { type Handover, isUpgrade, writeHandover } from '../handover.ts';

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
export function forward(
  request: Request,
  body: Uint8Array | null,
  ticket: VerifiedTicket,
  facts: Omit<Handover, 'claims' | 'kid'>,
): Request {
  const url = new URL(request.url);
  const headers = new Headers(request.headers);
  stripTicket(url, headers);
  for (const name of [...headers.keys()])
    if (INTERNAL_HEADER.test(name) || AMBIENT_CREDENTIAL.test(name)) headers.delete(name);
  // On a plain request an odd `Upgrade` is noise that the SDK may take for an upgrade.
  if (!isUpgrade(request.headers)) headers.delete('upgrade');
  // `_pk` is the SDK's connection id; a client's choice could shadow another's. `__agents_transport` picks a wire
  // that pins the object in memory and bypasses the frame check.
  url.searchParams.set('_pk', facts.sessionId);
  url.searchParams.delete('__agents_transport');
  // The body is whole by now, and that of a read has no meaning (RFC 9110 §9.3.1) and is dropped.
  headers.delete('content-length');
  headers.delete('transfer-encoding');
  const { method, redirect, signal } = request;
  const cf = writeHandover(request.cf, ticket, facts);
  return new Request(url, { method, redirect, signal, headers, cf, body });
}
