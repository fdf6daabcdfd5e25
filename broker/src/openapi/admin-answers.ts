import * as z from 'zod';
import {
  AuditEvent,
  type BrokerAnswers,
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
  receipted,
  Seal,
  SealState,
  ServiceToken,
  Session,
  SigningKey,
  TargetView,
  Webhook,
} from './shapes.ts';

/** The answers of the operator's routes, by method and path of the row. */
export const ADMIN_ANSWERS: Readonly<Record<string, BrokerAnswers>> = {
  'GET /admin/keys': { summary: 'List signing keys, newest first', answers: { 200: pageOf(SigningKey) } },
  'POST /admin/keys/rotate': {
    summary: 'Make the next signing key',
    description: 'It signs ten minutes later, when every verifier has it.',
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
    description: 'Afterwards KEK_PREVIOUS is not needed.',
    answers: { 200: z.strictObject({ resealed: Count, current: Count, unreadable: Names }) },
  },
  'POST /admin/keys/:kid/revoke': {
    summary: 'Revoke a signing key, with every ticket that it signed and their sessions',
    answers: { 200: RevokedKey, 202: RevokedKey },
    errors: [409],
  },
  'GET /admin/service-tokens': {
    summary: 'List service tokens that were not revoked, newest first',
    answers: { 200: pageOf(ServiceToken) },
  },
  'POST /admin/service-tokens': {
    summary: 'Make a service token',
    description: 'The secret is shown only once.',
    answers: { 201: z.strictObject({ ...ServiceToken.shape, client_secret: z.string() }) },
  },
  'GET /admin/service-tokens/:id': {
    summary: 'Show a service token, without its secret',
    answers: { 200: ServiceToken },
  },
  'POST /admin/service-tokens/:id/rotate': {
    summary: 'Give a service token a new secret',
    description: 'The secret is shown only once.',
    answers: { 200: RotatedToken, 202: RotatedToken },
  },
  'DELETE /admin/service-tokens/:id/replaced-secret': {
    summary: 'End the secret of a service token that a rotation has replaced, before its grace time is over',
    description: 'Tickets and sessions of the token from before end; clients with the new secret reconnect.',
    answers: receipted(ServiceToken.shape),
  },
  'DELETE /admin/service-tokens/:id': {
    summary: 'Revoke a service token, with its tickets and sessions',
    answers: receipted(ServiceToken.shape),
  },
  'GET /admin/grants': {
    summary: 'List roles of people and services at agents, newest first',
    answers: { 200: pageOf(Grant) },
    errors: [404],
  },
  'POST /admin/grants': {
    summary: 'Give a subject a role at an agent',
    answers: { 201: Grant },
    errors: [404, 409],
  },
  'DELETE /admin/grants/:id': {
    summary: 'Take a grant back, and close the sessions that rest on it',
    answers: receipted(Grant.shape),
  },
  'GET /admin/locks': { summary: 'List locks in force, newest first', answers: { 200: pageOf(Lock) } },
  'POST /admin/locks': {
    summary: 'Lock a target: it gets no ticket, and its live sessions end',
    answers: receipted(Lock.shape, 201),
  },
  'DELETE /admin/locks/:id': { summary: 'Lift a lock', answers: receipted(Lock.shape), errors: [409] },
  'GET /admin/principals': {
    summary: 'List people and services that have a label, with their ids',
    members: { label: 'with which the label begins' },
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
  'POST /admin/principals/forget': {
    summary: 'Forget a person: delete its label, sign-ins and grants, and end its sessions',
    description:
      'Audit events and past sessions stay until their retention ends. The answer has instances that the person owned; they stay, closed, until they are deleted. This is not a ban.',
    answers: receipted({
      principal: PrincipalName,
      owned: z.array(z.strictObject({ agent: z.string(), instance: z.string() })),
    }),
    errors: [404],
  },
  'GET /admin/agents/sessions': {
    summary: 'List sessions, newest first',
    description: 'With times, the list has the sessions that were live then.',
    answers: { 200: pageOf(LabelledSession) },
  },
  'POST /admin/agents/sessions/terminate': {
    summary: 'End all sessions of a principal, service token, agent, instance or address',
    description:
      'Earlier tickets open no session. This is not a ban: who has a credential gets a new ticket. With `sign_out` the credentials of the principal from before are refused, too.',
    answers: receipted({ target: TargetView }),
    errors: [404, 409],
  },
  'GET /admin/agents/sessions/:id': {
    summary: 'Show a session with its calls',
    answers: { 200: z.strictObject({ ...LabelledSession.shape, invocations: pageOf(Invocation) }) },
  },
  'DELETE /admin/agents/sessions/:id': {
    summary: 'End a session',
    answers: receipted(Session.shape),
    errors: [409],
  },
  'GET /admin/stats': {
    summary: 'Count tickets, refusals and sessions over time',
    answers: {
      200: z.strictObject({
        step: z.enum(['minute', 'hour', 'day']),
        from: Moment,
        to: Moment,
        counted_from: Moment.nullable(),
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
  'GET /admin/agents/audit': {
    summary: 'List events of the audit log, newest first',
    answers: { 200: pageOf(AuditEvent).extend({ archived_through: z.int().nonnegative().nullable() }) },
  },
  'GET /admin/agents/audit/export': {
    summary: 'Export the audit log as it was signed, with its checkpoints, one JSON object a line',
    answers: { 200: { media: 'application/x-ndjson' } },
  },
  'GET /admin/agents/audit/checkpoints': {
    summary: 'List signed statements over runs of the audit log, newest first',
    answers: { 200: pageOf(Checkpoint) },
  },
  'GET /admin/agents/audit/seal': {
    summary: 'Compare the end of the audit log with the seal that the control database has noted',
    answers: { 200: z.strictObject({ state: SealState, noted: Seal.nullable(), found: Seal }) },
  },
  'POST /admin/agents/audit/seal/accept': {
    summary: 'Accept the audit log as it is after a restore of a backup',
    description: 'Both seals are those of the answer to `GET /admin/agents/audit/seal`.',
    answers: { 200: z.strictObject({ accepted: Seal, fault: SealState }) },
    errors: [409],
  },
  'GET /admin/webhooks': {
    summary: 'List receivers of audit events, newest first, with the state of their deliveries',
    answers: { 200: pageOf(Webhook) },
  },
  'POST /admin/webhooks': {
    summary: 'Send the audit events that are sealed from now on to a receiver, signed by Standard Webhooks',
    description:
      'The secret is shown only once. With an audience the receiver gets CAEP session-revoked in security event tokens. The caller needs `audit:read`, too.',
    members: {
      audience: 'of the security event tokens that it gets in place of webhooks',
      authorization: 'value of the Authorization header for a receiver of tokens',
    },
    answers: { 201: z.strictObject({ ...Webhook.shape, secret: z.string().nullable() }) },
  },
  'POST /admin/webhooks/:id/test': {
    summary: 'Send a test message to a receiver now',
    answers: {
      200: z.strictObject({
        delivered: z.boolean(),
        status: z.int().nullable(),
        fault: z.string().nullable(),
      }),
    },
  },
  'POST /admin/webhooks/:id/redeliver': {
    summary: 'Send events again from a place of the log on, or leave some out',
    members: {
      after: 'number of an event; deliveries go on with the next one',
      from: 'deliveries go on with what was sealed from then on',
    },
    answers: { 200: Webhook },
  },
  'DELETE /admin/webhooks/:id': { summary: 'Delete a receiver', answers: { 200: Webhook } },
};
