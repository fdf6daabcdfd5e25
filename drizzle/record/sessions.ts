import type { Role } from '@agent-ticket/shared/names.ts';
import {
  and,
  asc,
  type Column,
  desc,
  eq,
  gte,
  inArray,
  isNotNull,
  isNull,
  lt,
  lte,
  notInArray,
  sql,
} from 'drizzle-orm';
import {
  among,
  built,
  type FoundPage,
  foundPage,
  isAfter,
  jsonOf,
  MAX_EXAMINED,
  rowsFrom,
  type Statement,
} from '../database.ts';
import type { RecordDatabase } from './revocations.ts';
import { agentSessions, sessionParties } from './schema.ts';

export type AgentSessionRow = typeof agentSessions.$inferSelect;

export interface SessionFilter {
  readonly principal?: string | undefined;
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  /** `true`: not ended; `false`: ended. */
  readonly active?: boolean | undefined;
}

export interface SessionCursor {
  readonly startedAt: number;
  readonly id: string;
}

/** A session as its object knows it. Domain names; columns are mapped here. Times in ms. */
export interface SessionFact {
  readonly id: string;
  readonly principal: string;
  readonly agent: string;
  readonly instance: string;
  /** Of its agent worker. */
  readonly audience: string;
  readonly role: Role;
  /** Space-separated. */
  readonly scope: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly endReason: string | null;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  /** The ticket that the rights in force come from, its key, and what its decision rested on. */
  readonly jti: string;
  readonly kid: string;
  readonly rev: number;
  readonly grantId: string | null;
  readonly loginId: string | null;
  /** Every party beside the principal; left out: none. */
  readonly parties?: readonly string[] | undefined;
}

/**
 * Writes what objects know of sessions and their parties. Facts may arrive twice and out of order: an end, once
 * written, stays, so that a late "opened" never brings a session back to life. For use inside a `batch`.
 */
export function writeSessions(db: RecordDatabase) {
  const insertSessions = built(() =>
    db
      .insert(agentSessions)
      .select(rowsFrom(agentSessions))
      .onConflictDoUpdate({
        target: agentSessions.id,
        set: {
          role: sql`excluded.role`,
          scope: sql`excluded.scope`,
          jti: sql`excluded.jti`,
          kid: sql`excluded.kid`,
          rev: sql`excluded.rev`,
          grantId: sql`excluded.grant_id`,
          loginId: sql`excluded.login_id`,
          endedAt: sql`coalesce(${agentSessions.endedAt}, excluded.ended_at)`,
          endReason: sql`coalesce(${agentSessions.endReason}, excluded.end_reason)`,
        },
      }),
  );
  const insertParties = built(() =>
    db.insert(sessionParties).select(rowsFrom(sessionParties)).onConflictDoNothing(),
  );
  return (facts: readonly SessionFact[]): Statement[] => {
    if (facts.length === 0) return [];
    const rows = facts.map(({ principal, agent, instance, parties: _, ...same }) => ({
      ...same,
      userId: principal,
      agentSlug: agent,
      instanceId: instance,
    }));
    const parties = facts.flatMap(({ id, parties: ids = [] }) =>
      ids.map((partyId) => ({ sessionId: id, partyId })),
    );
    const sessions = insertSessions({ rows: jsonOf(rows) });
    return parties.length === 0 ? [sessions] : [sessions, insertParties({ rows: jsonOf(parties) })];
  };
}

/** The filters that one index serves: live sessions by principal or instance, all sessions by every one. */
function indexed({ principal, agent, instance, active }: SessionFilter): SessionFilter {
  const live = active === true ? { active } : {};
  if (principal !== undefined) return { principal, ...live };
  if (instance !== undefined) return { agent, instance, ...live };
  if (active === true) return { active };
  return agent === undefined ? {} : { agent };
}

/** Of the table, or of a subquery on it. */
type SessionColumns = Readonly<Record<'userId' | 'agentSlug' | 'instanceId' | 'endedAt', Column>>;

const matching = (columns: SessionColumns, { principal, agent, instance, active }: SessionFilter) =>
  and(
    principal === undefined ? undefined : eq(columns.userId, principal),
    agent === undefined ? undefined : eq(columns.agentSlug, agent),
    instance === undefined ? undefined : eq(columns.instanceId, instance),
    active === undefined ? undefined : active ? isNull(columns.endedAt) : isNotNull(columns.endedAt),
  );

export function sessionStore(db: RecordDatabase) {
  return {
    async find(id: string): Promise<AgentSessionRow | undefined> {
      const [row] = await db.select().from(agentSessions).where(eq(agentSessions.id, id));
      return row;
    },

    /** Sessions of an agent worker without an end that started between two times, both included, in ms; oldest first. */
    listOpen: (audience: string, from: number, until: number, limit: number): Promise<AgentSessionRow[]> =>
      db
        .select()
        .from(agentSessions)
        .where(
          and(
            isNull(agentSessions.endedAt),
            eq(agentSessions.audience, audience),
            gte(agentSessions.startedAt, from),
            lte(agentSessions.startedAt, until),
          ),
        )
        .orderBy(agentSessions.startedAt, agentSessions.id)
        .limit(limit),

    /** Sessions of none of these agent workers without an end that started until a moment, in ms; oldest first. */
    listOpenElsewhere: (
      audiences: readonly string[],
      until: number,
      limit: number,
    ): Promise<AgentSessionRow[]> =>
      db
        .select()
        .from(agentSessions)
        .where(
          and(
            isNull(agentSessions.endedAt),
            lte(agentSessions.startedAt, until),
            notInArray(agentSessions.audience, among(audiences)),
          ),
        )
        .orderBy(agentSessions.startedAt, agentSessions.id)
        .limit(limit),

    /** Sessions by filter, newest first. */
    async list(
      filter: SessionFilter,
      after: SessionCursor | undefined,
      limit: number,
    ): Promise<FoundPage<AgentSessionRow, SessionCursor>> {
      const { startedAt, id } = agentSessions;
      const served = indexed(filter);
      const rest = Object.fromEntries(Object.entries(filter).filter(([name]) => !(name in served)));
      const all = db
        .select()
        .from(agentSessions)
        .where(
          and(matching(agentSessions, served), isAfter(startedAt, id, after && [after.startedAt, after.id])),
        )
        .orderBy(desc(startedAt), desc(id));
      if (Object.values(rest).every((value) => value === undefined)) return { rows: await all.limit(limit) };
      const examined = all.limit(MAX_EXAMINED).as('examined');
      const page = await db.batch([
        // In the order of the subquery: to sort again, all of it would be read first.
        db.select().from(examined).where(matching(examined, rest)).limit(limit),
        db
          .select({ startedAt: examined.startedAt, id: examined.id })
          .from(examined)
          .limit(1)
          .offset(MAX_EXAMINED - 1),
      ]);
      return foundPage(page, limit);
    },

    /** Deletes sessions that ended before a moment, in ms, the oldest first and no more than `limit`. How many went. */
    async purge(endedBefore: number, limit: number): Promise<number> {
      const old = db
        .select({ id: agentSessions.id })
        .from(agentSessions)
        .where(lt(agentSessions.endedAt, endedBefore))
        .orderBy(asc(agentSessions.endedAt))
        .limit(limit);
      const [, gone] = await db.batch([
        db.delete(sessionParties).where(inArray(sessionParties.sessionId, old)),
        db.delete(agentSessions).where(inArray(agentSessions.id, old)).returning({ id: agentSessions.id }),
      ]);
      return gone.length;
    },
  };
}
