import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { asc, eq, type SQL, sql } from 'drizzle-orm';
import type { ControlDatabase } from './database.ts';
import { signingKeyEvents, signingKeys } from './schema.ts';

/** For use inside the `batch` of a change to keys: writes the event if a key as described is there then. */
export const insertKeyEvent = (db: ControlDatabase, event: AuditEvent, when: SQL) =>
  db
    .insert(signingKeyEvents)
    .select(
      db
        .select({
          eventId: sql`${event.eventId}`.as('event_id'),
          event: sql`${JSON.stringify(event)}`.as('event'),
        })
        .from(signingKeys)
        .where(when),
    )
    .onConflictDoNothing();

export function signingKeyEventQueries(db: ControlDatabase) {
  return {
    /** Events that the ledger may not have yet. There are as many as there were changes to keys since it was away. */
    async waiting(): Promise<AuditEvent[]> {
      const rows = await db.select().from(signingKeyEvents).orderBy(asc(signingKeyEvents.eventId));
      return rows.map(({ event }) => event);
    },

    /** The ledger has it. */
    async settled(eventId: string): Promise<void> {
      await db.delete(signingKeyEvents).where(eq(signingKeyEvents.eventId, eventId));
    },
  };
}
