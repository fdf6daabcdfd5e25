import { exportAuditLog, listAudit, listCheckpoints } from './admin/audit.ts';
import { createGrant, deleteGrant, listGrants } from './admin/grants.ts';
import { listKeys, resealKeys, revokeKey, rotateKeys } from './admin/keys.ts';
import { createLock, liftLock, listLocks } from './admin/locks.ts';
import {
  createServiceToken,
  listServiceTokens,
  revokeServiceToken,
  rotateServiceToken,
  showServiceToken,
} from './admin/service-tokens.ts';
import { listAgents } from './agents.ts';
import { hearLogout } from './auth0-session/backchannel-logout.ts';
import { finishLogin } from './auth0-session/callback.ts';
import { beginLogin } from './auth0-session/login.ts';
import { logOut } from './auth0-session/logout.ts';
import { deleteInstance } from './delete-instance.ts';
import { explain } from './explain.ts';
import { showFrontPage } from './front-page.ts';
import { liveness, readiness } from './health.ts';
import type { Handler, Refuse } from './http/call.ts';
import { auditJwksRoute, jwksRoute } from './keys/jwks.ts';
import { showPrincipal } from './me.ts';
import { mintTicket } from './mint-ticket.ts';
import type { Permission } from './permissions.ts';
import type { BrokerPorts } from './ports.ts';
import { endOwnSession, listOwnSessions, listSessions, showSession, terminateSession } from './sessions.ts';
import { showServerMetadata } from './token/metadata.ts';
import { oauthRefusal } from './token/refusal.ts';
import { grantToken } from './token.ts';

/** What a route asks of its caller: nothing at all, a credential if there is one, or a credential. */
export type Demand = 'none' | 'optional' | 'required';

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Hono pattern. */
  readonly path: string;
  readonly demand: Demand;
  /** Checked before anything is looked up. */
  readonly permission?: Permission;
  /**
   * That the handler holds a credential which is limited to some agents to those. A route with a permission that does
   * not say so is about all agents, and refuses such a credential.
   */
  readonly limited?: 'checked';
  /** How its refusals look; left out: as everywhere. */
  readonly refuse?: Refuse;
  readonly handler: (ports: BrokerPorts) => Handler;
}

/** Every route of the broker. What is not here does not exist. */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/', demand: 'none', handler: showFrontPage },
  { method: 'POST', path: '/tickets', demand: 'optional', handler: mintTicket },
  {
    method: 'POST',
    path: '/token',
    demand: 'none',
    refuse: oauthRefusal('request'),
    handler: grantToken,
  },
  { method: 'GET', path: '/auth/login', demand: 'none', handler: beginLogin },
  { method: 'GET', path: '/auth/callback', demand: 'none', handler: finishLogin },
  { method: 'GET', path: '/auth/logout', demand: 'none', handler: logOut },
  {
    method: 'POST',
    path: '/auth/backchannel-logout',
    demand: 'none',
    refuse: oauthRefusal('request'),
    handler: hearLogout,
  },
  { method: 'GET', path: '/me', demand: 'required', handler: showPrincipal },
  { method: 'POST', path: '/explain', demand: 'required', handler: explain },
  { method: 'GET', path: '/api/agents', demand: 'optional', handler: listAgents },
  { method: 'DELETE', path: '/api/agents/:agent/:instance', demand: 'required', handler: deleteInstance },
  { method: 'GET', path: '/sessions', demand: 'required', handler: listOwnSessions },
  { method: 'DELETE', path: '/sessions/:id', demand: 'required', handler: endOwnSession },
  { method: 'GET', path: '/.well-known/jwks.json', demand: 'none', handler: jwksRoute },
  {
    method: 'GET',
    path: '/.well-known/oauth-authorization-server',
    demand: 'none',
    handler: showServerMetadata,
  },
  { method: 'GET', path: '/.well-known/audit-jwks.json', demand: 'none', handler: auditJwksRoute },
  { method: 'GET', path: '/admin/keys', demand: 'required', permission: 'keys:read', handler: listKeys },
  {
    method: 'POST',
    path: '/admin/keys/rotate',
    demand: 'required',
    permission: 'keys:rotate',
    handler: rotateKeys,
  },
  {
    method: 'POST',
    path: '/admin/keys/reseal',
    demand: 'required',
    permission: 'keys:rotate',
    handler: resealKeys,
  },
  {
    method: 'POST',
    path: '/admin/keys/:kid/revoke',
    demand: 'required',
    permission: 'keys:revoke',
    handler: revokeKey,
  },
  {
    method: 'GET',
    path: '/admin/service-tokens',
    demand: 'required',
    permission: 'service-tokens:read',
    handler: listServiceTokens,
  },
  {
    method: 'POST',
    path: '/admin/service-tokens',
    demand: 'required',
    permission: 'service-tokens:write',
    limited: 'checked',
    handler: createServiceToken,
  },
  {
    method: 'GET',
    path: '/admin/service-tokens/:id',
    demand: 'required',
    permission: 'service-tokens:read',
    handler: showServiceToken,
  },
  {
    method: 'POST',
    path: '/admin/service-tokens/:id/rotate',
    demand: 'required',
    permission: 'service-tokens:write',
    limited: 'checked',
    handler: rotateServiceToken,
  },
  {
    method: 'DELETE',
    path: '/admin/service-tokens/:id',
    demand: 'required',
    permission: 'service-tokens:write',
    limited: 'checked',
    handler: revokeServiceToken,
  },
  { method: 'GET', path: '/admin/grants', demand: 'required', handler: listGrants },
  { method: 'POST', path: '/admin/grants', demand: 'required', handler: createGrant },
  { method: 'DELETE', path: '/admin/grants/:id', demand: 'required', handler: deleteGrant },
  { method: 'GET', path: '/admin/locks', demand: 'required', permission: 'locks:read', handler: listLocks },
  {
    method: 'POST',
    path: '/admin/locks',
    demand: 'required',
    permission: 'locks:write',
    limited: 'checked',
    handler: createLock,
  },
  {
    method: 'DELETE',
    path: '/admin/locks/:id',
    demand: 'required',
    permission: 'locks:write',
    limited: 'checked',
    handler: liftLock,
  },
  {
    method: 'GET',
    path: '/admin/agents/sessions',
    demand: 'required',
    permission: 'sessions:read',
    limited: 'checked',
    handler: listSessions,
  },
  {
    method: 'GET',
    path: '/admin/agents/sessions/:id',
    demand: 'required',
    permission: 'sessions:read',
    limited: 'checked',
    handler: showSession,
  },
  {
    method: 'DELETE',
    path: '/admin/agents/sessions/:id',
    demand: 'required',
    permission: 'sessions:terminate',
    limited: 'checked',
    handler: terminateSession,
  },
  {
    method: 'GET',
    path: '/admin/agents/audit',
    demand: 'required',
    permission: 'audit:read',
    limited: 'checked',
    handler: listAudit,
  },
  {
    method: 'GET',
    path: '/admin/agents/audit/export',
    demand: 'required',
    permission: 'audit:read',
    handler: exportAuditLog,
  },
  {
    method: 'GET',
    path: '/admin/agents/audit/checkpoints',
    demand: 'required',
    permission: 'audit:read',
    handler: listCheckpoints,
  },
  { method: 'GET', path: '/healthz', demand: 'none', handler: liveness },
  { method: 'GET', path: '/readyz', demand: 'none', handler: readiness },
];
