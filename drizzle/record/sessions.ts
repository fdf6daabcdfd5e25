import type { Target } from '@agent-ticket/shared/control.ts';
import { and, asc, desc, eq, gte, inArray, isNotNull, isNull, lt, lte, type SQL, sql } from 'drizzle-orm';
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

/** The sessions that a target names. */
function hits(target: Target): SQL | undefined {
  switch (target.kind) {
    case 'principal':
      return eq(agentSessions.userId, target.id);
    case 'service-token':
      return eq(agentSessions.userId, `token:${target.id}`);
    case 'agent':
      return eq(agentSessions.agentSlug, target.agent);
    case 'instance':
      return and(eq(agentSessions.agentSlug, target.agent), eq(agentSessions.instanceId, target.instance));
    case 'session':
      return eq(agentSessions.id, target.id);
    case 'key':
      return eq(agentSessions.kid, target.kid);
    case 'everything':
      return undefined;
  }
}

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

    /** Objects with live sessions that a target hits and that started no later than `before`, in ms. */
    liveObjects: (
      target: Target,
      before: number,
      limit: number,
    ): Promise<{ agent: string; instance: string }[]> =>
      db
        .selectDistinct({ agent: agentSessions.agentSlug, instance: agentSessions.instanceId })
        .from(agentSessions)
        .where(and(isNull(agentSessions.endedAt), lte(agentSessions.startedAt, before), hits(target)))
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
      const gone = await db
        .delete(agentSessions)
        .where(inArray(agentSessions.id, old))
        .returning({ id: agentSessions.id });
      return gone.length;
    },
  };
}
