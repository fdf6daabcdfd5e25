import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { asc, eq, type SQL, sql } from 'drizzle-orm';
import type { ControlDatabase } from './database.ts';
import { changeEvents, type grants, type signingKeys } from './schema.ts';

/** For use inside the `batch` of a change: writes the event if a row as described is there then. */
export const insertChangeEvent = (
  db: ControlDatabase,
  event: AuditEvent,
  changed: typeof grants | typeof signingKeys,
  when: SQL,
) =>
  db
    .insert(changeEvents)
    .select(
      db
        .select({
          eventId: sql`${event.eventId}`.as('event_id'),
          event: sql`${JSON.stringify(event)}`.as('event'),
        })
        .from(changed)
        .where(when),
    )
    .onConflictDoNothing();

export function changeEventQueries(db: ControlDatabase) {
  return {
    /** Events that the ledger may not have yet. There are as many as there were such changes since it was away. */
    async waiting(): Promise<AuditEvent[]> {
      const rows = await db.select().from(changeEvents).orderBy(asc(changeEvents.eventId));
      return rows.map(({ event }) => event);
    },

    /** The ledger has it. */
    async settled(eventId: string): Promise<void> {
      await db.delete(changeEvents).where(eq(changeEvents.eventId, eventId));
    },
  };
}
