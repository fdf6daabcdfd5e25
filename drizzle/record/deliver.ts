import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { AUDIT_HOT_DAYS_LEAST } from '@agent-ticket/shared/limits.ts';
import { PrincipalId, TicketId } from '@agent-ticket/shared/names.ts';
import {
  type Revocable,
  type Revocation,
  type RevocationCode,
  strongestCode,
} from '@agent-ticket/shared/revocation.ts';
import { sql } from 'drizzle-orm';
import { built, jsonOf, rowsOf, type Statement } from '../database.ts';
import { insertEvent, insertEvents } from './audit-log.ts';
import { type InvocationFact, insertInvocations } from './invocations.ts';
import { applyRevocation, type RecordDatabase } from './revocations.ts';
import { revocationCopies } from './schema.ts';
import { type AgentSessionRow, type SessionFact, writeSessions } from './sessions.ts';

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
 * that come to be together one always sees the other. Delivering twice changes nothing. One statement for each table,
 * however many facts there are: on D1 a statement costs more than its rows. `now` in ms.
 */
export function createDeliver(db: RecordDatabase) {
  const insertAll = {
    events: insertEvents(db),
    sessions: writeSessions(db),
    invocations: insertInvocations(db),
  };
  const selectRevoked = built(() => revokedAmong(db));
  return async (facts: readonly RecordFact[], now: number): Promise<RevokedSession[]> => {
    const events = facts.flatMap(({ event }) => (event === undefined ? [] : [markedLate(event, now)]));
    const sessions = facts.flatMap(({ session }) => (session === undefined ? [] : [session]));
    const invocations = facts.flatMap(({ invocation }) => (invocation === undefined ? [] : [invocation]));
    const opened = facts.flatMap(({ session, revocable }) =>
      session === undefined || revocable === undefined ? [] : [{ id: session.id, ...revocable }],
    );
    const [first, ...rest]: Statement[] = [
      ...(events.length === 0 ? [] : [insertAll.events(events)]),
      ...insertAll.sessions(sessions),
      ...(invocations.length === 0 ? [] : [insertAll.invocations(invocations)]),
      ...(opened.length === 0 ? [] : [selectRevoked({ opened: jsonOf(opened), now })]),
    ];
    if (first === undefined) return [];
    const results: readonly unknown[] = await db.batch([first, ...rest]);
    return opened.length === 0 ? [] : readRevoked(results.at(-1));
  };
}

const HOT_MS = AUDIT_HOT_DAYS_LEAST * 86_400_000;

/** An event that is so old that the database may not know any more whether it had it. */
const markedLate = (event: AuditEvent, now: number): AuditEvent =>
  event.at < now - HOT_MS ? { ...event, details: { ...event.details, late: true } } : event;

/** The codes of the revocations that hit each of some sessions, from the placeholders `opened` and `now`. */
const revokedAmong = (db: RecordDatabase) =>
  db
    .select({ id: sql<string>`opened.value ->> '$.id'`, code: sql<string>`code` })
    // CROSS JOIN fixes the order of the loops: each name is a seek in the index of the targets.
    .from(
      sql`json_each(${sql.placeholder('opened')}) AS opened
          CROSS JOIN json_each(opened.value, '$.names') AS named
          CROSS JOIN ${revocationCopies}`,
    )
    .where(
      sql`target = named.value AND (until IS NULL OR until > ${sql.placeholder('now')})
          AND (kind = 'any' OR rev > opened.value ->> '$.rev')`,
    );

function readRevoked(result: unknown): RevokedSession[] {
  const codes = new Map<string, string[]>();
  for (const row of rowsOf(result)) {
    if (typeof row !== 'object' || row === null || !('id' in row && 'code' in row)) continue;
    const id = String(row.id);
    codes.set(id, [...(codes.get(id) ?? []), String(row.code)]);
  }
  return [...codes].flatMap(([id, each]) => {
    const why = strongestCode(each);
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

/**
 * The end of a session that the record has as open though it is over. Its event has the session's id, so that it is written
 * once, whoever finds it.
 */
export function reconciledEnd(row: AgentSessionRow, at: number, reason: string): RecordFact {
  const { userId, agentSlug: agent, instanceId: instance, ...same } = row;
  const { id, jti, kid, ipAddress, userAgent } = row;
  return {
    session: { ...same, principal: userId, agent, instance, endedAt: at, endReason: reason },
    event: {
      eventId: id,
      at,
      type: 'session.closed',
      outcome: 'success',
      code: reason,
      principal: PrincipalId.parse(userId),
      agent,
      instance,
      jti: TicketId.parse(jti),
      sessionId: id,
      kid,
      ipAddress: ipAddress ?? undefined,
      userAgent: userAgent ?? undefined,
      details: { found: 'reconciled' },
    },
  };
}
