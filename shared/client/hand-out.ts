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
  let asked: Promise<Record<string, string>> | undefined;

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

  async function forQuery(): Promise<Record<string, string>> {
    // A rejection would take the component down with its page.
    const [ticket] = await oneOrNone(true);
    return ticket ? { [QUERY_PARAMETER]: ticket } : {};
  }

  return {
    protocols: async () => [SUBPROTOCOL, ...(await oneOrNone(false))],
    // The hook asks again with each close that it hears of, and forgets what it asked before.
    query: () =>
      (asked ??= forQuery().finally(() => {
        asked = undefined;
      })),
  };
}
