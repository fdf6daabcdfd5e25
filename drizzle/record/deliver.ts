import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { insertEvent } from './audit-events.ts';
import type { RecordDatabase } from './database.ts';
import { type SessionFact, upsertSession } from './sessions.ts';

/** One thing that happened: an audit event, and what it made of a session where it touched one. */
export interface RecordFact {
  readonly event: AuditEvent;
  readonly session?: SessionFact;
}

/** Writes facts in order, all or none. Delivering one twice changes nothing. */
export async function deliver(db: RecordDatabase, facts: readonly RecordFact[]): Promise<void> {
  const [first, ...rest] = facts.flatMap(({ event, session }) => [
    insertEvent(db, event),
    ...(session === undefined ? [] : [upsertSession(db, session)]),
  ]);
  if (first !== undefined) await db.batch([first, ...rest]);
}
