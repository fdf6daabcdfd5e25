import { CLOCK_SKEW_SECONDS, SESSION_ABSOLUTE_SECONDS } from '@agent-ticket/shared/limits.ts';
import { sql } from 'drizzle-orm';
import { each } from '../database.ts';
import type { RecordDatabase } from './revocations.ts';
import { agentSessions, auditEvents } from './schema.ts';

/** Longer than any session lives: one that was live at a moment started no earlier than this before it. In ms. */
export const LIVED_AT_MOST_MS = (SESSION_ABSOLUTE_SECONDS + 2 * CLOCK_SKEW_SECONDS) * 1000;

/** Counts of one span of time. */
export interface SpanCounts {
  /** When the span began, in ms. */
  readonly at: number;
  readonly issued: number;
  readonly denied: number;
  readonly opened: number;
  readonly closed: number;
}

export interface RefusalCount {
  /** When the span began, in ms. */
  readonly at: number;
  readonly code: string | null;
  /** Null where the event names no agent, or none of those that were asked about. */
  readonly agent: string | null;
  readonly count: number;
}

/** Events alike of sessions. */
export interface SessionEventCount {
  readonly type: 'session.closed' | 'session.renewed' | 'rpc.denied';
  readonly outcome: 'success' | 'denied';
  readonly code: string | null;
  readonly agent: string | null;
  /** Of refusals that one event counts, each. */
  readonly count: number;
}

/** Condition of a time within the span that begins at `q.value`. */
const within = (time: string, step: number) =>
  sql.raw(`${time} >= q.value AND ${time} < q.value + ${Math.floor(step)}`);

/** Counts of equally long spans. A call reads every event in them, so callers ask about some spans at a time. */
export function statsStore(db: RecordDatabase) {
  return {
    /** Tickets by outcome and sessions, of the spans of `step` ms that begin at these moments. */
    counts: (starts: readonly number[], step: number): Promise<SpanCounts[]> => {
      const tickets = (type: string) =>
        sql<number>`(SELECT count(*) FROM ${auditEvents}
          WHERE type = ${type} AND type <> 'ticket.used' AND type <> 'session.opened' AND type <> 'session.closed' AND ${within('at', step)})`;
      const sessions = (time: string) =>
        sql<number>`(SELECT count(*) FROM ${agentSessions} WHERE ${within(time, step)})`;
      return db
        .select({
          at: sql<number>`q.value`,
          issued: tickets('ticket.issued'),
          denied: tickets('ticket.denied'),
          opened: sessions('started_at'),
          closed: sessions('ended_at'),
        })
        .from(sql`${each(starts)} AS q`);
    },

    /** Denied events of such spans by code and agent. Agents beside those named are one: callers invent slugs. */
    refusals: (
      starts: readonly number[],
      step: number,
      agents: readonly string[],
    ): Promise<RefusalCount[]> => {
      const agent = sql<
        string | null
      >`CASE WHEN agent_slug IN (SELECT value FROM ${each(agents)}) THEN agent_slug END`;
      return db
        .select({
          at: sql<number>`q.value`,
          code: sql<string | null>`code`,
          agent,
          count: sql<number>`count(*)`,
        })
        .from(sql`${each(starts)} AS q CROSS JOIN ${auditEvents}`)
        .where(sql`outcome = 'denied' AND ${within('at', step)}`)
        .groupBy(sql`1, 2, 3`);
    },

    /**
     * Counts of the events of sessions with numbers above `after`, up to and with `through`. Reads each event in between,
     * so callers bound the distance.
     */
    sessionEvents: (after: number, through: number): Promise<SessionEventCount[]> =>
      db
        .select({
          type: sql<SessionEventCount['type']>`type`,
          outcome: auditEvents.outcome,
          code: auditEvents.code,
          agent: auditEvents.agentSlug,
          // Code of an agent may write a text of that name, or any number.
          count: sql<number>`sum(CASE json_type(details, '$.count') WHEN 'integer' THEN min(max(details ->> '$.count', 1), 1000000) ELSE 1 END)`,
        })
        .from(auditEvents)
        .where(
          sql`seq > ${after} AND seq <= ${through} AND +type IN ('session.closed', 'session.renewed', 'rpc.denied')`,
        )
        .groupBy(sql`1, 2, 3, 4`),

    /** How many sessions that started in such spans were live right before a moment, in ms. */
    async liveAt(starts: readonly number[], step: number, moment: number): Promise<number> {
      const [row] = await db
        .select({ live: sql<number>`count(*)` })
        .from(sql`${each(starts)} AS q CROSS JOIN ${agentSessions}`)
        .where(
          sql`${within('started_at', step)} AND started_at < ${moment} AND (ended_at IS NULL OR ended_at >= ${moment})`,
        );
      return row?.live ?? 0;
    },
  };
}
