import type { changeEventQueries } from '@agent-ticket/drizzle/control/change-events.ts';
import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Ledger } from '../ledger.ts';

export interface AnnouncePorts {
  readonly changeEvents: ReturnType<typeof changeEventQueries>;
  readonly ledger: Ledger;
}

/** Brings an event that was written with its change to the ledger. It arrives once, however often this runs. */
export async function announce(event: AuditEvent, { changeEvents, ledger }: AnnouncePorts): Promise<void> {
  await ledger.settle(event.principal ?? 'broker', { event });
  await changeEvents.settled(event.eventId);
}

/** Brings every event that waits beside its change. */
export const announcer = (ports: AnnouncePorts) => async (): Promise<void> => {
  for (const event of await ports.changeEvents.waiting()) await announce(event, ports);
};
