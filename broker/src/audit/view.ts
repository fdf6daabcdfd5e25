import type { CheckpointRow } from '@agent-ticket/drizzle/record/audit-checkpoints.ts';
import type { AuditEventRow } from '@agent-ticket/drizzle/record/audit-log.ts';
import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import * as z from 'zod';
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

const Text = z.string().nullable();
const EventLine = z.strictObject({
  event: z
    .strictObject({
      seq: z.int().positive(),
      event_id: z.string(),
      at: z.string(),
      type: z.enum(AUDIT_TYPES),
      outcome: z.enum(['success', 'denied']),
      ...{ code: Text, principal: Text, agent: Text, instance: Text, jti: Text, session_id: Text, kid: Text },
      ...{ ip_address: Text, user_agent: Text, request_id: Text, policy_version: Text },
      details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).nullable(),
    })
    .transform((view): AuditEventRow => {
      const { event_id: eventId, at, principal: userId, agent: agentSlug, instance: instanceId } = view;
      const { seq, type, outcome, code, jti, kid, details, session_id: sessionId } = view;
      const { ip_address: ipAddress, user_agent: userAgent, request_id: requestId } = view;
      return {
        ...{ seq, eventId, at: Date.parse(at), type, outcome, code, userId, agentSlug, instanceId, jti },
        ...{ sessionId, kid, ipAddress, userAgent, requestId, policyVersion: view.policy_version, details },
      };
    }),
});

/** The row of {@link eventLine}; `undefined` where a line has none. */
export const readEventLine = (line: unknown): AuditEventRow | undefined =>
  EventLine.safeParse(line).data?.event;

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

/** Characters that JSON may hold as they are and that many readers take for the end of a line. */
const LINE_ENDS = /[\u0085\u2028\u2029]/g;

/** One line of an export, for every reader of lines. */
export const lineOf = (value: object): string =>
  `${JSON.stringify(value).replace(LINE_ENDS, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
export const eventLine = (row: AuditEventRow): string => lineOf({ event: auditEventView(row) });
export const checkpointLine = (row: CheckpointRow): string => lineOf({ checkpoint: checkpointView(row) });
