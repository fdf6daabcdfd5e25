import type { RecordDatabase } from '../record/database.ts';
import { deliver, type RecordFact } from '../record/deliver.ts';
import type { backlogQueries } from './backlog.ts';

/** D1 takes 100 bound parameters a statement and any number of statements a batch; this keeps a batch short. */
const BATCH_FACTS = 50;

type Backlog = ReturnType<typeof backlogQueries>;

/** Notes a fact for the record database. Durable with the rest of the object's current event. */
export const enqueue = (backlog: Backlog, fact: RecordFact): void => backlog.add(JSON.stringify(fact));

export interface DrainPorts {
  readonly backlog: Backlog;
  readonly record: RecordDatabase;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Sessions just delivered that a lock hits. */
  readonly onLocked: (sessionIds: readonly string[]) => void;
}

/**
 * Empties the backlog into the record database, oldest first. Rejects when the database does; what was not
 * acknowledged stays, and delivering it again is harmless. Must not run twice at once on one object.
 */
export async function drain({ backlog, record, clock, onLocked }: DrainPorts): Promise<void> {
  for (;;) {
    const items = backlog.oldest(BATCH_FACTS);
    const last = items.at(-1);
    if (last === undefined) return;
    const facts = items.map((item): RecordFact => JSON.parse(item.fact));
    const locked = await deliver(record, facts, clock());
    backlog.removeThrough(last.id);
    if (locked.length > 0) onLocked(locked);
  }
}
