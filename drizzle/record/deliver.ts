import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import type { Revocable, Revocation, RevocationCode } from '@agent-ticket/shared/revocation.ts';
import type { Statement } from '../database.ts';
import { insertEvent } from './audit-log.ts';
import { type InvocationFact, insertInvocation } from './invocations.ts';
import { applyRevocation, type RecordDatabase, readHits, selectHits } from './revocations.ts';
import { type SessionFact, writeSession } from './sessions.ts';

/** One thing that happened: an audit event, and the session as it made it where it touched one; or a call. */
export type RecordFact =
  | {
      readonly event: AuditEvent;
      readonly session?: SessionFact;
      /** Of an event after which a session has rights: what a revocation of them would name. */
      readonly revocable?: Revocable;
      readonly invocation?: undefined;
    }
  | {
      readonly invocation: InvocationFact;
      readonly event?: undefined;
      readonly session?: undefined;
      readonly revocable?: undefined;
    };

/** A session whose rights were taken away. */
export interface RevokedSession {
  readonly id: string;
  readonly why: RevocationCode;
}

/**
 * Writes facts in order, all or none, and answers the sessions among them whose rights were taken away. Revocations are
 * read in the same batch: they are written before anyone looks for sessions to end, so of a revocation and a session
 * that come to be together one always sees the other. Delivering twice changes nothing. `now` in ms.
 */
export async function deliver(
  db: RecordDatabase,
  facts: readonly RecordFact[],
  now: number,
): Promise<RevokedSession[]> {
  const opened = facts.flatMap(({ session, revocable }) =>
    session === undefined || revocable === undefined ? [] : [{ id: session.id, revocable }],
  );
  const [first, ...rest]: Statement[] = [
    ...facts.flatMap(({ event, session, invocation }) => [
      ...(event === undefined ? [] : [insertEvent(db, event)]),
      ...(session === undefined ? [] : writeSession(db, session)),
      ...(invocation === undefined ? [] : [insertInvocation(db, invocation)]),
    ]),
    ...opened.map(({ revocable }) => selectHits(db, revocable, now)),
  ];
  if (first === undefined) return [];
  const results: readonly unknown[] = await db.batch([first, ...rest]);
  const hits = results.slice(results.length - opened.length);
  return opened.flatMap(({ id }, index) => {
    const why = readHits(hits[index]);
    return why === undefined ? [] : [{ id, why }];
  });
}

/** Writes the record's part of one change of policy: its event, and the copies of its revocations. */
export async function deliverChange(
  db: RecordDatabase,
  event: AuditEvent,
  revocations: readonly Revocation[],
): Promise<void> {
  await db.batch([insertEvent(db, event), ...revocations.map((each) => applyRevocation(db, each))]);
}
