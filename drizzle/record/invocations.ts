import { and, desc, eq, lt } from 'drizzle-orm';
import { built, deleteFirst, isAfter, jsonOf, rowsFrom, type Statement } from '../database.ts';
import type { RecordDatabase } from './revocations.ts';
import { agentInvocations } from './schema.ts';

export type InvocationRow = typeof agentInvocations.$inferSelect;

export interface InvocationCursor {
  readonly startedAt: number;
  readonly id: string;
}

/** A call of an agent's method within a session, as its object saw it. Never arguments, results or an agent's words. */
export interface InvocationFact {
  /** UUID given by the source, so that a delivery may be repeated. */
  readonly id: string;
  readonly sessionId: string;
  readonly method: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly durationMs: number;
  /** `unanswered`: it was over without an answer, because the client had left or the agent sent none. */
  readonly outcome: 'success' | 'error' | 'unanswered';
  readonly code: string | null;
}

/** One row per id, however often it is delivered. For use alone or inside a `batch`. */
export function insertInvocations(db: RecordDatabase) {
  const insert = built(() =>
    db
      .insert(agentInvocations)
      .select(rowsFrom(agentInvocations))
      .onConflictDoNothing({ target: agentInvocations.id }),
  );
  return (facts: readonly InvocationFact[]): Statement => insert({ rows: jsonOf(facts) });
}

export function invocationStore(db: RecordDatabase) {
  return {
    /** Calls of one session, newest first. */
    ofSession: (
      sessionId: string,
      after: InvocationCursor | undefined,
      limit: number,
    ): Promise<InvocationRow[]> =>
      db
        .select()
        .from(agentInvocations)
        .where(
          and(
            eq(agentInvocations.sessionId, sessionId),
            isAfter(agentInvocations.startedAt, agentInvocations.id, after && [after.startedAt, after.id]),
          ),
        )
        .orderBy(desc(agentInvocations.startedAt), desc(agentInvocations.id))
        .limit(limit),

    /** Deletes calls that began before a moment, in ms, the oldest first and no more than `limit`. How many went. */
    purge(startedBefore: number, limit: number): Promise<number> {
      return deleteFirst(db, {
        key: agentInvocations.id,
        by: agentInvocations.startedAt,
        where: lt(agentInvocations.startedAt, startedBefore),
        limit,
      });
    },
  };
}
