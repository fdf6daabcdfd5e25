import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import { readTargetName, type Target } from '@agent-ticket/shared/target.ts';
import {
  and,
  asc,
  count,
  eq,
  getTableColumns,
  gt,
  inArray,
  isNull,
  lt,
  lte,
  max,
  or,
  type SQL,
  sql,
} from 'drizzle-orm';
import { among, type Database, deleteFirst, type Statement } from '../database.ts';
import type * as schema from './schema.ts';
import { agentSessions, auditEvents, revocationCopies, sessionParties } from './schema.ts';

export type RecordDatabase = Database<typeof schema>;

/** By the database's own clock: the workers that write and read it have clocks of their own. In ms. */
const DATABASE_NOW = sql`CAST(unixepoch('subsec') * 1000 AS INTEGER)`;

/** The subquery by itself, since only so the maximum is a seek. */
const NEXT_ARRIVAL = sql`max(coalesce((SELECT max(arrival) FROM revocation_copies), 0) + 1, ${DATABASE_NOW})`;

/** Writes a version of a revocation, which so arrives, unless a newer one is there. For use inside a `batch`. */
export const applyRevocation = (db: RecordDatabase, revocation: Revocation): Statement =>
  db
    .insert(revocationCopies)
    .values({ ...revocation, arrival: NEXT_ARRIVAL })
    .onConflictDoUpdate({
      target: revocationCopies.id,
      set: {
        rev: sql`excluded.rev`,
        target: sql`excluded.target`,
        kind: sql`excluded.kind`,
        until: sql`excluded.until`,
        code: sql`excluded.code`,
        arrival: sql`excluded.arrival`,
      },
      setWhere: sql`excluded.rev > ${revocationCopies.rev}`,
    });

/** A version of a revocation, and its number in the order of arrival. */
export interface ArrivedRevocation extends Revocation {
  readonly arrival: number;
}

/** One object of an agent, and a cursor in the order of their names. */
export interface AgentInstance {
  readonly agent: string;
  readonly instance: string;
}

export function recordRevocationStore(db: RecordDatabase) {
  return {
    /**
     * Those that arrived after a number and in the last so many ms, in the order of arrival. A number that was answered
     * once is safe to continue from: whatever arrives later has a greater one.
     */
    listArrived: (after: number, withinMs: number, limit: number): Promise<ArrivedRevocation[]> =>
      db
        .select()
        .from(revocationCopies)
        .where(sql`${revocationCopies.arrival} > max(${after}, ${DATABASE_NOW} - ${withinMs})`)
        .orderBy(asc(revocationCopies.arrival))
        .limit(limit),

    /** Those of any of these targets that are in force. Does not look at the `rev` of a ticket. `now` in ms. */
    ofTargets(names: readonly string[], now: number): Promise<Revocation[]> {
      const { arrival: _, ...columns } = getTableColumns(revocationCopies);
      return db
        .select(columns)
        .from(revocationCopies)
        .where(
          and(
            inArray(revocationCopies.target, among(names)),
            or(isNull(revocationCopies.until), gt(revocationCopies.until, now)),
          ),
        );
    },

    /** The names of the keys that were revoked. An operator's lock on a key has an id of its own, and is none of them. */
    async revokedKeys(): Promise<string[]> {
      const { id } = revocationCopies;
      const found = await db
        .select({ id })
        .from(revocationCopies)
        .where(and(gt(id, 'any key:'), lt(id, 'any key;')));
      return found.map((row) => row.id.slice('any key:'.length));
    },

    /** Copies without an end, after one in the order of their ids. */
    listEndless(after: string, limit: number): Promise<Revocation[]> {
      const { arrival: _, ...columns } = getTableColumns(revocationCopies);
      return db
        .select(columns)
        .from(revocationCopies)
        .where(and(gt(revocationCopies.id, after), isNull(revocationCopies.until)))
        .orderBy(asc(revocationCopies.id))
        .limit(limit);
    },

    /** Writes versions of revocations, each unless a newer one is there. */
    async apply(versions: readonly Revocation[]): Promise<void> {
      const [first, ...rest] = versions.map((each) => applyRevocation(db, each));
      if (first !== undefined) await db.batch([first, ...rest]);
    },

    /** The greatest number of a copy; 0 where there is none. */
    async newestRev(): Promise<number> {
      const [row] = await db.select({ rev: max(revocationCopies.rev) }).from(revocationCopies);
      return row?.rev ?? 0;
    },

    /** Objects of an agent worker with live sessions that a revocation hits, in the order of their names, after a cursor. */
    liveObjects: (
      audience: string,
      revocation: Revocation,
      after: AgentInstance | undefined,
      limit: number,
    ): Promise<AgentInstance[]> =>
      db
        .selectDistinct({ agent: agentSessions.agentSlug, instance: agentSessions.instanceId })
        .from(agentSessions)
        .where(isHitAfter(db, audience, revocation, after))
        .orderBy(agentSessions.agentSlug, agentSessions.instanceId)
        .limit(limit),

    /** How many objects `liveObjects` has after a cursor. */
    async countLiveObjects(
      audience: string,
      revocation: Revocation,
      after: AgentInstance | undefined,
    ): Promise<number> {
      const objects = db
        .selectDistinct({ agent: agentSessions.agentSlug, instance: agentSessions.instanceId })
        .from(agentSessions)
        .where(isHitAfter(db, audience, revocation, after))
        .as('objects');
      const [row] = await db.select({ n: count() }).from(objects);
      return row?.n ?? 0;
    },

    /**
     * Forgets copies that stopped to hit before a moment, in ms, no more than `limit`; never the newest, after whose number
     * those of a restored control database go on. How many went.
     */
    purge(before: number, limit: number): Promise<number> {
      return deleteFirst(db, {
        key: revocationCopies.id,
        by: revocationCopies.until,
        where: and(lte(revocationCopies.until, before), sql`rev < (SELECT max(rev) FROM revocation_copies)`),
        limit,
      });
    },
  };
}

/** Live sessions that a revocation hits, in objects after a cursor. Does not look at `until`: the sender has. */
const isHitAfter = (
  db: RecordDatabase,
  audience: string,
  { target, kind, rev }: Revocation,
  after: AgentInstance = { agent: '', instance: '' },
): SQL | undefined =>
  and(
    isNull(agentSessions.endedAt),
    eq(agentSessions.audience, audience),
    belongsTo(db, readTargetName(target)),
    kind === 'any' ? undefined : lt(agentSessions.rev, rev),
    sql`(${agentSessions.agentSlug}, ${agentSessions.instanceId}) > (${after.agent}, ${after.instance})`,
  );

/** The sessions to which a principal is a party. */
const isPartyTo = (db: RecordDatabase, principal: string): SQL | undefined =>
  or(
    eq(agentSessions.userId, principal),
    inArray(
      agentSessions.id,
      db
        .select({ id: sessionParties.sessionId })
        .from(sessionParties)
        .where(eq(sessionParties.partyId, principal)),
    ),
  );

/**
 * The session that a ticket opened or renewed, if its rights still come from that ticket. The event that came in the same
 * batch as the session names it.
 */
const isOpenedBy = (db: RecordDatabase, jti: string): SQL | undefined =>
  and(
    eq(agentSessions.jti, jti),
    inArray(
      agentSessions.id,
      db.select({ id: auditEvents.sessionId }).from(auditEvents).where(eq(auditEvents.jti, jti)),
    ),
  );

/** The sessions that a target names. The same as the names of `targetNamesOf`, in SQL. */
function belongsTo(db: RecordDatabase, target: Target): SQL | undefined {
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
    case 'grant':
      return eq(agentSessions.grantId, target.id);
    case 'login':
      return eq(agentSessions.loginId, target.id);
    case 'ticket':
      return isOpenedBy(db, target.jti);
    case 'address':
      return eq(agentSessions.ipAddress, target.address);
    // A request by callback opens no session.
    case 'callback':
      return sql`false`;
    case 'everything':
      return undefined;
  }
}
