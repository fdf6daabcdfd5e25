import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { insertEvent } from './audit-events.ts';
import type { RecordDatabase } from './database.ts';
import { type InvocationFact, insertInvocation } from './invocation-facts.ts';
import { type SessionFact, writeSession } from './session-facts.ts';
import { readStops, STOP_QUESTIONS, selectStops, type WhyStopped } from './stops.ts';

/** One thing that happened: an audit event, and what it made of a session where it touched one; or a call. */
export type RecordFact =
  | { readonly event: AuditEvent; readonly session?: SessionFact; readonly invocation?: undefined }
  | { readonly invocation: InvocationFact; readonly event?: undefined; readonly session?: undefined };

/** Events after which a session has rights that may have been taken away meanwhile. */
const GIVES_RIGHTS: readonly string[] = ['session.opened', 'session.renewed'];

/** A session that may not go on. */
export interface StoppedSession {
  readonly id: string;
  readonly why: WhyStopped;
}

/**
 * Writes facts in order, all or none, and answers which sessions among them may not go on. Locks and recalls are read in
 * the same batch: they are written before anyone looks for sessions to close, so of one of them and a session that come
 * to be together one always sees the other. Delivering twice changes nothing. `now` in ms.
 */
export async function deliver(
  db: RecordDatabase,
  facts: readonly RecordFact[],
  now: number,
): Promise<StoppedSession[]> {
  const opened = facts.flatMap(({ event, session }) =>
    event !== undefined && GIVES_RIGHTS.includes(event.type) && session !== undefined ? [session] : [],
  );
  const [first, ...rest] = [
    ...facts.flatMap(({ event, session, invocation }) => [
      ...(event === undefined ? [] : [insertEvent(db, event)]),
      ...(session === undefined ? [] : writeSession(db, session)),
      ...(invocation === undefined ? [] : [insertInvocation(db, invocation)]),
    ]),
    ...opened.flatMap((session) => selectStops(db, { ...session, session: session.id }, now)),
  ];
  if (first === undefined) return [];
  const results: readonly unknown[] = await db.batch([first, ...rest]);
  const found = results.slice(results.length - STOP_QUESTIONS * opened.length);
  return opened.flatMap(({ id }, index) => {
    const why = readStops(found.slice(STOP_QUESTIONS * index, STOP_QUESTIONS * (index + 1)));
    return why === undefined ? [] : [{ id, why }];
  });
}
