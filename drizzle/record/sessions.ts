import type { Role } from '@agent-ticket/shared/names.ts';
import {
  and,
  asc,
  type Column,
  desc,
  eq,
  getTableColumns,
  gt,
  gte,
  inArray,
  isNotNull,
  isNull,
  lt,
  lte,
  notInArray,
  or,
  sql,
} from 'drizzle-orm';
import {
  among,
  built,
  each,
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
import { LIVED_AT_MOST_MS } from './stats.ts';

export type AgentSessionRow = typeof agentSessions.$inferSelect;

export interface SessionFilter {
  readonly principal?: string | undefined;
  /**
   * An actor or the OAuth client of the session, as a principal id. With `principal` as well, the filter finds no
   * session.
   */
  readonly party?: string | undefined;
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  /** `true`: not ended; `false`: ended. */
  readonly active?: boolean | undefined;
  /** As the platform wrote it, see `plainAddress`. */
  readonly ipAddress?: string | undefined;
  /** Sessions that were live at some moment from here on, in ms. */
  readonly from?: number | undefined;
  /** Sessions that had started before this moment, in ms. */
  readonly to?: number | undefined;
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
  const rights = {
    role: sql`excluded.role`,
    scope: sql`excluded.scope`,
    jti: sql`excluded.jti`,
    kid: sql`excluded.kid`,
    rev: sql`excluded.rev`,
    grantId: sql`excluded.grant_id`,
    loginId: sql`excluded.login_id`,
  };
  const end = {
    endedAt: sql`coalesce(${agentSessions.endedAt}, excluded.ended_at)`,
    endReason: sql`coalesce(${agentSessions.endReason}, excluded.end_reason)`,
  };
  const insert = (set: typeof rights) =>
    built(() =>
      db
        .insert(agentSessions)
        .select(rowsFrom(agentSessions))
        .onConflictDoUpdate({ target: agentSessions.id, set }),
    );
  // SQLite writes the entries of every index of live sessions anew where a statement names `ended_at`, whatever its value.
  const [insertLive, insertEnded] = [insert(rights), insert({ ...rights, ...end })];
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
    const parties = facts.flatMap(({ id, startedAt, parties: ids = [] }) =>
      ids.map((partyId) => ({ sessionId: id, partyId, startedAt })),
    );
    const [live, ended] = [
      rows.filter((row) => row.endedAt === null),
      rows.filter((row) => row.endedAt !== null),
    ];
    return [
      ...(live.length === 0 ? [] : [insertLive({ rows: jsonOf(live) })]),
      ...(ended.length === 0 ? [] : [insertEnded({ rows: jsonOf(ended) })]),
      ...(parties.length === 0 ? [] : [insertParties({ rows: jsonOf(parties) })]),
    ];
  };
}

/** The filters that one index serves: live sessions by principal or instance, all sessions by every one. */
function indexed({ principal, agent, instance, active, ipAddress }: SessionFilter): SessionFilter {
  const live = active === true ? { active } : {};
  if (principal !== undefined) return { principal, ...live };
  if (ipAddress !== undefined) return { ipAddress };
  if (instance !== undefined) return { agent, instance, ...live };
  if (active === true) return live;
  return agent === undefined ? {} : { agent };
}

/** Of the table, or of a subquery on it. */
type SessionColumns = Readonly<
  Record<'userId' | 'agentSlug' | 'instanceId' | 'endedAt' | 'ipAddress', Column>
>;

const matching = (columns: SessionColumns, filter: SessionFilter) => {
  const { principal, agent, instance, active, ipAddress, from } = filter;
  return and(
    principal === undefined ? undefined : eq(columns.userId, principal),
    agent === undefined ? undefined : eq(columns.agentSlug, agent),
    instance === undefined ? undefined : eq(columns.instanceId, instance),
    active === undefined ? undefined : active ? isNull(columns.endedAt) : isNotNull(columns.endedAt),
    ipAddress === undefined ? undefined : eq(columns.ipAddress, ipAddress),
    from === undefined ? undefined : or(isNull(columns.endedAt), gt(columns.endedAt, from)),
  );
};

/**
 * {@link SessionFilter} by a party. The rows of the party give the order; the sessions of a page are read by their
 * ids.
 */
async function listOfParty(
  db: RecordDatabase,
  party: string,
  rest: SessionFilter,
  earliest: number | undefined,
  begins: readonly [number, string] | undefined,
  limit: number,
): Promise<FoundPage<AgentSessionRow, SessionCursor>> {
  const { startedAt, sessionId, partyId } = sessionParties;
  const examined = db
    .select({ startedAt, id: sessionId })
    .from(sessionParties)
    .where(
      and(
        eq(partyId, party),
        earliest === undefined ? undefined : gt(startedAt, earliest),
        isAfter(startedAt, sessionId, begins),
      ),
    )
    .orderBy(desc(startedAt), desc(sessionId))
    .limit(MAX_EXAMINED)
    .as('examined');
  const page = await db.batch([
    // CROSS JOIN, so that the planner keeps the order of the parties and reads each session by its id.
    db
      .select(getTableColumns(agentSessions))
      .from(examined)
      .crossJoin(agentSessions)
      .where(and(eq(agentSessions.id, examined.id), matching(agentSessions, rest)))
      .limit(limit),
    db
      .select({ startedAt: examined.startedAt, id: examined.id })
      .from(examined)
      .limit(1)
      .offset(MAX_EXAMINED - 1),
  ]);
  return foundPage(page, limit);
}

export function sessionStore(db: RecordDatabase) {
  /** How many sessions are live of each name in a column, no more than `most` counted of each. */
  async function countLive(
    column: 'agent_slug' | 'user_id',
    names: readonly string[],
    most: number,
  ): Promise<ReadonlyMap<string, number>> {
    const rows = await db
      .select({
        name: sql<string>`q.value`,
        live: sql<number>`(SELECT count(*) FROM (SELECT 1 FROM ${agentSessions}
          WHERE ${sql.identifier(column)} = q.value AND ended_at IS NULL LIMIT ${most}))`,
      })
      .from(sql`${each(names)} AS q`);
    return new Map(rows.map(({ name, live }) => [name, live]));
  }

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

    /** Sessions by filter, newest first. The start is in every index, so a span of time bounds the rows that are read. */
    async list(
      filter: SessionFilter,
      after: SessionCursor | undefined,
      limit: number,
    ): Promise<FoundPage<AgentSessionRow, SessionCursor>> {
      const { startedAt, id } = agentSessions;
      const { to, party, ...others } = filter;
      const { from, active } = others;
      // Of live ones none is older than that, and the planner finds their index with no second bound only.
      const earliest = from === undefined || active === true ? undefined : from - LIVED_AT_MOST_MS;
      const starts =
        to === undefined || (after !== undefined && after.startedAt < to) ? after : { startedAt: to, id: '' };
      const begins = starts && ([starts.startedAt, starts.id] as const);
      if (party !== undefined) return listOfParty(db, party, others, earliest, begins, limit);
      const served = indexed(filter);
      const rest = Object.fromEntries(Object.entries(others).filter(([name]) => !(name in served)));
      const all = db
        .select()
        .from(agentSessions)
        .where(
          and(
            matching(agentSessions, served),
            earliest === undefined ? undefined : gt(startedAt, earliest),
            isAfter(startedAt, id, begins),
          ),
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

    /** How many sessions of some agents are live, no more than `most` counted of each. */
    openOf: (agents: readonly string[], most: number) => countLive('agent_slug', agents, most),

    /** How many sessions of some principals are live, no more than `most` counted of each. */
    countLive: (principals: readonly string[], most: number) => countLive('user_id', principals, most),

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
