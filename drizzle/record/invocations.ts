import { and, asc, desc, eq, inArray, lt, sql } from 'drizzle-orm';
import type { RecordDatabase } from './database.ts';
import { agentInvocations } from './schema.ts';

export type InvocationRow = typeof agentInvocations.$inferSelect;

/** A place in the order newest first. */
export interface InvocationPlace {
  readonly startedAt: number;
  readonly id: string;
}

export function invocationQueries(db: RecordDatabase) {
  return {
    /** Calls of one session, newest first, after a place in that order. */
    ofSession: (
      sessionId: string,
      after: InvocationPlace | undefined,
      limit: number,
    ): Promise<InvocationRow[]> =>
      db
        .select()
        .from(agentInvocations)
        .where(
          and(
            eq(agentInvocations.sessionId, sessionId),
            after === undefined
              ? undefined
              : sql`(${agentInvocations.startedAt}, ${agentInvocations.id}) < (${after.startedAt}, ${after.id})`,
          ),
        )
        .orderBy(desc(agentInvocations.startedAt), desc(agentInvocations.id))
        .limit(limit),

    /** Deletes calls that began before a moment, in ms, the oldest first and no more than `limit`. How many went. */
    async purge(startedBefore: number, limit: number): Promise<number> {
      const old = db
        .select({ id: agentInvocations.id })
        .from(agentInvocations)
        .where(lt(agentInvocations.startedAt, startedBefore))
        .orderBy(asc(agentInvocations.startedAt))
        .limit(limit);
      const gone = await db
        .delete(agentInvocations)
        .where(inArray(agentInvocations.id, old))
        .returning({ id: agentInvocations.id });
      return gone.length;
    },
  };
}
