import type { Target } from '@agent-ticket/shared/target.ts';
import { and, count, eq, inArray, isNull, lte, or, type SQL, sql } from 'drizzle-orm';
import type { RecordDatabase } from './database.ts';
import { agentSessions } from './schema.ts';
import { sessionsActedIn } from './session-actors.ts';

/** Live sessions that a command is about. */
export interface MeantSessions {
  readonly target: Target;
  /** Of this principal alone; left out: of all that the target hits. */
  readonly principal?: string | undefined;
  /** Those that started no later, or whose ticket was issued no later, in ms. */
  readonly before: number;
}

/** One object of an agent, and its place among all of them. */
export interface ObjectPlace {
  readonly agent: string;
  readonly instance: string;
}

/** Where a command has to go: the objects in which somebody is whom it means. */
export function liveObjectQueries(db: RecordDatabase) {
  return {
    /** Objects with live sessions that are meant, in the order of their names, after a place in it. */
    list: (meant: MeantSessions, after: ObjectPlace | undefined, limit: number): Promise<ObjectPlace[]> =>
      db
        .selectDistinct({ agent: agentSessions.agentSlug, instance: agentSessions.instanceId })
        .from(agentSessions)
        .where(isMeant(db, meant, after))
        .orderBy(agentSessions.agentSlug, agentSessions.instanceId)
        .limit(limit),

    /** How many objects `list` has after a place. */
    async count(meant: MeantSessions, after: ObjectPlace | undefined): Promise<number> {
      const objects = db
        .selectDistinct({ agent: agentSessions.agentSlug, instance: agentSessions.instanceId })
        .from(agentSessions)
        .where(isMeant(db, meant, after))
        .as('objects');
      const [row] = await db.select({ n: count() }).from(objects);
      return row?.n ?? 0;
    },
  };
}

/** Live sessions that are meant, in objects after a place. */
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
