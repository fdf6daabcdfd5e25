import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
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
