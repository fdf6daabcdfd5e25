import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import { ROLES } from '@agent-ticket/shared/names.ts';
import { REVOCATION_CODES } from '@agent-ticket/shared/revocation.ts';
import { sql } from 'drizzle-orm';
import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** What happened, written by both workers. Nothing in it grants anything. Times are in ms. */

export const agentSessions = sqliteTable(
  'agent_sessions',
  {
    id: text('id').primaryKey(),
    /** The principal id. */
    userId: text('user_id').notNull(),
    agentSlug: text('agent_slug').notNull(),
    instanceId: text('instance_id').notNull(),
    /** Of the agent worker that has the session, as tickets name it. */
    audience: text('audience').notNull(),
    role: text('role', { enum: ROLES }).notNull(),
    scope: text('scope').notNull(),
    startedAt: integer('started_at').notNull(),
    endedAt: integer('ended_at'),
    endReason: text('end_reason'),
    ipAddress: text('ip_address'),
    userAgent: text('user_agent'),
    /** The ticket and the key that the rights in force come from. */
    jti: text('jti').notNull(),
    kid: text('kid').notNull(),
    /** Of that ticket: the newest change that its decision took into account, and what the decision rested on. */
    rev: integer('rev').notNull(),
    grantId: text('grant_id'),
    loginId: text('login_id'),
  },
  (t) => [
    index('agent_sessions_user').on(t.userId, t.startedAt, t.id),
    index('agent_sessions_instance').on(t.agentSlug, t.instanceId, t.startedAt, t.id),
    index('agent_sessions_newest').on(t.startedAt, t.id),
    // Each agent worker compares its own, past those of others.
    index('agent_sessions_active').on(t.startedAt, t.id, t.audience).where(sql`ended_at IS NULL`),
    index('agent_sessions_agent').on(t.agentSlug, t.startedAt, t.id),
    index('agent_sessions_address').on(t.ipAddress, t.startedAt, t.id).where(sql`ip_address IS NOT NULL`),
    index('agent_sessions_ended').on(t.endedAt).where(sql`ended_at IS NOT NULL`),
    // For revocations: whom among those that are live do they hit.
    index('agent_sessions_live')
      .on(t.agentSlug, t.instanceId, t.startedAt, t.id)
      .where(sql`ended_at IS NULL`),
    index('agent_sessions_user_live').on(t.userId, t.startedAt, t.id).where(sql`ended_at IS NULL`),
    index('agent_sessions_grant').on(t.grantId).where(sql`ended_at IS NULL AND grant_id IS NOT NULL`),
    index('agent_sessions_login').on(t.loginId).where(sql`ended_at IS NULL AND login_id IS NOT NULL`),
    index('agent_sessions_address_live')
      .on(t.ipAddress)
      .where(sql`ended_at IS NULL AND ip_address IS NOT NULL`),
  ],
);

/** Parties to a session beside its principal: its actors, and its OAuth client as the service token that it is. */
export const sessionParties = sqliteTable(
  'session_parties',
  {
    sessionId: text('session_id').notNull(),
    /** Principal id. */
    partyId: text('party_id').notNull(),
    /** Start of the session, so that the sessions of a party can be listed by time. */
    startedAt: integer('started_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.sessionId, t.partyId] }),
    index('session_parties_party').on(t.partyId, t.startedAt, t.sessionId),
  ],
);

export const auditEvents = sqliteTable(
  'audit_events',
  {
    /**
     * Order of arrival, given by the database: a rowid without AUTOINCREMENT is one more than the greatest, so a
     * repeated delivery burns no number and a hole means that a row was taken away.
     */
    seq: integer('seq').primaryKey(),
    /** UUID from the source; makes delivery repeatable. */
    eventId: text('event_id').notNull().unique(),
    at: integer('at').notNull(),
    type: text('type', { enum: AUDIT_TYPES }).notNull(),
    outcome: text('outcome', { enum: ['success', 'denied'] }).notNull(),
    code: text('code'),
    userId: text('user_id'),
    agentSlug: text('agent_slug'),
    instanceId: text('instance_id'),
    jti: text('jti'),
    sessionId: text('session_id'),
    kid: text('kid'),
    ipAddress: text('ip_address'),
    userAgent: text('user_agent'),
    requestId: text('request_id'),
    policyVersion: text('policy_version'),
    details: text('details', { mode: 'json' }).$type<Readonly<Record<string, string | number | boolean>>>(),
  },
  // The list is by time of the source and then by arrival, which every index of SQLite ends with. Each index costs each
  // event that it has a written row. So it leaves out values that most events have: a search by time finds these soon.
  (t) => [
    index('audit_events_at').on(t.at),
    index('audit_events_user').on(t.userId, t.at),
    index('audit_events_agent').on(t.agentSlug, t.at),
    index('audit_events_instance').on(t.agentSlug, t.instanceId, t.at),
    index('audit_events_type')
      .on(t.type, t.at)
      .where(sql`type <> 'ticket.used' AND type <> 'session.opened' AND type <> 'session.closed'`),
    index('audit_events_denied').on(t.at).where(sql`outcome = 'denied'`),
    index('audit_events_code').on(t.code, t.at).where(sql`code <> 'client_closed'`),
    index('audit_events_jti').on(t.jti, t.at).where(sql`jti IS NOT NULL`),
    index('audit_events_session').on(t.sessionId, t.at).where(sql`session_id IS NOT NULL`),
    index('audit_events_request').on(t.requestId, t.at).where(sql`request_id IS NOT NULL`),
  ],
);

/** Signed statements over runs of audit events: what was there, in which order, and that it was all. */
export const auditCheckpoints = sqliteTable(
  'audit_checkpoints',
  {
    /** 1, 2, 3: inserting the next number is what makes one sealer of many. */
    n: integer('n').primaryKey(),
    at: integer('at').notNull(),
    /** The last event that it covers, 0 for none yet. */
    through: integer('through').notNull(),
    /** Events since the checkpoint before, 0 in a quiet minute. */
    count: integer('count').notNull(),
    /** Chain hash after `through`, base64url of 32 bytes. */
    hash: text('hash').notNull(),
    kid: text('kid').notNull(),
    /** The same facts, signed: compact JWS. */
    jws: text('jws').notNull(),
  },
  (t) => [index('audit_checkpoints_at').on(t.at), index('audit_checkpoints_through').on(t.through)],
);

/** Runs of audit events that are in the archive: each a file of whole runs between checkpoints, whose content never changes. */
export const auditSegments = sqliteTable(
  'audit_segments',
  {
    /** The last checkpoint in it, which is also the last that covers its events. */
    n: integer('n').primaryKey(),
    /** The first checkpoint after the one that is its base. */
    fromN: integer('from_n').notNull(),
    /** The first event; one more than `through` where it has none. */
    from: integer('from_seq').notNull(),
    /** The last event that is in it or before it. */
    through: integer('through').notNull(),
    /** When its last checkpoint was written. */
    at: integer('at').notNull(),
    /** Length of its text in bytes, before it was compressed, and the SHA-256 of that text in hexadecimal. */
    bytes: integer('bytes').notNull(),
    digest: text('digest').notNull(),
    /** Since when it is being deleted; nothing reads it from then on. */
    purgedAt: integer('purged_at'),
  },
  (t) => [index('audit_segments_through').on(t.through)],
);

/** Calls of an agent's methods within a session. */
export const agentInvocations = sqliteTable(
  'agent_invocations',
  {
    id: text('id').primaryKey(),
    sessionId: text('session_id').notNull(),
    method: text('method').notNull(),
    startedAt: integer('started_at').notNull(),
    durationMs: integer('duration_ms').notNull(),
    outcome: text('outcome', { enum: ['success', 'error', 'unanswered'] }).notNull(),
    code: text('code'),
  },
  (t) => [
    index('agent_invocations_session').on(t.sessionId, t.startedAt, t.id),
    index('agent_invocations_started').on(t.startedAt),
  ],
);

/**
 * Copy of the revocations, for agent workers: read in the batch that writes a session, so that of a revocation and a
 * session which come to be together one always sees the other; and read by the order of arrival, for gates.
 */
export const revocationCopies = sqliteTable(
  'revocation_copies',
  {
    id: text('id').primaryKey(),
    rev: integer('rev').notNull(),
    target: text('target').notNull(),
    kind: text('kind', { enum: ['any', 'before'] }).notNull(),
    until: integer('until'),
    code: text('code', { enum: REVOCATION_CODES }).notNull(),
    /** Order in which versions arrived here. Not below the database's own time in ms when this one did. */
    arrival: integer('arrival').notNull(),
  },
  (t) => [
    index('revocation_copies_arrival').on(t.arrival),
    index('revocation_copies_rev').on(t.rev),
    index('revocation_copies_target').on(t.target),
    index('revocation_copies_until').on(t.until).where(sql`until IS NOT NULL`),
  ],
);

/** What was counted against the limits in the present minute, where no mint shard counts: on Node. */
export const rateWindows = sqliteTable('rate_windows', {
  /** Whose count: a principal, an address, or a client id that failed. */
  key: text('key').primaryKey(),
  startedAt: integer('started_at').notNull(),
  count: integer('count').notNull(),
});
