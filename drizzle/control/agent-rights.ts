import { eq, inArray, type SQL, sql } from 'drizzle-orm';
import { each, MAX_EXAMINED } from '../database.ts';
import { type ControlDatabase, isAnyOn } from './change.ts';
import { claimsOf, type PolicyQuestion, type PolicyRows, ROLE_NAMES } from './policy.ts';
import { grants, principals, revocations } from './schema.ts';

export interface AgentRightsQuestion extends Omit<PolicyQuestion, 'at'> {
  /** The agents in question, each with its instances; left out: an agent may have any. */
  readonly agents: readonly { readonly slug: string; readonly instances?: readonly string[] | undefined }[];
  /** In ms: grants that end before it do not count. */
  readonly lastsUntil: number;
}

/** The rows that decide which agents a principal may use. */
export type AgentRightsRows = Pick<PolicyRows, 'grants' | 'revocations' | 'signedOut' | 'claims'>;

/**
 * For each subject, agent and role a grant that counts: of an agent with listed instances one on each of them, of
 * another agent the first on an instance without a lock. What is read grows with subjects and agents, not with grants:
 * of one subject in one role on one agent the first {@link MAX_EXAMINED} instances are examined and no others.
 */
export async function readAgentRights(db: ControlDatabase, q: AgentRightsQuestion): Promise<AgentRightsRows> {
  const { now } = q;
  const open = q.agents.flatMap(({ slug, instances }) => (instances === undefined ? [slug] : []));
  const listed = q.agents.flatMap(({ slug, instances }) =>
    instances === undefined ? [] : [...instances, '*'].map((instance) => [slug, instance]),
  );
  const counts = sql`(expires_at IS NULL OR expires_at >= ${q.lastsUntil})
    AND NOT (claimed = 1 AND opened_at IS NULL AND created_at < ${q.claimsSince})`;
  const isUnlocked = (until: SQL): SQL => sql`NOT EXISTS (SELECT 1 FROM ${revocations}
    WHERE target = 'instance:' || place.agent_slug || '/' || place.instance_id AND kind = 'any' AND ${until})`;
  const firstOnOpen = sql`(
    SELECT (
      SELECT place.id FROM (
        SELECT * FROM ${grants}
        WHERE subject = subjects.value AND agent_slug = agents.value AND role = roles.value AND deleted_at IS NULL
        ORDER BY instance_id LIMIT ${MAX_EXAMINED}) AS place
      WHERE ${counts} AND ${isUnlocked(sql`until IS NULL`)} AND ${isUnlocked(sql`until > ${now}`)}
      LIMIT 1)
    FROM ${each(q.subjects)} AS subjects CROSS JOIN ${each(open)} AS agents CROSS JOIN ${each(ROLE_NAMES)} AS roles)`;
  const onListed = sql`(
    SELECT ${grants.id}
    FROM ${each(q.subjects)} AS subjects CROSS JOIN ${each(listed)} AS places CROSS JOIN ${each(ROLE_NAMES)} AS roles
    CROSS JOIN ${grants}
    WHERE subject = subjects.value AND agent_slug = places.value ->> 0 AND role = roles.value
      AND instance_id = places.value ->> 1 AND deleted_at IS NULL AND ${counts})`;
  const [grantRows, revocationRows, [signedOut], [claims]] = await db.batch([
    db
      .select()
      .from(grants)
      .where(sql`${inArray(grants.id, firstOnOpen)} OR ${inArray(grants.id, onListed)}`),
    db.select().from(revocations).where(isAnyOn(q.targets, now)),
    db
      .select({ tokensBefore: principals.tokensBefore, loginsBefore: principals.loginsBefore })
      .from(principals)
      .where(eq(principals.id, q.principal)),
    db.select({ n: claimsOf(q.principal, q.claimsSince) }).from(sql`(SELECT 1)`),
  ]);
  return { grants: grantRows, revocations: revocationRows, signedOut, claims: claims?.n ?? 0 };
}
