import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import { Receipt as ControlReceipt } from '@agent-ticket/shared/control.ts';
import { ROLES, TIERS } from '@agent-ticket/shared/names.ts';
import { ErrorBody, type RouteAnswers, type Text } from '@agent-ticket/shared/openapi.ts';
import * as z from 'zod';

/** The shapes of answers, for the tables of answers. No part of the broker's bundle. */

export interface BrokerAnswers extends RouteAnswers {
  /** The shape of a refusal; left out: {@link ErrorBody}. */
  readonly errorBody?: 'oauth' | 'readiness' | 'security-event';
}

export const HTML: Text = { media: 'text/html' };
export const Moment = z.iso.datetime();
export const Names = z.array(z.string());
export const PrincipalName = z.string();
export const Role = z.enum(ROLES);
export const Tier = z.enum(TIERS);
export const Count = z.int().nonnegative();

export const OAuthErrorBody = z
  .strictObject({ error: z.string(), error_description: z.string() })
  .meta({ id: 'OAuthError' });

/** RFC 8935 §2.3, beside the members of every refusal. */
export const SecurityEventErrorBody = z
  .strictObject({ ...ErrorBody.shape, err: z.string(), description: z.string() })
  .meta({ id: 'SecurityEventError' });

export const pageOf = (item: z.ZodType) =>
  z.strictObject({ items: z.array(item), next_cursor: z.string().nullable() });

const Receipt = ControlReceipt.omit({ opened: true, registry: true }).meta({ id: 'Receipt' });
/** 200, or 202 while some objects have not answered. */
export const receipted = (members: z.ZodRawShape, done: 200 | 201 = 200) => {
  const body = z.strictObject({ ...members, receipt: Receipt });
  return { [done]: body, 202: body };
};

/** Whether the audit log ends where the control database has noted it, and how it differs where not. */
export const SealState = z.enum(['agrees', 'ends_earlier', 'rewritten', 'does_not_follow']);

export const READINESS = {
  mint: z.boolean(),
  verify: z.boolean(),
  record: z.boolean(),
  events_waiting: Count.optional(),
  agent_events_waiting: Count.nullable().optional(),
  agent_objects_waiting: Count.nullable().optional(),
  waiting_age: Count.nullable().optional(),
  changes_waiting: Count.optional(),
  checkpoint_age: Count.nullable().optional(),
  archive_overdue: Count.nullable().optional(),
  audit_seal: SealState.nullable().optional(),
  keys_revoked_in_record: Count.optional(),
  workers_differing: Count.optional(),
  workers_unanswered: Count.optional(),
  agents_in_rollout: Count,
  key_sets_unusable: Names,
};
export const ReadinessErrorBody = z
  .strictObject({ ...ErrorBody.shape, ...READINESS })
  .meta({ id: 'NotReady' });

export const JwkSet = z
  .strictObject({
    keys: z.array(
      z.strictObject({
        kty: z.string(),
        crv: z.string(),
        x: z.string(),
        y: z.string().optional(),
        kid: z.string(),
        alg: z.string(),
        use: z.string(),
      }),
    ),
  })
  .meta({ id: 'JwkSet' });

export const SigningKey = z
  .strictObject({
    kid: z.string(),
    alg: z.string(),
    state: z.enum(['pending', 'active', 'retiring', 'retired', 'revoked']),
    created_at: Moment,
    activates_at: Moment,
    retires_at: Moment.nullable(),
    removed_at: Moment.nullable(),
    revoked_at: Moment.nullable(),
  })
  .meta({ id: 'SigningKey' });
export const RevokedKey = z
  .strictObject({
    ...SigningKey.shape,
    signing: z.string().nullable(),
    receipt: Receipt.optional(),
  })
  .meta({ id: 'RevokedKey' });

export const ServiceToken = z
  .strictObject({
    id: z.string(),
    client_id: z.string(),
    name: z.string(),
    agents: Names.nullable(),
    permissions: Names,
    tier: Tier,
    created_at: Moment,
    expires_at: Moment.nullable(),
    last_used_at: Moment.nullable(),
  })
  .meta({ id: 'ServiceToken' });
export const RotatedToken = z
  .strictObject({
    ...ServiceToken.shape,
    client_secret: z.string(),
    previous_expires_at: Moment,
    receipt: Receipt.optional(),
  })
  .meta({ id: 'RotatedToken' });

export const Grant = z
  .strictObject({
    id: z.string(),
    subject: z.string(),
    agent: z.string(),
    instance: z.string(),
    role: Role,
    reason: z.string(),
    created_by: PrincipalName,
    created_at: Moment,
    expires_at: Moment.nullable(),
  })
  .meta({ id: 'Grant' });

/** A target as it is stored. */
export const TargetView = z.looseObject({ kind: z.string() });
export const Lock = z
  .strictObject({
    id: z.string(),
    target: TargetView,
    reason: z.string(),
    created_by: PrincipalName,
    created_at: Moment,
    expires_at: Moment.nullable(),
  })
  .meta({ id: 'Lock' });

export const Session = z
  .strictObject({
    id: z.uuid(),
    principal: PrincipalName,
    agent: z.string(),
    instance: z.string(),
    role: Role,
    scope: z.string(),
    started_at: Moment,
    ended_at: Moment.nullable(),
    end_reason: z.string().nullable(),
    ip_address: z.string().nullable(),
    user_agent: z.string().nullable(),
    jti: z.string(),
    kid: z.string(),
  })
  .meta({ id: 'Session' });
export const LabelledSession = z
  .strictObject({ ...Session.shape, principal_label: z.string().nullable() })
  .meta({ id: 'LabelledSession' });
export const Invocation = z
  .strictObject({
    id: z.string(),
    method: z.string(),
    started_at: Moment,
    duration_ms: Count,
    outcome: z.enum(['success', 'error', 'unanswered']),
    code: z.string().nullable(),
  })
  .meta({ id: 'Invocation' });

export const AuditEvent = z
  .strictObject({
    seq: z.int().positive(),
    event_id: z.string(),
    at: Moment,
    type: z.enum(AUDIT_TYPES),
    outcome: z.enum(['success', 'denied']),
    code: z.string().nullable(),
    principal: PrincipalName.nullable(),
    agent: z.string().nullable(),
    instance: z.string().nullable(),
    jti: z.string().nullable(),
    session_id: z.string().nullable(),
    kid: z.string().nullable(),
    ip_address: z.string().nullable(),
    user_agent: z.string().nullable(),
    request_id: z.string().nullable(),
    policy_version: z.string().nullable(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).nullable(),
  })
  .meta({ id: 'AuditEvent' });
export const Checkpoint = z
  .strictObject({
    n: z.int().positive(),
    at: Moment,
    through: Count,
    count: Count,
    hash: z.string(),
    kid: z.string(),
    jws: z.string(),
  })
  .meta({ id: 'Checkpoint' });

/** The end of the audit log. */
export const Seal = z.strictObject({ n: Count, through: Count, hash: z.string() }).meta({ id: 'Seal' });
export const Webhook = z
  .strictObject({
    id: z.uuid(),
    name: z.string(),
    url: z.string(),
    types: z.array(z.enum(AUDIT_TYPES)).nullable(),
    audience: z.string().nullable(),
    created_by: PrincipalName,
    created_at: Moment,
    delivered_through: Count,
    events_waiting: Count,
    events_skipped: Count,
    last_tried_at: Moment.nullable(),
    last_status: z.int().nullable(),
    last_fault: z.string().nullable(),
    failing_since: Moment.nullable(),
    next_try_at: Moment.nullable(),
  })
  .meta({ id: 'Webhook' });
