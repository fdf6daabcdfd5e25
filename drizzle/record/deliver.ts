import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { targetNamesOf } from '@agent-ticket/shared/control.ts';
import { insertEvent } from './audit-events.ts';
import type { RecordDatabase } from './database.ts';
import { type InvocationFact, insertInvocation } from './invocation-facts.ts';
import { selectLocks } from './locks.ts';
import { type SessionFact, upsertSession } from './sessions.ts';

/** One thing that happened: an audit event, and what it made of a session where it touched one; or a call. */
export type RecordFact =
  | { readonly event: AuditEvent; readonly session?: SessionFact; readonly invocation?: undefined }
  | { readonly invocation: InvocationFact; readonly event?: undefined; readonly session?: undefined };

/** Events after which a session has rights that a lock may have taken away meanwhile. */
const GIVES_RIGHTS: readonly string[] = ['session.opened', 'session.renewed'];

/**
 * Writes facts in order, all or none, and answers the ids of those sessions among them that a standing lock hits.
 * Locks are read in the same batch: they are written before anyone looks for sessions to close, so of a lock and a
 * session that come to be together one always sees the other. Delivering twice changes nothing. `now` in ms.
 */
export async function deliver(
  db: RecordDatabase,
  facts: readonly RecordFact[],
  now: number,
): Promise<string[]> {
  const opened = facts.flatMap(({ event, session }) =>
    event !== undefined && GIVES_RIGHTS.includes(event.type) && session !== undefined ? [session] : [],
  );
  const [first, ...rest] = [
    ...facts.flatMap(({ event, session, invocation }) => [
      ...(event === undefined ? [] : [insertEvent(db, event)]),
      ...(session === undefined ? [] : [upsertSession(db, session)]),
      ...(invocation === undefined ? [] : [insertInvocation(db, invocation)]),
    ]),
    ...opened.map((session) => selectLocks(db, targetsOf(session), now)),
  ];
  if (first === undefined) return [];
  const results: readonly unknown[] = await db.batch([first, ...rest]);
  const found = results.slice(results.length - opened.length);
  return opened.filter((_, index) => hasRows(found[index])).map((session) => session.id);
}

const targetsOf = ({ principal, agent, instance, id, kid }: SessionFact): string[] =>
  targetNamesOf({ principal, agent, instance, session: id, kid });

const hasRows = (result: unknown): boolean => Array.isArray(result) && result.length > 0;
