import type { Route, RouteBase } from '../http/route.ts';
import { exportAuditLog, listAudit, listCheckpoints } from './audit.ts';
import { createGrant, deleteGrant, listGrants } from './grants.ts';
import { listKeys, resealKeys, revokeKey, rotateKeys } from './keys.ts';
import { createLock, liftLock, listLocks } from './locks.ts';
import {
  createServiceToken,
  listServiceTokens,
  revokeServiceToken,
  rotateServiceToken,
  showServiceToken,
} from './service-tokens.ts';
import { listSessions, showSession, terminateSession } from './sessions.ts';

/** The operators' part of the API. Those without a permission ask the handler, which knows what an owner may. */
const ROUTES: readonly RouteBase[] = [
  { method: 'GET', path: '/admin/keys', permission: 'keys:read', handler: listKeys },
  { method: 'POST', path: '/admin/keys/rotate', permission: 'keys:rotate', handler: rotateKeys },
  { method: 'POST', path: '/admin/keys/reseal', permission: 'keys:rotate', handler: resealKeys },
  { method: 'POST', path: '/admin/keys/:kid/revoke', permission: 'keys:revoke', handler: revokeKey },
  {
    method: 'GET',
    path: '/admin/service-tokens',
    permission: 'service-tokens:read',
    handler: listServiceTokens,
  },
  {
    method: 'POST',
    path: '/admin/service-tokens',
    permission: 'service-tokens:write',
    allowsScopedToken: true,
    handler: createServiceToken,
  },
  {
    method: 'GET',
    path: '/admin/service-tokens/:id',
    permission: 'service-tokens:read',
    handler: showServiceToken,
  },
  {
    method: 'POST',
    path: '/admin/service-tokens/:id/rotate',
    permission: 'service-tokens:write',
    allowsScopedToken: true,
    handler: rotateServiceToken,
  },
  {
    method: 'DELETE',
    path: '/admin/service-tokens/:id',
    permission: 'service-tokens:write',
    allowsScopedToken: true,
    handler: revokeServiceToken,
  },
  { method: 'GET', path: '/admin/grants', handler: listGrants },
  { method: 'POST', path: '/admin/grants', handler: createGrant },
  { method: 'DELETE', path: '/admin/grants/:id', handler: deleteGrant },
  { method: 'GET', path: '/admin/locks', permission: 'locks:read', handler: listLocks },
  {
    method: 'POST',
    path: '/admin/locks',
    permission: 'locks:write',
    allowsScopedToken: true,
    handler: createLock,
  },
  {
    method: 'DELETE',
    path: '/admin/locks/:id',
    permission: 'locks:write',
    allowsScopedToken: true,
    handler: liftLock,
  },
  {
    method: 'GET',
    path: '/admin/agents/sessions',
    permission: 'sessions:read',
    allowsScopedToken: true,
    handler: listSessions,
  },
  {
    method: 'GET',
    path: '/admin/agents/sessions/:id',
    permission: 'sessions:read',
    allowsScopedToken: true,
    handler: showSession,
  },
  {
    method: 'DELETE',
    path: '/admin/agents/sessions/:id',
    permission: 'sessions:terminate',
    allowsScopedToken: true,
    handler: terminateSession,
  },
  {
    method: 'GET',
    path: '/admin/agents/audit',
    permission: 'audit:read',
    allowsScopedToken: true,
    handler: listAudit,
  },
  { method: 'GET', path: '/admin/agents/audit/export', permission: 'audit:read', handler: exportAuditLog },
  {
    method: 'GET',
    path: '/admin/agents/audit/checkpoints',
    permission: 'audit:read',
    handler: listCheckpoints,
  },
];

export const OPERATOR_ROUTES: readonly Route[] = ROUTES.map((route) => ({ ...route, auth: 'required' }));
