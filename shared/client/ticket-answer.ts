import type { TICKET_MAX_BYTES, TICKET_TTL_SECONDS } from '../src/limits.ts';

/** What the broker answers, as far as a client uses it. */
export interface TicketAnswer {
  readonly ticket: string;
  /** Seconds from the moment it was asked for. The only time that counts: the broker's clock is not ours. */
  readonly expiresIn: number;
  /** With the ticket in its query. */
  readonly url: string;
}

// Imported as values they would bring the arithmetic of their neighbours along; so the types hold them in step.
const MAX_CHARS: typeof TICKET_MAX_BYTES = 2048;
const MAX_SECONDS: (typeof TICKET_TTL_SECONDS)['max'] = 300;
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const SOCKET_URL = /^wss?:\/\/\S+$/;

/**
 * Reads the answer to `POST /tickets`. Strict in what is used, indifferent to members that a later broker adds;
 * `undefined` for what is no ticket for this place, such as the page of a proxy. Does NOT verify the ticket: that is
 * for whom it is meant.
 */
export function readTicketAnswer(text: string, agent: string, instance: string): TicketAnswer | undefined {
  const { ticket, expires_in: expiresIn, url, ...place } = membersOf(text);
  return typeof ticket === 'string' &&
    ticket.length <= MAX_CHARS &&
    COMPACT.test(ticket) &&
    typeof expiresIn === 'number' &&
    expiresIn % 1 === 0 &&
    expiresIn > 0 &&
    expiresIn <= MAX_SECONDS &&
    typeof url === 'string' &&
    SOCKET_URL.test(url) &&
    place.agent === agent &&
    place.instance === instance
    ? { ticket, expiresIn, url }
    : undefined;
}

/** Members of a JSON object; none for anything else. */
export function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return {};
  }
}

/** Whatever it is, as something that may have members. */
export const recordOf = (value: unknown): Readonly<Record<string, unknown>> => Object(value);
