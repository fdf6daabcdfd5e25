import type { AuditEvent, AuditType } from '@agent-ticket/shared/audit-event.ts';
import {
  and,
  asc,
  type Column,
  desc,
  eq,
  getTableColumns,
  gt,
  gte,
  lt,
  lte,
  max,
  min,
  type SQL,
  sql,
} from 'drizzle-orm';
import {
  built,
  deleteFirst,
  type FoundPage,
  foundPage,
  isAfter,
  jsonOf,
  MAX_EXAMINED,
  rowsFrom,
  type Statement,
} from '../database.ts';
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

/** The columns that an event has values for. */
const EVENT_COLUMNS = Object.keys(getTableColumns(auditEvents)).filter((name) => name !== 'seq');

/**
 * {@link insertEvent} for events that come one by one, with placeholders for {@link valuesOf} an event, so that its SQL
 * is built once. Inserts if `when` holds at that point of the `batch`.
 */
export function insertEventWhen(db: RecordDatabase, when: SQL) {
  const values = EVENT_COLUMNS.map((name) => sql.placeholder(name));
  return db
    .insert(auditEvents)
    .select(sql`SELECT NULL, ${sql.join(values, sql`, `)} WHERE ${when}`)
    .onConflictDoNothing({ target: auditEvents.eventId });
}

/** The values of an event by the names of its columns. */
export function valuesOf(event: AuditEvent): Record<string, unknown> {
  const row = new Map<string, unknown>(Object.entries(toRow(event)));
  if (event.details !== undefined) row.set('details', JSON.stringify(event.details));
  return Object.fromEntries(EVENT_COLUMNS.map((name) => [name, row.get(name) ?? null]));
}

/** {@link insertEvent} of many events, in order, by one statement. */
export function insertEvents(db: RecordDatabase) {
  const insert = built(() =>
    db.insert(auditEvents).select(rowsFrom(auditEvents)).onConflictDoNothing({ target: auditEvents.eventId }),
  );
  return (events: readonly AuditEvent[]): Statement => insert({ rows: jsonOf(events.map(toRow)) });
}

export interface AuditFilter {
  readonly principal?: string | undefined;
  readonly agent?: string | undefined;
  /** Of `agent`. */
  readonly instance?: string | undefined;
  readonly type?: AuditType | undefined;
  readonly outcome?: 'success' | 'denied' | undefined;
  readonly code?: string | undefined;
  readonly jti?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly requestId?: string | undefined;
  /** At or after, in ms. */
  readonly from?: number | undefined;
  /** Before, in ms. */
  readonly to?: number | undefined;
}

export interface AuditCursor {
  readonly at: number;
  readonly seq: number;
}

/** The conditions of the indexes that have only some events: literal, so that the planner sees that the index fits. */
const DENIED = sql`${auditEvents.outcome} = 'denied'`;
const OF_RARE_TYPE = sql`${auditEvents.type} <> 'ticket.used' AND ${auditEvents.type} <> 'session.opened' AND ${auditEvents.type} <> 'session.closed'`;
const OF_RARE_CODE = sql`${auditEvents.code} <> 'client_closed'`;
const isRareType = (type: AuditType): boolean =>
  type !== 'ticket.used' && type !== 'session.opened' && type !== 'session.closed';

/**
 * The filters that one index serves, by the one that leaves the fewest events as a rule. The time is in every index.
 * Values that many events have need none: a search by time finds them within a page.
 */
function indexed(filter: AuditFilter): AuditFilter {
  const { principal, agent, instance, type, outcome, code, jti, sessionId, requestId } = filter;
  if (requestId !== undefined) return { requestId };
  if (jti !== undefined) return { jti };
  if (sessionId !== undefined) return { sessionId };
  if (principal !== undefined) return { principal };
  if (instance !== undefined) return { agent, instance };
  if (code !== undefined && code !== 'client_closed') return { code };
  if (type !== undefined && isRareType(type)) return { type };
  if (outcome === 'denied') return { outcome };
  return agent === undefined ? {} : { agent };
}

/** Of the table, or of a subquery on it. */
type AuditColumns = Readonly<
  Record<
    'userId' | 'agentSlug' | 'instanceId' | 'type' | 'outcome' | 'code' | 'jti' | 'sessionId' | 'requestId',
    Column
  >
>;

const given = <T>(value: T | undefined, clause: (value: T) => SQL): SQL | undefined =>
  value === undefined ? undefined : clause(value);

const matching = (columns: AuditColumns, filter: AuditFilter): SQL | undefined =>
  and(
    given(filter.principal, (id) => eq(columns.userId, id)),
    given(filter.agent, (slug) => eq(columns.agentSlug, slug)),
    // Or the planner may find the index of the agent just as good, at some time.
    given(filter.instance, (name) => sql`unlikely(${columns.instanceId} = ${name})`),
    given(filter.type, (type) => eq(columns.type, type)),
    given(filter.outcome, (outcome) => eq(columns.outcome, outcome)),
    given(filter.code, (code) => eq(columns.code, code)),
    given(filter.jti, (jti) => eq(columns.jti, jti)),
    given(filter.sessionId, (id) => eq(columns.sessionId, id)),
    given(filter.requestId, (id) => eq(columns.requestId, id)),
  );

/** The filters that the index leaves; `undefined`: none. */
function notServed(
  { from: _, to: _to, ...filter }: AuditFilter,
  served: AuditFilter,
): AuditFilter | undefined {
  const rest = Object.entries(filter).filter(([name, value]) => value !== undefined && !(name in served));
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}

/** Events in the order of arrival, after a number in it. */
export const arrivalsAfter = (db: RecordDatabase, after: number, limit: number) =>
  db.select().from(auditEvents).where(gt(auditEvents.seq, after)).orderBy(asc(auditEvents.seq)).limit(limit);

export function auditLogStore(db: RecordDatabase) {
  const { at, seq } = auditEvents;
  return {
    /** Events by filter, newest first by the clock of their source. */
    async list(
      filter: AuditFilter,
      after: AuditCursor | undefined,
      limit: number,
    ): Promise<FoundPage<AuditEventRow, AuditCursor>> {
      const served = indexed(filter);
      const { outcome, ...equal } = served;
      const all = db
        .select()
        .from(auditEvents)
        .where(
          and(
            matching(auditEvents, equal),
            outcome === undefined ? undefined : DENIED,
            served.type === undefined ? undefined : OF_RARE_TYPE,
            served.code === undefined ? undefined : OF_RARE_CODE,
            given(filter.from, (ms) => gte(at, ms)),
            given(filter.to, (ms) => lt(at, ms)),
            isAfter(at, seq, after && [after.at, after.seq]),
          ),
        )
        .orderBy(desc(at), desc(seq));
      const rest = notServed(filter, served);
      if (rest === undefined) return { rows: await all.limit(limit) };
      const examined = all.limit(MAX_EXAMINED).as('examined');
      const page = await db.batch([
        // In the order of the subquery: to sort again, all of it would be read first.
        db.select().from(examined).where(matching(examined, rest)).limit(limit),
        db
          .select({ at: examined.at, seq: examined.seq })
          .from(examined)
          .limit(1)
          .offset(MAX_EXAMINED - 1),
      ]);
      return foundPage(page, limit);
    },

    /** Those of the database. `segments.following` includes the archive. */
    arrivals: async (after: number, limit: number): Promise<AuditEventRow[]> =>
      arrivalsAfter(db, after, limit),

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
    purge(through: number, limit: number): Promise<number> {
      const newest = sql`(SELECT max(seq) FROM audit_events)`;
      return deleteFirst(db, {
        key: auditEvents.seq,
        by: auditEvents.seq,
        where: and(lte(auditEvents.seq, through), lt(auditEvents.seq, newest)),
        limit,
      });
    },
  };
}
