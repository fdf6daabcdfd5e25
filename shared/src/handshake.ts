import { err, type Outcome, ok } from './outcome.ts';

/** How a ticket rides a request. This file is the only one that knows. */

/** The marker offered before the ticket in `Sec-WebSocket-Protocol` (RFC 6455 §1.9), and the only one answered. */
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

/** Whether the 101 must name {@link SUBPROTOCOL}: a browser fails a handshake that leaves its offer unanswered. */
export const offersMarker = (headers: Headers): boolean => offered(headers).includes(SUBPROTOCOL);

/** RFC 6750 §2.1. The scheme is case-insensitive (RFC 9110 §11.1); another scheme is no delivery. */
const bearer = (headers: Headers): string | undefined =>
  /^bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];

/**
 * Takes the ticket from a WebSocket upgrade. Two deliveries are refused rather than ranked: a proxy that adds one
 * must not change who connects.
 */
export function takeFromUpgrade(url: URL, headers: Headers): Outcome<DeliveredTicket> {
  const protocols = offered(headers);
  const found: DeliveredTicket[] = [];
  if (protocols.includes(SUBPROTOCOL)) {
    for (const ticket of protocols.filter((name) => name !== SUBPROTOCOL))
      found.push({ ticket, delivery: 'subprotocol' });
  }
  for (const ticket of url.searchParams.getAll(QUERY_PARAMETER)) found.push({ ticket, delivery: 'query' });
  const token = bearer(headers);
  if (token !== undefined) found.push({ ticket: token, delivery: 'authorization' });

  const [first, ...others] = found;
  if (first === undefined) return err('ticket_missing');
  return others.length === 0 ? ok(first) : err('ticket_delivered_twice');
}

/** Takes the ticket from any other request: `Authorization` only, so that no link or form can carry one. */
export function takeFromRequest(headers: Headers): Outcome<DeliveredTicket> {
  const ticket = bearer(headers);
  return ticket === undefined ? err('ticket_missing') : ok({ ticket, delivery: 'authorization' });
}

/** Removes every place a ticket may ride in, taken or not, from URL and headers alike. */
export function stripTicket(url: URL, headers: Headers): void {
  url.searchParams.delete(QUERY_PARAMETER);
  headers.delete('authorization');
  headers.delete(PROTOCOL_HEADER);
}

/** What a client passes to open a socket, in both ways. */
export const present = (socketUrl: string, ticket: string): { url: string; protocols: [string, string] } => {
  const url = new URL(socketUrl);
  url.searchParams.set(QUERY_PARAMETER, ticket);
  return { url: url.href, protocols: [SUBPROTOCOL, ticket] };
};
