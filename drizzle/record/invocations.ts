import { and, desc, eq, sql } from 'drizzle-orm';
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
  };
}
