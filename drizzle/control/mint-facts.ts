import { sql } from 'drizzle-orm';
import { built } from '../database.ts';
import { type ControlDatabase, firstAnyOn, type RevocationRow } from './change.ts';
import { claimsOf, type GrantRow, type PolicyQuestion, type PolicyRows, ROLE_NAMES } from './policy.ts';
import type { TokenWithSecrets } from './service-tokens.ts';
import type { KeyTimes } from './signing-keys.ts';

/** What the decision on one request for a ticket depends on. */
export interface MintQuestion extends PolicyQuestion {
  readonly at: { readonly agent: string; readonly instance: string };
  /** The key that would sign. */
  readonly kid: string;
  /** The service token whose secret was presented; left out: the caller was verified without the database. */
  readonly tokenId?: string | undefined;
}

export interface MintFacts {
  readonly policy: PolicyRows;
  /** The ticket key of the question; `undefined`: there is none. */
  readonly key: KeyTimes | undefined;
  /** The principal as it was last seen; `undefined`: it has no label. */
  readonly seen: { readonly label: string; readonly at: number } | undefined;
  /** As {@link TokenWithSecrets}; `undefined`: there is none, or none was asked for. */
  readonly token: TokenWithSecrets | undefined;
}

/** Columns as `sql`, since the tables of these statements have aliases. `q` is the number of the question. */
const CALLER = {
  q: sql<number>`q.key`,
  rev: sql<number>`(SELECT coalesce(max(rev), 0) FROM revocations) AS rev`,
  claims: sql<number>`${claimsOf(sql`q.value ->> 0`, sql`q.value ->> 1`)} AS claims`,
  principal: sql<string | null>`p.id`,
  tokensBefore: sql<number | null>`p.tokens_before`,
  loginsBefore: sql<number | null>`p.logins_before`,
  label: sql<string | null>`p.label`,
  lastSeenAt: sql<number | null>`p.last_seen_at`,
  kid: sql<string | null>`k.kid`,
  generation: sql<number>`k.generation`,
  activatesAt: sql<number>`k.activates_at`,
  retiresAt: sql<number | null>`k.retires_at`,
  removedAt: sql<number | null>`k.removed_at`,
  revokedAt: sql<number | null>`k.revoked_at`,
  token: sql<TokenWithSecrets | null>`(SELECT json_object('token', json_object(
      'id', t.id, 'name', t.name, 'agents', json(t.agents), 'permissions', json(t.permissions), 'tier', t.tier,
      'createdBy', t.created_by, 'createdAt', t.created_at, 'expiresAt', t.expires_at, 'revokedAt', t.revoked_at,
      'lastUsedAt', t.last_used_at),
    'secrets', json((SELECT json_group_array(json_object(
        'digest', s.digest, 'tokenId', s.token_id, 'createdAt', s.created_at, 'expiresAt', s.expires_at))
      FROM service_token_secrets AS s WHERE s.token_id = t.id)))
    FROM service_tokens AS t WHERE t.id = q.value ->> 3) AS token`.mapWith(
    (text: string): TokenWithSecrets => JSON.parse(text),
  ),
};

const GRANT = {
  q: sql<number>`q`,
  kind: sql<'held' | 'owner'>`kind`,
  id: sql<string>`id`,
  subject: sql<string>`subject`,
  agentSlug: sql<string>`agent_slug`,
  instanceId: sql<string>`instance_id`,
  role: sql<string>`role`,
  reason: sql<string>`reason`,
  createdBy: sql<string>`created_by`,
  createdAt: sql<number>`created_at`,
  expiresAt: sql<number | null>`expires_at`,
  claimed: sql<boolean>`claimed`.mapWith((claimed: number) => claimed === 1),
  openedAt: sql<number | null>`opened_at`,
  deletedAt: sql<number | null>`deleted_at`,
};

const REVOCATION = {
  q: sql<number>`q.key`,
  id: sql<string>`r.id`,
  rev: sql<number>`r.rev`,
  target: sql<string>`r.target`,
  kind: sql<RevocationRow['kind']>`r.kind`,
  until: sql<number | null>`r.until`,
  code: sql<RevocationRow['code']>`r.code`,
  reason: sql<string>`r.reason`,
  createdBy: sql<string>`r.created_by`,
  createdAt: sql<number>`r.created_at`,
};

/**
 * The facts of many requests, in the order of the questions, by one batch: all of one state of the database. Each
 * statement takes every question as one JSON text, so a batch has the same statements for one question and for many.
 * Policy rows are those of `readPolicy`.
 */
export function mintFactsReader(
  db: ControlDatabase,
): (questions: readonly MintQuestion[]) => Promise<MintFacts[]> {
  // CROSS JOIN keeps the order of the tables: each question seeks in an index, and no table is walked through.
  const selectCallers = built(() =>
    db.select(CALLER).from(
      sql`json_each(${sql.placeholder('callers')}) AS q
          LEFT JOIN principals AS p ON p.id = q.value ->> 0
          LEFT JOIN signing_keys AS k ON k.kid = q.value ->> 2 AND k.purpose = 'ticket'`,
    ),
  );
  const selectGrants = built(() =>
    db.select(GRANT).from(
      sql`(WITH questions AS (SELECT key, value FROM json_each(${sql.placeholder('places')}))
          SELECT q.key AS q, 'held' AS kind, g.*
          FROM questions AS q CROSS JOIN json_each(q.value, '$[3]') AS s CROSS JOIN grants AS g
          WHERE g.subject = s.value AND g.agent_slug = q.value ->> 0 AND g.role IN ${ROLE_NAMES}
            AND g.instance_id IN (q.value ->> 1, '*')
            AND g.deleted_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > q.value ->> 2)
          UNION ALL
          SELECT q.key, 'owner', g.*
          FROM questions AS q CROSS JOIN grants AS g
          WHERE g.id IN (SELECT o.id FROM grants AS o WHERE o.agent_slug = q.value ->> 0
            AND o.instance_id = q.value ->> 1 AND o.role = 'owner' LIMIT 2))`,
    ),
  );
  const selectRevocations = built(() =>
    db
      .select(REVOCATION)
      .from(
        sql`json_each(${sql.placeholder('targets')}) AS q CROSS JOIN json_each(q.value, '$[1]') AS t CROSS JOIN revocations AS r`,
      )
      .where(sql`r.id = ${firstAnyOn(sql`t.value`, sql`q.value ->> 0`)}`),
  );
  return async (questions) => {
    const json = (of: (question: MintQuestion) => readonly unknown[]): string =>
      JSON.stringify(questions.map(of));
    const [callerRows, grantRows, revocationRows] = await db.batch([
      selectCallers({ callers: json((q) => [q.principal, q.claimsSince, q.kid, q.tokenId ?? null]) }),
      selectGrants({
        places: json((q) => [q.at.agent, q.at.instance, q.now, [...new Set(q.subjects)]]),
      }),
      selectRevocations({ targets: json((q) => [q.now, [...new Set(q.targets)]]) }),
    ]);
    const rowsOf = questions.map(() => ({
      held: [] as GrantRow[],
      owners: [] as GrantRow[],
      revocations: [] as RevocationRow[],
    }));
    for (const { q, kind, ...grant } of grantRows)
      rowsOf[q]?.[kind === 'owner' ? 'owners' : 'held'].push(grant);
    for (const { q, ...revocation } of revocationRows) rowsOf[q]?.revocations.push(revocation);
    const callerOf = new Map(callerRows.map((row) => [row.q, row]));
    return rowsOf.map(({ held, owners, revocations }, index) => {
      const caller = callerOf.get(index);
      if (caller === undefined) throw new TypeError('a question has one row of its caller');
      const { rev, claims, principal, tokensBefore, loginsBefore, kid, token } = caller;
      const { label, lastSeenAt } = caller;
      const { generation, activatesAt, retiresAt, removedAt, revokedAt } = caller;
      return {
        policy: {
          grants: held,
          revocations,
          rev,
          signedOut: principal === null ? undefined : { tokensBefore, loginsBefore },
          owners,
          claims,
        },
        key: kid === null ? undefined : { kid, generation, activatesAt, retiresAt, removedAt, revokedAt },
        seen: label === null || lastSeenAt === null ? undefined : { label, at: lastSeenAt },
        token: token === null || token.secrets.length === 0 ? undefined : token,
      };
    });
  };
}
