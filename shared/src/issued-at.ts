import { TicketId } from './names.ts';
import type { TicketClaims } from './ticket.ts';

/** The time in ms, the version, and what is random in it (RFC 9562 §5.7). */
const TIMED = /^([0-9a-f]{8})-([0-9a-f]{4})-7/;

/**
 * A `jti` that says to the millisecond when its ticket was issued: `iat` has whole seconds (RFC 7519 NumericDate is kept
 * whole here), and whoever lost rights may get new ones within the same one. `uuid` is a random one, in lower case.
 */
export function ticketIdAt(ms: number, uuid: string): TicketId {
  const time = ms.toString(16).padStart(12, '0');
  return TicketId.parse(`${time.slice(0, 8)}-${time.slice(8)}-7${uuid.slice(15)}`);
}

/**
 * When a ticket was issued, in ms. By `iat`, and within that second by the `jti` where it tells; where it does not, or
 * tells of another second, the second's beginning: such a ticket counts as older than anything else in it.
 */
export function issuedAt({ iat, jti }: Pick<TicketClaims, 'iat' | 'jti'>): number {
  const [, high = '', low = ''] = TIMED.exec(jti) ?? [];
  const ms = Number.parseInt(`${high}${low}`, 16);
  return Math.floor(ms / 1000) === iat ? ms : iat * 1000;
}
