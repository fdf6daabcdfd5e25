import type { AuditEvent, AuditType } from '@agent-ticket/shared/audit-event.ts';
import {
  and,
  asc,
  desc,
  eq,
  getTableColumns,
  gt,
  gte,
  inArray,
  lt,
  lte,
  max,
  min,
  type SQL,
  sql,
} from 'drizzle-orm';
import { isAfter, rowsFrom } from '../database.ts';
import type { RecordDatabase } from './revocations.ts';
import { auditEvents } from './schema.ts';

export type AuditEventRow = typeof auditEvents.$inferSelect;

/** Domain names to column names: the one place where they meet. */
const toRow = (event: AuditEvent): typeof auditEvents.$inferInsert => {
  const { principal, agent, instance, ...same } = event;
  return { ...same, userId: principal, agentSlug: agent, instanceId: instance };
};

/** One insert per event id, however often it is delivered. For use alone or inside a `batch`. */
export const insertEvent = (db: RecordDatabase, event: AuditEvent) =>
  db.insert(auditEvents).values(toRow(event)).onConflictDoNothing({ target: auditEvents.eventId });

/** The same of many events, in order, by one statement. */
export const insertEvents = (db: RecordDatabase, events: readonly AuditEvent[]) =>
  db
    .insert(auditEvents)
    .select(rowsFrom(auditEvents, events.map(toRow)))
    .onConflictDoNothing({ target: auditEvents.eventId });

/** {@link insertEvent} if `when` holds at that point of the `batch`. */
export function insertEventWhen(db: RecordDatabase, event: AuditEvent, when: SQL) {
  const said = new Map<string, unknown>(Object.entries(toRow(event)));
  const values = Object.entries(getTableColumns(auditEvents)).map(([name, column]) => {
    const value = said.get(name);
    return value === undefined ? sql`NULL` : sql.param(value, column);
  });
  return db
    .insert(auditEvents)
    .select(sql`SELECT ${sql.join(values, sql`, `)} WHERE ${when}`)
    .onConflictDoNothing({ target: auditEvents.eventId });
}

interface AuditFilter {
  readonly principal?: string | undefined;
  readonly agent?: string | undefined;
  /** Of `agent`. */
  readonly instance?: string | undefined;
  readonly type?: AuditType | undefined;
  readonly outcome?: 'success' | 'denied' | undefined;
  /** At or after, in ms. */
  readonly from?: number | undefined;
  /** Before, in ms. */
  readonly to?: number | undefined;
}

interface AuditCursor {
  readonly at: number;
  readonly seq: number;
}

/** Literal, so that the planner sees that the index of denials fits; most events succeed, and need none. */
const DENIED = sql`${auditEvents.outcome} = 'denied'`;

const given = <T>(value: T | undefined, clause: (value: T) => SQL): SQL | undefined =>
  value === undefined ? undefined : clause(value);

const matching = (filter: AuditFilter): (SQL | undefined)[] => [
  given(filter.principal, (id) => eq(auditEvents.userId, id)),
  given(filter.agent, (slug) => eq(auditEvents.agentSlug, slug)),
  given(filter.instance, (name) => eq(auditEvents.instanceId, name)),
  given(filter.type, (type) => eq(auditEvents.type, type)),
  given(filter.outcome, (outcome) => (outcome === 'denied' ? DENIED : eq(auditEvents.outcome, outcome))),
  given(filter.from, (ms) => gte(auditEvents.at, ms)),
  given(filter.to, (ms) => lt(auditEvents.at, ms)),
];

export function auditLogStore(db: RecordDatabase) {
  return {
    /** Events by filter, newest first by the clock of their source. */
    list: (filter: AuditFilter, after: AuditCursor | undefined, limit: number): Promise<AuditEventRow[]> =>
      db
        .select()
        .from(auditEvents)
        .where(
          and(...matching(filter), isAfter(auditEvents.at, auditEvents.seq, after && [after.at, after.seq])),
        )
        .orderBy(desc(auditEvents.at), desc(auditEvents.seq))
        .limit(limit),

    /** Events in the order of arrival, after a number in it. */
    arrivals: (after: number, limit: number): Promise<AuditEventRow[]> =>
      db
        .select()
        .from(auditEvents)
        .where(gt(auditEvents.seq, after))
        .orderBy(asc(auditEvents.seq))
        .limit(limit),

    /** The first and the last number there are. */
    async bounds(): Promise<{ first: number; last: number } | undefined> {
      // Each by itself: SQLite reads one end of the index only where a query asks for one of them.
      const [[first], [last]] = await db.batch([
        db.select({ seq: min(auditEvents.seq) }).from(auditEvents),
        db.select({ seq: max(auditEvents.seq) }).from(auditEvents),
      ]);
      return typeof first?.seq === 'number' && typeof last?.seq === 'number'
        ? { first: first.seq, last: last.seq }
        : undefined;
    },

    /**
     * Deletes events up to and with a number, the first ones and no more than `limit`, but never the newest: the
     * database would give its number again. How many went.
     */
    async purge(through: number, limit: number): Promise<number> {
      const newest = sql`(SELECT max(seq) FROM audit_events)`;
      const first = db
        .select({ seq: auditEvents.seq })
        .from(auditEvents)
        .where(and(lte(auditEvents.seq, through), lt(auditEvents.seq, newest)))
        .orderBy(asc(auditEvents.seq))
        .limit(limit);
      const gone = await db
        .delete(auditEvents)
        .where(inArray(auditEvents.seq, first))
        .returning({ seq: auditEvents.seq });
      return gone.length;
    },
  };
}
