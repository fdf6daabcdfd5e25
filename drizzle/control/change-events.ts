import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { asc, count, eq, type SQL, sql } from 'drizzle-orm';
import { parseStored } from '../stored-json.ts';
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
    /**
     * Events that the ledger may not have yet. There are as many as there were such changes since it was away. A row
     * that holds none is passed over and named.
     */
    async waiting(onUnreadable: (eventId: string) => void = () => {}): Promise<AuditEvent[]> {
      const { eventId, event } = changeEvents;
      // Read as text: one row that is no JSON must not hold up the others.
      const rows = await db
        .select({ eventId, text: sql<string>`${event}` })
        .from(changeEvents)
        .orderBy(asc(eventId));
      return rows.flatMap((row) => {
        const read = parseStored(row.text);
        if (isEvent(read) && read.eventId === row.eventId) return [read];
        onUnreadable(row.eventId);
        return [];
      });
    },

    /** How many rows there are, whatever they hold. */
    async count(): Promise<number> {
      const [row] = await db.select({ rows: count() }).from(changeEvents);
      return row?.rows ?? 0;
    },

    /** The ledger has it. */
    async settled(eventId: string): Promise<void> {
      await db.delete(changeEvents).where(eq(changeEvents.eventId, eventId));
    },
  };
}

/** Whether it is an event at all; what its members say the record database checks. */
const isEvent = (value: unknown): value is AuditEvent =>
  typeof value === 'object' && value !== null && 'eventId' in value && 'type' in value && 'at' in value;
