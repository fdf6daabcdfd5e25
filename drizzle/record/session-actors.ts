import { eq } from 'drizzle-orm';
import type { RecordDatabase } from './database.ts';
import { sessionActors } from './schema.ts';

/** Writes who is in a session beside its principal, one row each however often it is delivered. For use inside the `batch` that writes it. */
export const insertActors = (db: RecordDatabase, sessionId: string, actors: readonly string[]) =>
  db
    .insert(sessionActors)
    .values(actors.map((actorId) => ({ sessionId, actorId })))
    .onConflictDoNothing();

/** The sessions in which somebody is beside somebody else. */
export const sessionsActedIn = (db: RecordDatabase, actor: string) =>
  db.select({ id: sessionActors.sessionId }).from(sessionActors).where(eq(sessionActors.actorId, actor));
