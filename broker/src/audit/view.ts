import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { AuditEventRow } from '@agent-ticket/drizzle/record/audit-log.ts';
import { iso } from '../http/iso.ts';

/**
 * An event as it is listed, exported and chained. Checkpoints of years are computed over this form: a member that is
 * added, renamed or written otherwise makes every log from before it look forged.
 */
export const auditEventView = (row: AuditEventRow) => ({
  seq: row.seq,
  event_id: row.eventId,
  at: iso(row.at),
  type: row.type,
  outcome: row.outcome,
  code: row.code,
  principal: row.userId,
  agent: row.agentSlug,
  instance: row.instanceId,
  jti: row.jti,
  session_id: row.sessionId,
  kid: row.kid,
  ip_address: row.ipAddress,
  user_agent: row.userAgent,
  request_id: row.requestId,
  policy_version: row.policyVersion,
  details: row.details,
});

/** The row in clear beside the signed text, which alone proves anything. */
export const checkpointView = (row: CheckpointRow) => ({
  n: row.n,
  at: iso(row.at),
  through: row.through,
  count: row.count,
  hash: row.hash,
  kid: row.kid,
  jws: row.jws,
});
