import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { getTableColumns, type SQL, sql } from 'drizzle-orm';
import type { RecordDatabase } from './database.ts';
import { auditEvents } from './schema.ts';

export type AuditEventRow = typeof auditEvents.$inferSelect;

/** Domain names to column names: the one place where they meet. */
const toRow = (event: AuditEvent): typeof auditEvents.$inferInsert => {
  const { principal, agent, instance, ...same } = event;
  return { ...same, userId: principal, agentSlug: agent, instanceId: instance };
};

/** One insert per event id, however often it is delivered. For use alone or inside a `batch`. */
export const insertEvent = (db: RecordDatabase, event: AuditEvent) =>
  db.insert(auditEvents).values(toRow(event)).onConflictDoNothing({ target: auditEvents.eventId });

/** {@link insertEvent} if `when` holds at that point of the `batch`. */
export function insertEventWhen(db: RecordDatabase, event: AuditEvent, when: SQL) {
  const said = new Map<string, unknown>(Object.entries(toRow(event)));
  const values = Object.entries(getTableColumns(auditEvents)).map(([name, column]) => {
    const value = said.get(name);
    return value === undefined ? sql`NULL` : sql.param(value, column);
  });
  return db
    .insert(auditEvents)
    .select(sql`SELECT ${sql.join(values, sql`, `)} WHERE ${when}`)
    .onConflictDoNothing({ target: auditEvents.eventId });
}
