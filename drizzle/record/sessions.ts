import { and, asc, desc, eq, gte, inArray, isNotNull, isNull, lt, lte, sql } from 'drizzle-orm';
import type { RecordDatabase } from './database.ts';
import { agentSessions, sessionActors } from './schema.ts';

export type AgentSessionRow = typeof agentSessions.$inferSelect;

export interface SessionFilter {
  readonly principal?: string | undefined;
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  /** `true`: not ended; `false`: ended. */
  readonly active?: boolean | undefined;
}

/** A place in the order newest first. */
export interface SessionPlace {
  readonly startedAt: number;
  readonly id: string;
}

export function sessionQueries(db: RecordDatabase) {
  return {
    async find(id: string): Promise<AgentSessionRow | undefined> {
      const [row] = await db.select().from(agentSessions).where(eq(agentSessions.id, id));
      return row;
    },

    /** Sessions without an end that started between two times, both included, in ms; oldest first. */
    listOpen: (from: number, until: number, limit: number): Promise<AgentSessionRow[]> =>
      db
        .select()
        .from(agentSessions)
        .where(
          and(
            isNull(agentSessions.endedAt),
            gte(agentSessions.startedAt, from),
            lte(agentSessions.startedAt, until),
          ),
        )
        .orderBy(agentSessions.startedAt, agentSessions.id)
        .limit(limit),

    /** Sessions by filter, newest first, after a place in that order. */
    list: (
      filter: SessionFilter,
      after: SessionPlace | undefined,
      limit: number,
    ): Promise<AgentSessionRow[]> =>
      db
        .select()
        .from(agentSessions)
        .where(
          and(
            filter.principal === undefined ? undefined : eq(agentSessions.userId, filter.principal),
            filter.agent === undefined ? undefined : eq(agentSessions.agentSlug, filter.agent),
            filter.instance === undefined ? undefined : eq(agentSessions.instanceId, filter.instance),
            filter.active === undefined
              ? undefined
              : filter.active
                ? isNull(agentSessions.endedAt)
                : isNotNull(agentSessions.endedAt),
            after === undefined
              ? undefined
              : sql`(${agentSessions.startedAt}, ${agentSessions.id}) < (${after.startedAt}, ${after.id})`,
          ),
        )
        .orderBy(desc(agentSessions.startedAt), desc(agentSessions.id))
        .limit(limit),

    /** Whether a principal opened a session on an instance at `since`, in ms, or later. */
    async wasOpened(agent: string, instance: string, principal: string, since: number): Promise<boolean> {
      const rows = await db
        .select({ id: agentSessions.id })
        .from(agentSessions)
        .where(
          and(
            eq(agentSessions.agentSlug, agent),
            eq(agentSessions.instanceId, instance),
            eq(agentSessions.userId, principal),
            gte(agentSessions.startedAt, since),
          ),
        )
        .limit(1);
      return rows.length > 0;
    },

    /** Deletes sessions that ended before a moment, in ms, the oldest first and no more than `limit`. How many went. */
    async purge(endedBefore: number, limit: number): Promise<number> {
      const old = db
        .select({ id: agentSessions.id })
        .from(agentSessions)
        .where(lt(agentSessions.endedAt, endedBefore))
        .orderBy(asc(agentSessions.endedAt))
        .limit(limit);
      const [, gone] = await db.batch([
        db.delete(sessionActors).where(inArray(sessionActors.sessionId, old)),
        db.delete(agentSessions).where(inArray(agentSessions.id, old)).returning({ id: agentSessions.id }),
      ]);
      return gone.length;
    },
  };
}
