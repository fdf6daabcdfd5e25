import { ErrorBody } from '@agent-ticket/shared/openapi.ts';
import { ACCESS_MODES } from '@agent-ticket/shared/registry.ts';
import * as z from 'zod';
import { ADMIN_ANSWERS } from './admin-answers.ts';
import {
  type BrokerAnswers,
  HTML,
  JwkSet,
  Moment,
  Names,
  PrincipalName,
  pageOf,
  READINESS,
  Role,
  receipted,
  Session,
  Tier,
} from './shapes.ts';

const TicketAnswer = z
  .strictObject({
    ticket: z.string(),
    expires_in: z.int().positive(),
    expires_at: Moment,
    jti: z.uuid(),
    agent: z.string(),
    instance: z.string(),
    scope: z.string(),
    role: Role,
    session_expires_at: Moment,
    url: z.url(),
    protocols: z.tuple([z.string(), z.string()]),
  })
  .meta({ id: 'Ticket' });

const PresentedTicket = z.object({
  token: z.string(),
  token_type_hint: z.string().optional(),
  client_id: z.string().optional(),
  client_secret: z.string().optional(),
});

/**
 * The answers of every route by method and path, beside the rows of `routes.ts`: no part of the broker's bundle, which never
 * validates its own answers. The document is made from both, and tests validate every answer against it.
 */
export const ANSWERS: Readonly<Record<string, BrokerAnswers>> = {
  'GET /': { summary: 'The page after a sign-in or sign-out', answers: { 200: HTML } },
  'GET /console': { summary: 'The operator’s console', answers: { 200: HTML, 304: null }, errors: [404] },
  'GET /console/:file': {
    summary: 'A file of the console',
    answers: { 200: { media: '*/*' }, 304: null },
  },
  'GET /openapi.json': { summary: 'This document', answers: { 200: z.looseObject({ openapi: z.string() }) } },
  'POST /tickets': {
    summary: 'Get a ticket for one connection',
    description: 'Anybody who sees the ticket can use it within a minute.',
    members: {
      instance: 'name of the instance; left out: default',
      expires_in: 'how long the ticket is valid, in seconds, 5 to 300; left out: 60',
    },
    answers: {
      201: TicketAnswer,
    },
    errors: [401, 403, 404],
  },
  'POST /tickets/batch': {
    summary: 'Get several tickets, each answered as it would be alone',
    answers: {
      200: z.strictObject({ answers: z.array(z.union([TicketAnswer, ErrorBody])) }),
    },
  },
  'POST /revoke': {
    summary: 'Revoke a ticket (RFC 7009)',
    form: PresentedTicket,
    answers: { 200: null },
    errorBody: 'oauth',
  },
  'POST /introspect': {
    summary: 'Whether a ticket would be let in, and its claims (RFC 7662)',
    form: PresentedTicket,
    answers: { 200: z.looseObject({ active: z.boolean() }) },
    errorBody: 'oauth',
  },
  'POST /token': {
    summary: 'Get a ticket by OAuth (RFC 6749 §4.4, RFC 8693)',
    form: z.object({
      grant_type: z.enum(['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange']),
      resource: z.url(),
      audience: z.string().optional(),
      scope: z.string().optional(),
      transport: z.enum(['websocket', 'http']).optional(),
      client_id: z.string().optional(),
      client_secret: z.string().optional(),
      subject_token: z.string().optional(),
      subject_token_type: z.string().optional(),
      actor_token: z.string().optional(),
      actor_token_type: z.string().optional(),
      requested_token_type: z.string().optional(),
    }),
    answers: {
      200: z.strictObject({
        access_token: z.string(),
        issued_token_type: z.string().optional(),
        token_type: z.literal('Bearer'),
        expires_in: z.int().positive(),
        scope: z.string(),
      }),
    },
    errors: [401],
    errorBody: 'oauth',
  },
  'GET /auth/login': {
    summary: 'Sign in at the broker',
    answers: { 302: null },
    errors: [401, 404],
  },
  'GET /auth/callback': {
    summary: 'The way back from a sign-in',
    answers: { 302: null },
    errors: [401, 403, 404],
  },
  'GET /auth/logout': { summary: 'Sign out', answers: { 200: HTML, 302: null }, errors: [403, 404] },
  'POST /auth/backchannel-logout': {
    summary: 'A logout at the identity provider (OpenID Connect Back-Channel Logout 1.0)',
    form: z.object({ logout_token: z.string() }),
    answers: { 204: null },
    errors: [404],
    errorBody: 'oauth',
  },
  'POST /caep/events': {
    summary: 'A security event token of a transmitter (RFC 8935); session-revoked of CAEP signs a person out',
    description: 'The body is the token, of the type application/secevent+jwt.',
    answers: { 202: null },
    errors: [404, 413, 415],
    errorBody: 'security-event',
  },
  'GET /metrics': {
    summary: 'The series of this process as Prometheus text, on Node',
    answers: { 200: { media: 'text/plain' } },
    errors: [404],
  },
  'GET /me': {
    summary: 'Show the principal of the caller, and its permissions',
    answers: {
      200: z
        .strictObject({
          principal: PrincipalName,
          kind: z.enum(['user', 'service']),
          issuer: z.string(),
          email: z.string().optional(),
          method: z.string(),
          tier: Tier,
          permissions: Names,
          groups: Names,
          agents: Names.nullable(),
          locked: z.boolean(),
          expires_at: Moment.nullable(),
          sources: z.array(
            z.strictObject({
              gives: z.enum(['tier', 'permission', 'group']),
              value: z.string(),
              from: z.string(),
            }),
          ),
        })
        .meta({ id: 'Caller' }),
      204: null,
    },
  },
  'POST /explain': {
    summary: 'Explain whether a request for a ticket would be admitted now, rule by rule',
    description: 'Nothing is issued.',
    members: {
      instance: 'name of the instance; left out: default',
      principal: 'for another principal; needs the permission explain:any',
      tier: 'that the other principal is supposed to have',
      permissions: 'that the other principal is supposed to have',
    },
    answers: {
      200: z
        .strictObject({
          principal: PrincipalName,
          allowed: z.boolean(),
          role: Role.nullable(),
          scope: z.string().nullable(),
          session_expires_at: Moment.nullable(),
          would_claim: z.boolean(),
          would_deny: z.string().nullable(),
          rules: z.array(z.strictObject({ rule: z.string(), holds: z.boolean() })),
          grants: z.array(
            z.strictObject({
              id: z.string(),
              subject: z.string(),
              instance: z.string(),
              role: z.string(),
              expires_at: Moment.nullable(),
            }),
          ),
        })
        .meta({ id: 'Explanation' }),
    },
    errors: [404],
  },
  'GET /api/agents': {
    summary: 'List the agents that the caller would get a ticket for',
    answers: {
      200: pageOf(
        z
          .strictObject({
            agent: z.string(),
            display_name: z.string(),
            description: z.string(),
            access: z.enum(ACCESS_MODES),
            transport: z.enum(['websocket', 'sse']),
            instances: Names.nullable(),
            url: z.url(),
            role: Role,
          })
          .meta({ id: 'OfferedAgent' }),
      ),
    },
  },
  'DELETE /api/agents/:agent/:instance': {
    summary: 'Close the sockets of an instance, destroy its object and delete its grants',
    answers: receipted({ agent: z.string(), instance: z.string() }),
  },
  'GET /sessions': {
    summary: 'List the live sessions of the caller',
    answers: { 200: pageOf(Session) },
  },
  'DELETE /sessions/:id': {
    summary: 'End one of the caller’s own sessions',
    answers: receipted(Session.shape),
    errors: [409],
  },
  'GET /.well-known/security.txt': {
    summary: 'Where to report a vulnerability (RFC 9116)',
    answers: { 200: { media: 'text/plain' } },
    errors: [404],
  },
  'GET /.well-known/jwks.json': {
    summary: 'The keys that verify tickets',
    answers: { 200: JwkSet, 304: null },
  },
  'GET /.well-known/oauth-authorization-server': {
    summary: 'Metadata of the authorization server (RFC 8414)',
    answers: {
      200: z.strictObject({
        issuer: z.url(),
        token_endpoint: z.url(),
        authorization_endpoint: z.url(),
        jwks_uri: z.url(),
        revocation_endpoint: z.url(),
        introspection_endpoint: z.url(),
        response_types_supported: Names,
        grant_types_supported: Names,
        token_endpoint_auth_methods_supported: Names,
        revocation_endpoint_auth_methods_supported: Names,
        introspection_endpoint_auth_methods_supported: Names,
      }),
    },
  },
  'GET /.well-known/audit-jwks.json': {
    summary: 'The keys that verify checkpoints of the audit log',
    answers: { 200: JwkSet, 304: null },
  },
  'GET /healthz': { summary: 'Liveness', answers: { 200: z.strictObject({ status: z.literal('ok') }) } },
  'GET /readyz': {
    summary: 'Readiness',
    answers: { 200: z.strictObject({ status: z.literal('ready'), ...READINESS }) },
    errorBody: 'readiness',
  },
  ...ADMIN_ANSWERS,
};
