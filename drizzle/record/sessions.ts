import { and, desc, eq, sql } from 'drizzle-orm';
import type { RecordDatabase } from './database.ts';
import { agentSessions } from './schema.ts';

export type AgentSessionRow = typeof agentSessions.$inferSelect;

/** A session as its object knows it. Domain names; columns are mapped here. Times in ms. */
export interface SessionFact {
  readonly id: string;
  readonly principal: string;
  readonly agent: string;
  readonly instance: string;
  readonly role: string;
  /** Space-separated. */
  readonly scope: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly endReason: string | null;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  readonly jti: string;
  readonly kid: string;
}

/**
 * Writes what the object knows. Facts may arrive twice and out of order: an end, once written, stays, so that a
 * late "opened" never brings a session back to life. For use alone or inside a `batch`.
 */
export const upsertSession = (db: RecordDatabase, fact: SessionFact) => {
  const { principal, agent, instance, ...same } = fact;
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
        endedAt: sql`coalesce(${agentSessions.endedAt}, excluded.ended_at)`,
        endReason: sql`coalesce(${agentSessions.endReason}, excluded.end_reason)`,
      },
    });
};

export function sessionQueries(db: RecordDatabase) {
  return {
    async find(id: string): Promise<AgentSessionRow | undefined> {
      const [row] = await db.select().from(agentSessions).where(eq(agentSessions.id, id));
      return row;
    },

    /** The newest sessions of one instance. */
    ofInstance: (agent: string, instance: string, limit: number): Promise<AgentSessionRow[]> =>
      db
        .select()
        .from(agentSessions)
        .where(and(eq(agentSessions.agentSlug, agent), eq(agentSessions.instanceId, instance)))
        .orderBy(desc(agentSessions.startedAt), desc(agentSessions.id))
        .limit(limit),
  };
}
