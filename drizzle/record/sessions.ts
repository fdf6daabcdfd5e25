import type { Role } from '@agent-ticket/shared/names.ts';
import type { Target } from '@agent-ticket/shared/target.ts';
import {
  and,
  asc,
  count,
  desc,
  eq,
  gte,
  inArray,
  isNotNull,
  isNull,
  lt,
  lte,
  or,
  type SQL,
  sql,
} from 'drizzle-orm';
import type { RecordDatabase } from './database.ts';
import { agentSessions, sessionActors } from './schema.ts';
import { insertActors, sessionsActedIn } from './session-actors.ts';

export type AgentSessionRow = typeof agentSessions.$inferSelect;

/** A session as its object knows it. Domain names; columns are mapped here. Times in ms. */
export interface SessionFact {
  readonly id: string;
  readonly principal: string;
  readonly agent: string;
  readonly instance: string;
  readonly role: Role;
  /** Space-separated. */
  readonly scope: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly endReason: string | null;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  readonly jti: string;
  readonly kid: string;
  /** When that ticket was issued. */
  readonly issuedAt: number;
  /** Principal ids of those who act for the principal; left out: nobody does. */
  readonly actors?: readonly string[] | undefined;
}

/**
 * Writes what the object knows. Facts may arrive twice and out of order: an end, once written, stays, so that a
 * late "opened" never brings a session back to life. For use alone or inside a `batch`.
 */
export const upsertSession = (db: RecordDatabase, fact: SessionFact) => {
  const { principal, agent, instance, actors: _, ...same } = fact;
  return db
    .insert(agentSessions)
    .values({ ...same, userId: principal, agentSlug: agent, instanceId: instance })
    .onConflictDoUpdate({
      target: agentSessions.id,
      set: {
        role: sql`excluded.role`,
        scope: sql`excluded.scope`,
        jti: sql`excluded.jti`,
        kid: sql`excluded.kid`,
        issuedAt: sql`excluded.issued_at`,
        endedAt: sql`coalesce(${agentSessions.endedAt}, excluded.ended_at)`,
        endReason: sql`coalesce(${agentSessions.endReason}, excluded.end_reason)`,
      },
    });
};

/** {@link upsertSession} and who acts in it, for use inside a `batch`. */
export const writeSession = (db: RecordDatabase, fact: SessionFact) => [
  upsertSession(db, fact),
  ...(fact.actors === undefined || fact.actors.length === 0 ? [] : [insertActors(db, fact.id, fact.actors)]),
];

/** The sessions of somebody, and those in which they act for somebody else. */
const isPartyTo = (db: RecordDatabase, principal: string): SQL | undefined =>
  or(eq(agentSessions.userId, principal), inArray(agentSessions.id, sessionsActedIn(db, principal)));

/** The sessions that a target names. */
function hits(db: RecordDatabase, target: Target): SQL | undefined {
  switch (target.kind) {
    case 'principal':
      return isPartyTo(db, target.id);
    case 'service-token':
      return isPartyTo(db, `token:${target.id}`);
    case 'agent':
      return eq(agentSessions.agentSlug, target.agent);
    case 'instance':
      return and(eq(agentSessions.agentSlug, target.agent), eq(agentSessions.instanceId, target.instance));
    case 'session':
      return eq(agentSessions.id, target.id);
    case 'key':
      return eq(agentSessions.kid, target.kid);
    case 'everything':
      return undefined;
  }
}

/** Live sessions that a command is about. */
export interface MeantSessions {
  readonly target: Target;
  /** Of this principal alone; left out: of all that the target hits. */
  readonly principal?: string | undefined;
  /** Those that started no later, or whose ticket was issued no later, in ms. */
  readonly before: number;
}

const isMeant = (
  db: RecordDatabase,
  { target, principal, before }: MeantSessions,
  after: ObjectPlace | undefined,
): SQL | undefined =>
  and(
    isNull(agentSessions.endedAt),
    or(lte(agentSessions.startedAt, before), lte(agentSessions.issuedAt, before)),
    hits(db, target),
    principal === undefined ? undefined : eq(agentSessions.userId, principal),
    after === undefined
      ? undefined
      : sql`(${agentSessions.agentSlug}, ${agentSessions.instanceId}) > (${after.agent}, ${after.instance})`,
  );

/** One object of an agent, and its place among all of them. */
export interface ObjectPlace {
  readonly agent: string;
  readonly instance: string;
}

export interface SessionFilter {
  readonly principal?: string | undefined;
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  /** `true`: not ended; `false`: ended. */
  readonly active?: boolean | undefined;
}

/** A place in the order newest first. */
export interface SessionPlace {
  readonly startedAt: number;
  readonly id: string;
}

export function sessionQueries(db: RecordDatabase) {
  return {
    async find(id: string): Promise<AgentSessionRow | undefined> {
      const [row] = await db.select().from(agentSessions).where(eq(agentSessions.id, id));
      return row;
    },

    /** Objects with live sessions that are meant, in the order of their names, after a place in it. */
    liveObjects: (
      meant: MeantSessions,
      after: ObjectPlace | undefined,
      limit: number,
    ): Promise<ObjectPlace[]> =>
      db
        .selectDistinct({ agent: agentSessions.agentSlug, instance: agentSessions.instanceId })
        .from(agentSessions)
        .where(isMeant(db, meant, after))
        .orderBy(agentSessions.agentSlug, agentSessions.instanceId)
        .limit(limit),

    /** How many objects {@link liveObjects} has after a place. */
    async countLiveObjects(meant: MeantSessions, after: ObjectPlace | undefined): Promise<number> {
      const objects = db
        .selectDistinct({ agent: agentSessions.agentSlug, instance: agentSessions.instanceId })
        .from(agentSessions)
        .where(isMeant(db, meant, after))
        .as('objects');
      const [row] = await db.select({ n: count() }).from(objects);
      return row?.n ?? 0;
    },

    /** Sessions without an end that started between two times, both included, in ms; oldest first. */
    listOpen: (from: number, until: number, limit: number): Promise<AgentSessionRow[]> =>
      db
        .select()
        .from(agentSessions)
        .where(
          and(
            isNull(agentSessions.endedAt),
            gte(agentSessions.startedAt, from),
            lte(agentSessions.startedAt, until),
          ),
        )
        .orderBy(agentSessions.startedAt, agentSessions.id)
        .limit(limit),

    /** Sessions by filter, newest first, after a place in that order. */
    list: (
      filter: SessionFilter,
      after: SessionPlace | undefined,
      limit: number,
    ): Promise<AgentSessionRow[]> =>
      db
        .select()
        .from(agentSessions)
        .where(
          and(
            filter.principal === undefined ? undefined : eq(agentSessions.userId, filter.principal),
            filter.agent === undefined ? undefined : eq(agentSessions.agentSlug, filter.agent),
            filter.instance === undefined ? undefined : eq(agentSessions.instanceId, filter.instance),
            filter.active === undefined
              ? undefined
              : filter.active
                ? isNull(agentSessions.endedAt)
                : isNotNull(agentSessions.endedAt),
            after === undefined
              ? undefined
              : sql`(${agentSessions.startedAt}, ${agentSessions.id}) < (${after.startedAt}, ${after.id})`,
          ),
        )
        .orderBy(desc(agentSessions.startedAt), desc(agentSessions.id))
        .limit(limit),

    /** Whether a principal opened a session on an instance at `since`, in ms, or later. */
    async wasOpened(agent: string, instance: string, principal: string, since: number): Promise<boolean> {
      const rows = await db
        .select({ id: agentSessions.id })
        .from(agentSessions)
        .where(
          and(
            eq(agentSessions.agentSlug, agent),
            eq(agentSessions.instanceId, instance),
            eq(agentSessions.userId, principal),
            gte(agentSessions.startedAt, since),
          ),
        )
        .limit(1);
      return rows.length > 0;
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
        db.delete(sessionActors).where(inArray(sessionActors.sessionId, old)),
        db.delete(agentSessions).where(inArray(agentSessions.id, old)).returning({ id: agentSessions.id }),
      ]);
      return gone.length;
    },
  };
}
