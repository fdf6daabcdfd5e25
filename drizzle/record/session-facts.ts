import type { Role } from '@agent-ticket/shared/names.ts';
import { sql } from 'drizzle-orm';
import type { RecordDatabase } from './database.ts';
import { agentSessions } from './schema.ts';
import { insertActors } from './session-actors.ts';

/** A session as its object knows it. Domain names; columns are mapped here. Times in ms. */
export interface SessionFact {
  readonly id: string;
  readonly principal: string;
  readonly agent: string;
  readonly instance: string;
  readonly role: Role;
  /** Space-separated. */
  readonly scope: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly endReason: string | null;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  readonly jti: string;
  readonly kid: string;
  /** When that ticket was issued. */
  readonly issuedAt: number;
  /** Everyone beside the principal: who acts for it, and the OAuth client as `client:<id>`; left out: nobody. */
  readonly actors?: readonly string[] | undefined;
}

/**
 * Writes what the object knows. Facts may arrive twice and out of order: an end, once written, stays, so that a
 * late "opened" never brings a session back to life. For use alone or inside a `batch`.
 */
export const upsertSession = (db: RecordDatabase, fact: SessionFact) => {
  const { principal, agent, instance, actors: _, ...same } = fact;
  return db
    .insert(agentSessions)
    .values({ ...same, userId: principal, agentSlug: agent, instanceId: instance })
    .onConflictDoUpdate({
      target: agentSessions.id,
      set: {
        role: sql`excluded.role`,
        scope: sql`excluded.scope`,
        jti: sql`excluded.jti`,
        kid: sql`excluded.kid`,
        issuedAt: sql`excluded.issued_at`,
        endedAt: sql`coalesce(${agentSessions.endedAt}, excluded.ended_at)`,
        endReason: sql`coalesce(${agentSessions.endReason}, excluded.end_reason)`,
      },
    });
};

/** {@link upsertSession} and who acts in it, for use inside a `batch`. */
export const writeSession = (db: RecordDatabase, fact: SessionFact) => [
  upsertSession(db, fact),
  ...(fact.actors === undefined || fact.actors.length === 0 ? [] : [insertActors(db, fact.id, fact.actors)]),
];
