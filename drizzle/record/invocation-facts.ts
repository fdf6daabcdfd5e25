import type { RecordDatabase } from './database.ts';
import { agentInvocations } from './schema.ts';

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
export const insertInvocation = (db: RecordDatabase, fact: InvocationFact) =>
  db.insert(agentInvocations).values(fact).onConflictDoNothing({ target: agentInvocations.id });
