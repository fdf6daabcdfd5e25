import type { changeEventQueries } from '@agent-ticket/drizzle/control/change-events.ts';
import { isBadValue } from '@agent-ticket/drizzle/outage.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Ledger } from '../mint/ledger.ts';

export interface AnnouncePorts {
  readonly changeEvents: ReturnType<typeof changeEventQueries>;
  readonly ledger: Ledger;
}

/** Brings an event that was written with its change to the ledger. It arrives once, however often this runs. */
export async function announce(event: AuditEvent, { changeEvents, ledger }: AnnouncePorts): Promise<void> {
  await ledger.settle(event.principal ?? 'broker', { event });
  await changeEvents.settled(event.eventId);
}

/** Brings every event that waits beside its change. One that can never arrive stays, is logged and holds up no other. */
export const announcer =
  ({ log, ...ports }: AnnouncePorts & { readonly log: (event: Readonly<Record<string, unknown>>) => void }) =>
  async (): Promise<void> => {
    const unreadable = (id: string): void => log({ event: 'change_event_unreadable', id });
    for (const event of await ports.changeEvents.waiting(unreadable)) {
      try {
        await announce(event, ports);
      } catch (error) {
        if (!isBadValue(error)) throw error;
        unreadable(event.eventId);
      }
    }
  };
