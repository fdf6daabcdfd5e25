import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { sql } from 'drizzle-orm';
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

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

/**
 * Audit events of changes to signing keys and of claims by first users, written in the batch of the change, so that
 * neither is ever without the other. A row leaves when the ledger has its event.
 */
export const changeEvents = sqliteTable('change_events', {
  eventId: text('event_id').primaryKey(),
  event: text('event', { mode: 'json' }).$type<AuditEvent>().notNull(),
});

export const serviceTokens = sqliteTable(
  'service_tokens',
  {
    id: text('id').primaryKey(),
    clientId: text('client_id').notNull().unique(),
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
    index('grants_lookup').on(t.subject, t.agentSlug, t.instanceId).where(sql`deleted_at IS NULL`),
    // Deleted ones too: whoever was owner once keeps the instance from being claimed.
    index('grants_instance').on(t.agentSlug, t.instanceId, t.createdAt, t.id),
    uniqueIndex('grants_claim_unique').on(t.agentSlug, t.instanceId).where(sql`claimed = 1`),
  ],
);

export const locks = sqliteTable(
  'locks',
  {
    id: text('id').primaryKey(),
    /** `<kind>:<name>` in one canonical spelling, so that one index answers for every kind. */
    target: text('target').notNull(),
    reason: text('reason').notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at'),
    liftedAt: integer('lifted_at'),
  },
  (t) => [
    index('locks_standing').on(t.target).where(sql`lifted_at IS NULL`),
    index('locks_newest').on(t.createdAt, t.id).where(sql`lifted_at IS NULL`),
  ],
);

/** Commands to the agent worker that were not carried out in full yet. A row leaves when every object has answered. */
export const outbox = sqliteTable(
  'outbox',
  {
    id: text('id').primaryKey(),
    command: text('command').notNull(),
    /** Sessions that started later are not meant, in ms. */
    before: integer('before').notNull(),
    attempts: integer('attempts').notNull(),
    dueAt: integer('due_at').notNull(),
  },
  (t) => [index('outbox_due').on(t.dueAt)],
);

/** People who signed in at the broker. The cookie names the row; the row says who it is, so it can be ended. */
export const authSessions = sqliteTable(
  'auth_sessions',
  {
    /** 128 random bits in hex, inside the encrypted cookie. */
    id: text('id').primaryKey(),
    /** Exactly `iss` of the ID token. */
    issuer: text('issuer').notNull(),
    subject: text('subject').notNull(),
    /** The identity provider's own session, by which it tells of a logout. */
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

/** Logouts that sessions kept elsewhere (in a cookie alone) must hear of too. */
export const authLogouts = sqliteTable(
  'auth_logouts',
  {
    /** `sid:<issuer> <sid>` or `sub:<issuer> <sub>`. */
    name: text('name').primaryKey(),
    /** Sessions that began no later than this are over. */
    at: integer('at').notNull(),
    /** No session that old is taken any more. */
    keptUntil: integer('kept_until').notNull(),
  },
  (t) => [index('auth_logouts_kept').on(t.keptUntil)],
);

/** Tokens of others that count once, by `jti`, until they would be refused anyway. */
export const usedTokens = sqliteTable(
  'used_tokens',
  {
    /** Who names it and how: `oidc:<issuer's name>:<jti>`, `logout:<issuer> <jti>`. */
    name: text('name').primaryKey(),
    expiresAt: integer('expires_at').notNull(),
  },
  (t) => [index('used_tokens_expired').on(t.expiresAt)],
);
