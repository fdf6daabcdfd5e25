import { QUERY_PARAMETER, SUBPROTOCOL } from '../src/handshake.ts';
import { TicketRefused, TicketUnavailable } from './errors.ts';

/** How a stock client is given a ticket, in both ways. */
export interface HandOut {
  protocols(): Promise<string[]>;
  query(): Promise<Record<string, string>>;
}

/**
 * A stock client asks again whatever it is told, so a refusal is no rejection: it gets no ticket, and a socket without
 * one closes for good.
 */
export function handOut(take: () => Promise<string>): HandOut {
  /** The one ticket, or none. `patient`: waits rather than reject. */
  async function oneOrNone(patient: boolean): Promise<string[]> {
    for (;;) {
      try {
        return [await take()];
      } catch (error) {
        if (error instanceof TicketRefused) return [];
        if (!(patient && error instanceof TicketUnavailable)) throw error;
      }
    }
  }

  return {
    protocols: async () => [SUBPROTOCOL, ...(await oneOrNone(false))],
    // A rejection would take the component down with its page.
    query: async () => Object.fromEntries((await oneOrNone(true)).map((ticket) => [QUERY_PARAMETER, ticket])),
  };
}
