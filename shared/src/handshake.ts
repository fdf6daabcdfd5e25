import { err, type Outcome, ok } from './outcome.ts';
import { redact } from './redact.ts';

/** The delivery of a ticket in a request. No other file reads or writes it. */

/** The marker offered before the ticket in `Sec-WebSocket-Protocol` (RFC 6455 §1.9). */
export const SUBPROTOCOL = 'agent-ticket.v1';
export const QUERY_PARAMETER = 'ticket';

export const DELIVERIES = ['subprotocol', 'query', 'authorization'] as const;
export type Delivery = (typeof DELIVERIES)[number];

interface DeliveredTicket {
  readonly ticket: string;
  readonly delivery: Delivery;
}

const PROTOCOL_HEADER = 'sec-websocket-protocol';

/** Subprotocols offered by the client, in order. */
const offered = (headers: Headers): string[] =>
  (headers.get(PROTOCOL_HEADER) ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** Every ticket begins like this: base64url of `{"`. */
const looksLikeTicket = (name: string): boolean => name.startsWith('eyJ');

/** The subprotocols that carry a ticket: those that look like one, otherwise the one beside the marker. */
function ticketsIn(names: readonly string[]): string[] {
  if (!names.includes(SUBPROTOCOL)) return [];
  const others = names.filter((name) => name !== SUBPROTOCOL);
  const alike = others.filter(looksLikeTicket);
  if (alike.length > 0) return alike;
  const behind = names.slice(names.indexOf(SUBPROTOCOL)).find((name) => name !== SUBPROTOCOL);
  return behind === undefined ? others.slice(0, 1) : [behind];
}

/**
 * The app's own subprotocols of an offer, in order, without those that are or look like a credential. Empty for an
 * offer without the marker, which is not meant for this gate.
 */
function ownProtocols(headers: Headers): string[] {
  const names = offered(headers);
  if (!names.includes(SUBPROTOCOL)) return [];
  const tickets = [SUBPROTOCOL, ...ticketsIn(names)];
  return names.filter((name) => !tickets.includes(name) && !looksLikeTicket(name) && redact(name) === name);
}

/**
 * The subprotocol of a 101: the agent's choice among the offered ones, otherwise the app's own, otherwise the marker.
 * Never the ticket. A browser aborts a handshake without an answer to its offer.
 *
 * @param chosen what the agent's answer names.
 */
export function answeredProtocol(headers: Headers, chosen: string | null): string | undefined {
  const own = ownProtocols(headers);
  const isMarked = offered(headers).includes(SUBPROTOCOL);
  return own.find((name) => name === chosen) ?? own[0] ?? (isMarked ? SUBPROTOCOL : undefined);
}

/** RFC 6750 §2.1. The scheme is case-insensitive (RFC 9110 §11.1); another scheme is no delivery. */
const bearer = (headers: Headers): string | undefined =>
  /^bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];

/**
 * Reads the ticket of a WebSocket upgrade. An upgrade with two deliveries is refused, without a preference for one of
 * them: a proxy that adds a delivery must not change the principal.
 */
export function takeFromUpgrade(url: URL, headers: Headers): Outcome<DeliveredTicket> {
  const found: DeliveredTicket[] = [];
  for (const ticket of ticketsIn(offered(headers))) found.push({ ticket, delivery: 'subprotocol' });
  for (const ticket of url.searchParams.getAll(QUERY_PARAMETER)) found.push({ ticket, delivery: 'query' });
  const token = bearer(headers);
  if (token !== undefined) found.push({ ticket: token, delivery: 'authorization' });

  const [first, ...others] = found;
  if (first === undefined) return err('ticket_missing');
  return others.length === 0 ? ok(first) : err('ticket_delivered_twice');
}

/** Reads the ticket of any other request, from `Authorization` only: no link or form can send that header. */
export function takeFromRequest(headers: Headers): Outcome<DeliveredTicket> {
  const ticket = bearer(headers);
  return ticket === undefined ? err('ticket_missing') : ok({ ticket, delivery: 'authorization' });
}

/** Every text in a request that stands where a ticket may be, of any form. */
export const ticketTexts = (url: URL, headers: Headers): string[] => [
  ...ticketsIn(offered(headers)),
  ...url.searchParams.getAll(QUERY_PARAMETER),
  ...[bearer(headers)].filter((token) => token !== undefined),
];

/** Removes tickets from every part of the request that may carry one. Only the app's own subprotocols remain. */
export function stripTicket(url: URL, headers: Headers): void {
  const own = ownProtocols(headers);
  url.searchParams.delete(QUERY_PARAMETER);
  headers.delete('authorization');
  headers.delete(PROTOCOL_HEADER);
  if (own.length > 0) headers.set(PROTOCOL_HEADER, own.join(', '));
}

/** The client's options for opening a socket, for both deliveries. */
export const present = (socketUrl: string, ticket: string): { url: string; protocols: [string, string] } => {
  const url = new URL(socketUrl);
  url.searchParams.set(QUERY_PARAMETER, ticket);
  return { url: url.href, protocols: [SUBPROTOCOL, ticket] };
};
