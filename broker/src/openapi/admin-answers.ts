import * as z from 'zod';
import {
  AuditEvent,
  Checkpoint,
  Count,
  Grant,
  Invocation,
  LabelledSession,
  Lock,
  Moment,
  Names,
  PrincipalName,
  pageOf,
  RevokedKey,
  RotatedToken,
  type RouteAnswers,
  receipted,
  ServiceToken,
  Session,
  SigningKey,
  TargetView,
} from './shapes.ts';

/** The answers of the operator's routes, by method and path of the row. */
export const ADMIN_ANSWERS: Readonly<Record<string, RouteAnswers>> = {
  'GET /admin/keys': { summary: 'Signing keys', answers: { 200: pageOf(SigningKey) } },
  'POST /admin/keys/rotate': {
    summary: 'Make the next signing key',
    answers: {
      201: z.strictObject({
        kid: SigningKey.shape.kid,
        alg: SigningKey.shape.alg,
        state: SigningKey.shape.state,
        activates_at: Moment,
        previous: z.strictObject({
          kid: SigningKey.shape.kid,
          retires_at: Moment.nullable(),
          removed_at: Moment.nullable(),
        }),
      }),
    },
    errors: [409],
  },
  'POST /admin/keys/reseal': {
    summary: 'Seal every signing key with the present key-encryption key',
    answers: { 200: z.strictObject({ resealed: Count, current: Count, unreadable: Names }) },
  },
  'POST /admin/keys/:kid/revoke': {
    summary: 'Revoke a signing key that leaked',
    answers: { 200: RevokedKey, 202: RevokedKey },
    errors: [409],
  },
  'GET /admin/service-tokens': {
    summary: 'Service tokens',
    answers: { 200: pageOf(ServiceToken) },
  },
  'POST /admin/service-tokens': {
    summary: 'Make a service token; the secret is shown once',
    answers: { 201: z.strictObject({ ...ServiceToken.shape, client_secret: z.string() }) },
  },
  'GET /admin/service-tokens/:id': {
    summary: 'One service token',
    answers: { 200: ServiceToken },
  },
  'POST /admin/service-tokens/:id/rotate': {
    summary: 'Give a service token a new secret',
    answers: { 200: RotatedToken, 202: RotatedToken },
  },
  'DELETE /admin/service-tokens/:id': {
    summary: 'Revoke a service token',
    answers: receipted(ServiceToken.shape),
  },
  'GET /admin/grants': { summary: 'Grants', answers: { 200: pageOf(Grant) }, errors: [404] },
  'POST /admin/grants': {
    summary: 'Give a subject a role',
    answers: { 201: Grant },
    errors: [404, 409],
  },
  'DELETE /admin/grants/:id': { summary: 'Take a grant back', answers: receipted(Grant.shape) },
  'GET /admin/locks': { summary: 'Locks in force', answers: { 200: pageOf(Lock) } },
  'POST /admin/locks': { summary: 'Lock a target', answers: receipted(Lock.shape, 201) },
  'DELETE /admin/locks/:id': { summary: 'Lift a lock', answers: receipted(Lock.shape) },
  'GET /admin/principals': {
    summary: 'Principals by label',
    answers: {
      200: pageOf(
        z
          .strictObject({
            id: PrincipalName,
            label: z.string(),
            last_seen_at: Moment.nullable(),
            live_sessions: Count,
            grants: Count,
            locks: Count,
          })
          .meta({ id: 'LabelledPrincipal' }),
      ),
    },
  },
  'GET /admin/agents/sessions': {
    summary: 'Sessions',
    answers: { 200: pageOf(LabelledSession) },
  },
  'POST /admin/agents/sessions/terminate': {
    summary: 'End all sessions of a principal, service token, agent, instance or address',
    answers: receipted({ target: TargetView }),
    errors: [404, 409],
  },
  'GET /admin/agents/sessions/:id': {
    summary: 'One session with its calls',
    answers: { 200: z.strictObject({ ...LabelledSession.shape, invocations: pageOf(Invocation) }) },
  },
  'DELETE /admin/agents/sessions/:id': {
    summary: 'End a session',
    answers: receipted(Session.shape),
    errors: [409],
  },
  'GET /admin/stats': {
    summary: 'Tickets, refusals and sessions over time',
    answers: {
      200: z.strictObject({
        step: z.enum(['minute', 'hour', 'day']),
        from: Moment,
        to: Moment,
        items: z.array(
          z
            .strictObject({
              at: Moment,
              tickets: z.strictObject({ issued: Count, denied: Count }),
              refusals: z.array(
                z.strictObject({ code: z.string().nullable(), agent: z.string().nullable(), count: Count }),
              ),
              sessions: z.strictObject({ opened: Count, closed: Count, live: z.int() }),
            })
            .meta({ id: 'StatsRow' }),
        ),
      }),
    },
  },
  'GET /admin/agents/audit': { summary: 'The audit log', answers: { 200: pageOf(AuditEvent) } },
  'GET /admin/agents/audit/export': {
    summary: 'The audit log with its checkpoints, one JSON object a line',
    answers: { 200: { media: 'application/x-ndjson' } },
  },
  'GET /admin/agents/audit/checkpoints': {
    summary: 'Checkpoints of the audit log',
    answers: { 200: pageOf(Checkpoint) },
  },
};
