import { PAGE } from '../http/page.ts';
import type { Route } from '../runtime/call.ts';
import {
  AcceptSeal,
  AuditQuery,
  acceptSeal,
  ExportQuery,
  exportAuditLog,
  listAudit,
  listCheckpoints,
  showSeal,
} from './audit.ts';
import { ForgetRequest, forgetPrincipal } from './forget.ts';
import { CreateGrant, createGrant, deleteGrant, GrantParams, GrantQuery, listGrants } from './grants.ts';
import { KeyParams, KeyQuery, listKeys, RotateRequest, resealKeys, revokeKey, rotateKeys } from './keys.ts';
import { CreateLock, createLock, LockParams, liftLock, listLocks } from './locks.ts';
import { listPrincipals, PrincipalQuery } from './principals.ts';
import { ReasonQuery } from './reason.ts';
import { known, permitted, scoped } from './route-row.ts';
import {
  CreateServiceToken,
  createServiceToken,
  endReplacedSecret,
  listServiceTokens,
  RotateServiceToken,
  revokeServiceToken,
  rotateServiceToken,
  ServiceTokenParams,
  showServiceToken,
} from './service-tokens.ts';
import { listSessions, SessionParams, SessionQuery, showSession, terminateSession } from './sessions.ts';
import { StatsQuery, showStats } from './stats.ts';
import { TerminateRequest, terminateSessions } from './terminate.ts';
import {
  CreateWebhook,
  createWebhook,
  deleteWebhook,
  listWebhooks,
  RedeliverRequest,
  redeliverWebhook,
  testWebhook,
  WebhookParams,
} from './webhooks.ts';

/** The routes of operators, and of owners who may do a part of it. */
export const ADMIN_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/admin/keys', ...permitted('keys:read', 'read', listKeys, KeyQuery) },
  {
    method: 'POST',
    path: '/admin/keys/rotate',
    body: RotateRequest,
    ...permitted('keys:rotate', 'change', rotateKeys),
  },
  { method: 'POST', path: '/admin/keys/reseal', ...permitted('keys:rotate', 'change', resealKeys) },
  {
    method: 'POST',
    path: '/admin/keys/:kid/revoke',
    params: KeyParams,
    ...permitted('keys:revoke', 'change', revokeKey, ReasonQuery),
  },
  {
    method: 'GET',
    path: '/admin/service-tokens',
    ...permitted('service-tokens:read', 'read', listServiceTokens, PAGE),
  },
  {
    method: 'POST',
    path: '/admin/service-tokens',
    body: CreateServiceToken,
    ...scoped('service-tokens:write', 'change', createServiceToken),
  },
  {
    method: 'GET',
    path: '/admin/service-tokens/:id',
    params: ServiceTokenParams,
    ...permitted('service-tokens:read', 'read', showServiceToken),
  },
  {
    method: 'POST',
    path: '/admin/service-tokens/:id/rotate',
    params: ServiceTokenParams,
    body: RotateServiceToken,
    ...scoped('service-tokens:write', 'change', rotateServiceToken),
  },
  {
    method: 'DELETE',
    path: '/admin/service-tokens/:id/replaced-secret',
    params: ServiceTokenParams,
    ...scoped('service-tokens:write', 'change', endReplacedSecret, ReasonQuery),
  },
  {
    method: 'DELETE',
    path: '/admin/service-tokens/:id',
    params: ServiceTokenParams,
    ...scoped('service-tokens:write', 'change', revokeServiceToken, ReasonQuery),
  },
  {
    method: 'GET',
    path: '/admin/grants',
    ...known('read', listGrants, GrantQuery),
  },
  { method: 'POST', path: '/admin/grants', body: CreateGrant, ...known('change', createGrant) },
  {
    method: 'DELETE',
    path: '/admin/grants/:id',
    params: GrantParams,
    ...known('change', deleteGrant, ReasonQuery),
  },
  { method: 'GET', path: '/admin/locks', ...permitted('locks:read', 'read', listLocks, PAGE) },
  { method: 'POST', path: '/admin/locks', body: CreateLock, ...scoped('locks:write', 'change', createLock) },
  {
    method: 'DELETE',
    path: '/admin/locks/:id',
    params: LockParams,
    ...scoped('locks:write', 'change', liftLock, ReasonQuery),
  },
  {
    method: 'GET',
    path: '/admin/principals',
    ...permitted('sessions:read', 'read', listPrincipals, PrincipalQuery),
  },
  {
    method: 'POST',
    path: '/admin/principals/forget',
    body: ForgetRequest,
    ...permitted('principals:forget', 'change', forgetPrincipal),
  },
  {
    method: 'GET',
    path: '/admin/agents/sessions',
    ...scoped('sessions:read', 'read', listSessions, SessionQuery),
  },
  {
    method: 'POST',
    path: '/admin/agents/sessions/terminate',
    body: TerminateRequest,
    ...scoped('sessions:terminate', 'change', terminateSessions),
  },
  {
    method: 'GET',
    path: '/admin/agents/sessions/:id',
    params: SessionParams,
    ...scoped('sessions:read', 'read', showSession, PAGE),
  },
  {
    method: 'DELETE',
    path: '/admin/agents/sessions/:id',
    params: SessionParams,
    ...scoped('sessions:terminate', 'change', terminateSession, ReasonQuery),
  },
  { method: 'GET', path: '/admin/stats', ...permitted('audit:read', 'export', showStats, StatsQuery) },
  {
    method: 'GET',
    path: '/admin/agents/audit',
    ...scoped('audit:read', 'read', listAudit, AuditQuery),
  },
  {
    method: 'GET',
    path: '/admin/agents/audit/export',
    ...permitted('audit:read', 'export', exportAuditLog, ExportQuery),
  },
  {
    method: 'GET',
    path: '/admin/agents/audit/checkpoints',
    ...permitted('audit:read', 'read', listCheckpoints, PAGE),
  },
  { method: 'GET', path: '/admin/agents/audit/seal', ...permitted('audit:read', 'read', showSeal) },
  {
    method: 'POST',
    path: '/admin/agents/audit/seal/accept',
    body: AcceptSeal,
    ...permitted('audit:accept', 'change', acceptSeal),
  },
  { method: 'GET', path: '/admin/webhooks', ...permitted('audit:read', 'read', listWebhooks, PAGE) },
  {
    method: 'POST',
    path: '/admin/webhooks',
    body: CreateWebhook,
    ...permitted('webhooks:write', 'change', createWebhook),
  },
  {
    method: 'POST',
    path: '/admin/webhooks/:id/test',
    params: WebhookParams,
    ...permitted('webhooks:write', 'change', testWebhook),
  },
  {
    method: 'POST',
    path: '/admin/webhooks/:id/redeliver',
    params: WebhookParams,
    body: RedeliverRequest,
    ...permitted('webhooks:write', 'change', redeliverWebhook),
  },
  {
    method: 'DELETE',
    path: '/admin/webhooks/:id',
    params: WebhookParams,
    ...permitted('webhooks:write', 'change', deleteWebhook, ReasonQuery),
  },
];
