import type { signingKeyEventQueries } from '@agent-ticket/drizzle/control/signing-key-events.ts';
import type { Ledger } from '../ledger.ts';

/** Brings the events that wait beside the keys to the ledger. Each arrives once, however often this runs. */
export const announcer =
  (events: ReturnType<typeof signingKeyEventQueries>, ledger: Ledger) => async (): Promise<void> => {
    for (const event of await events.waiting()) {
      await ledger.settle('keys', { event });
      await events.settled(event.eventId);
    }
  };
