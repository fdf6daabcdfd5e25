import { REVOCATION_CODES } from '@agent-ticket/shared/revocation.ts';
import { sql } from 'drizzle-orm';
import { customType, index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

/** The broker's own database. Nothing that runs agent code may open it: a row here is policy. Times are in ms. */

export const signingKeys = sqliteTable(
  'signing_keys',
  {
    /** RFC 7638 thumbprint. */
    kid: text('kid').primaryKey(),
    /** What the key signs; keys of different purposes never share a JWKS. */
    purpose: text('purpose', { enum: ['ticket', 'audit'] }).notNull(),
    /** 1, 2, 3 within a purpose: inserting the next number is the compare-and-set of a rotation. */
    generation: integer('generation').notNull(),
    alg: text('alg').notNull(),
    /** The private JWK under AES-GCM; readable only with the broker's key-encryption key. Empty once revoked. */
    sealed: text('sealed').notNull(),
    createdAt: integer('created_at').notNull(),
    activatesAt: integer('activates_at').notNull(),
    /** From here on it verifies only. Null: until a successor is made. */
    retiresAt: integer('retires_at'),
    /** From here on it is not published either. */
    removedAt: integer('removed_at'),
    revokedAt: integer('revoked_at'),
  },
  (t) => [uniqueIndex('signing_keys_generation').on(t.purpose, t.generation)],
);

export const serviceTokens = sqliteTable(
  'service_tokens',
  {
    /** `svc_…`: the OAuth `client_id` as well. Its principal is `token:` and this. */
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    /** Slugs it may ask for; null: all. */
    agents: text('agents', { mode: 'json' }).$type<string[]>(),
    permissions: text('permissions', { mode: 'json' }).$type<string[]>().notNull(),
    tier: text('tier').notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at'),
    revokedAt: integer('revoked_at'),
    lastUsedAt: integer('last_used_at'),
  },
  (t) => [index('service_tokens_newest').on(t.createdAt, t.id).where(sql`revoked_at IS NULL`)],
);

/** Live secrets of a service token, two while one is rotated out. */
export const serviceTokenSecrets = sqliteTable(
  'service_token_secrets',
  {
    /** Peppered HMAC of the secret, base64url. The secret itself is nowhere. */
    digest: text('digest').primaryKey(),
    tokenId: text('token_id')
      .notNull()
      .references(() => serviceTokens.id, { onDelete: 'cascade' }),
    createdAt: integer('created_at').notNull(),
    /** End of the grace time after a rotation. */
    expiresAt: integer('expires_at'),
  },
  (t) => [index('service_token_secrets_token').on(t.tokenId)],
);

export const grants = sqliteTable(
  'grants',
  {
    id: text('id').primaryKey(),
    /** A principal id, `email:<address>`, `email:*@<domain>` or `group:<issuer>:<name>`. */
    subject: text('subject').notNull(),
    agentSlug: text('agent_slug').notNull(),
    /** An instance name, or `*` for every one. */
    instanceId: text('instance_id').notNull(),
    role: text('role').notNull(),
    reason: text('reason').notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at'),
    /** Whether a first user took the instance by asking. One such row per instance, deleted or not, closes it to others. */
    claimed: integer('claimed', { mode: 'boolean' }).notNull().default(false),
    /** When a claimed instance was first seen to have been opened; null: the claim may lapse. */
    openedAt: integer('opened_at'),
    deletedAt: integer('deleted_at'),
  },
  (t) => [
    index('grants_newest').on(t.createdAt, t.id).where(sql`deleted_at IS NULL`),
    index('grants_agent').on(t.agentSlug, t.createdAt, t.id).where(sql`deleted_at IS NULL`),
    index('grants_subject').on(t.subject, t.createdAt, t.id).where(sql`deleted_at IS NULL`),
    // Nobody has the same grant twice. The role comes before the instance, so that "the best role anywhere" is a seek too.
    uniqueIndex('grants_lookup_unique')
      .on(t.subject, t.agentSlug, t.role, t.instanceId)
      .where(sql`deleted_at IS NULL`),
    index('grants_instance').on(t.agentSlug, t.instanceId, t.createdAt, t.id).where(sql`deleted_at IS NULL`),
    // Deleted ones too: a deleted owner keeps the instance from being claimed.
    index('grants_owner').on(t.agentSlug, t.instanceId).where(sql`role = 'owner'`),
    index('grants_claims')
      .on(t.subject, t.openedAt, t.createdAt)
      .where(sql`claimed = 1 AND deleted_at IS NULL`),
    index('grants_ended').on(t.expiresAt).where(sql`deleted_at IS NULL AND expires_at IS NOT NULL`),
    index('grants_deleted').on(t.deletedAt).where(sql`deleted_at IS NOT NULL AND role <> 'owner'`),
    uniqueIndex('grants_claim_unique').on(t.agentSlug, t.instanceId).where(sql`claimed = 1`),
  ],
);

/**
 * Revocations of tickets: locks, ended sign-ins, terminations, deleted grants, tokens and instances, lapsed claims,
 * revoked keys. This table is authoritative; the record database and objects have copies without reasons.
 */
export const revocations = sqliteTable(
  'revocations',
  {
    /** Of a lock its own UUID; otherwise kind and target, so that a newer one replaces an older one. */
    id: text('id').primaryKey(),
    /** Greater than that of every earlier change; a row that changes gets a new one. Tickets carry the greatest. */
    rev: integer('rev').notNull().unique(),
    /** `<kind>:<name>` in one canonical spelling, so that one index answers for every kind. */
    target: text('target').notNull(),
    kind: text('kind', { enum: ['any', 'before'] }).notNull(),
    /** When it stops to hit; null: never. A lift brings it forward. */
    until: integer('until'),
    code: text('code', { enum: REVOCATION_CODES }).notNull(),
    reason: text('reason').notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    index('revocations_target').on(t.target, t.kind, t.until),
    index('revocations_locks').on(t.createdAt, t.id).where(sql`code = 'locked'`),
    index('revocations_until').on(t.until).where(sql`until IS NOT NULL`),
  ],
);

/**
 * Undelivered changes of policy: the audit event for the record database and the command for live sessions. A row is
 * written in the batch of the change, so that no change lacks its event or command, and deleted when both have arrived.
 */
export const outbox = sqliteTable(
  'outbox',
  {
    /** That of the event. */
    id: text('id').primaryKey(),
    event: text('event').notNull(),
    /** JSON; null: live sessions do not change. A revocation is named by its id and sent as it is by then. */
    command: text('command'),
    /** JSON: audiences of the agent workers that have executed the command, while others have not. */
    delivered: text('delivered').notNull().default('[]'),
    attempts: integer('attempts').notNull().default(0),
    dueAt: integer('due_at').notNull(),
  },
  (t) => [index('outbox_due').on(t.dueAt)],
);

/** Agent workers as they were last heard of. Nothing is decided by it. */
export const agentWorkers = sqliteTable('agent_workers', {
  /** As tickets name it. */
  audience: text('audience').primaryKey(),
  /** Of the agents that it serves, see `registryDigest`. */
  digest: text('digest').notNull(),
  answeredAt: integer('answered_at').notNull(),
});

/** Compared without the case of ASCII letters, also by the index. */
const label = customType<{ data: string }>({ dataType: () => 'text COLLATE NOCASE' });

/**
 * Principals that signed out, and those that have a label. A sign-out ends credentials that no other row can end; a label
 * decides nothing.
 */
export const principals = sqliteTable(
  'principals',
  {
    id: text('id').primaryKey(),
    /** Bearer tokens issued no later are not taken. */
    tokensBefore: integer('tokens_before'),
    /** Sign-ins that began no later are not taken, wherever their session is kept. */
    loginsBefore: integer('logins_before'),
    /** Verified e-mail or name, for operators to read and search. Null: none was seen, or none is to be kept. */
    label: label('label'),
    /** When a ticket was last made for it, up to ten minutes before that. */
    lastSeenAt: integer('last_seen_at'),
    /** No credential that old is taken any more, and no session with that label is left. */
    keptUntil: integer('kept_until').notNull(),
  },
  (t) => [
    index('principals_kept').on(t.keptUntil),
    index('principals_label').on(t.label, t.id).where(sql`label IS NOT NULL`),
  ],
);

/**
 * The newest checkpoint of the audit log that this broker wrote, beside the log itself: code that can write the record
 * database alone cannot replace the log without a difference from this row.
 */
export const auditSeal = sqliteTable('audit_seal', {
  /** 1: the table has one row. */
  id: integer('id').primaryKey(),
  n: integer('n').notNull(),
  through: integer('through').notNull(),
  hash: text('hash').notNull(),
});

/** Sign-ins at the broker. The cookie holds only the id of the row, so that the broker can end the sign-in. */
export const authSessions = sqliteTable(
  'auth_sessions',
  {
    /** 128 random bits in hex, inside the encrypted cookie. */
    id: text('id').primaryKey(),
    /** Exactly `iss` of the ID token. */
    issuer: text('issuer').notNull(),
    subject: text('subject').notNull(),
    /** The identity provider's own session, which its logout tokens name. */
    sid: text('sid'),
    /** Claims of the ID token, for claim rules. No token is kept. */
    claims: text('claims', { mode: 'json' }).$type<Record<string, unknown>>().notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    endedAt: integer('ended_at'),
  },
  (t) => [
    index('auth_sessions_subject').on(t.issuer, t.subject).where(sql`ended_at IS NULL`),
    index('auth_sessions_sid').on(t.issuer, t.sid).where(sql`ended_at IS NULL`),
    index('auth_sessions_expired').on(t.expiresAt),
  ],
);

/** Used single-use tokens of other issuers, by `jti`, until their expiry. */
export const usedTokens = sqliteTable(
  'used_tokens',
  {
    /** Who names it and how: `oidc:<issuer's name>:<jti>`, `logout:<issuer> <jti>`. */
    name: text('name').primaryKey(),
    expiresAt: integer('expires_at').notNull(),
  },
  (t) => [index('used_tokens_expired').on(t.expiresAt)],
);

/** Receivers of audit events, a few. Each reads the sealed log by a cursor of its own; no delivery has a row. */
export const webhooks = sqliteTable('webhooks', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  url: text('url').notNull(),
  /** JSON: the types of events that it gets; null: all. */
  types: text('types', { mode: 'json' }).$type<string[]>(),
  /** `aud` of the security event tokens that it gets; null: it gets webhooks. */
  audience: text('audience'),
  /** Its secret under AES-GCM, as private keys are. Of a receiver of tokens the text of `Authorization`, or empty. */
  sealed: text('sealed').notNull(),
  createdBy: text('created_by').notNull(),
  createdAt: integer('created_at').notNull(),
  /** The number of the last event that was delivered or left out. */
  seq: integer('seq').notNull(),
  /** Deliveries that failed since the last that did not. */
  attempts: integer('attempts').notNull().default(0),
  /** From then on a broker may deliver; the broker that does moves the time ahead. */
  dueAt: integer('due_at').notNull(),
  /** The last try: its time, and the HTTP status or the fault for which there is none. */
  triedAt: integer('tried_at'),
  status: integer('status'),
  fault: text('fault'),
  failingSince: integer('failing_since'),
  /** Events that the receiver never took: it refused them while it took later ones, or retention deleted them before. */
  skipped: integer('skipped').notNull().default(0),
});
