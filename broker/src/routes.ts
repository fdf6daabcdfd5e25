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
import { refuseSignIn } from './auth0-session/refusal-page.ts';
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
import type { StrangerRule } from './strangers.ts';
import { showServerMetadata } from './token/metadata.ts';
import { oauthRefusal } from './token/refusal.ts';
import { grantToken } from './token.ts';

/** What a route asks of its caller: nothing at all, a credential if there is one, or a credential. */
export type Demand = 'none' | 'optional' | 'required';

interface RouteBase {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Hono pattern. */
  readonly path: string;
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

/** A route that anybody may call says what strangers may make it do. */
export type Route = RouteBase &
  (
    | { readonly demand: 'required' }
    | { readonly demand: Exclude<Demand, 'required'>; readonly strangers: StrangerRule }
  );

/**
 * Requests of strangers per address and minute: a person at a page needs one or two, an office behind one address as
 * many as it has people who begin at once. No more, as each makes work here and, at the callback, at the tenant.
 */
const USUAL: StrangerRule = { counts: 'requests', limit: 60 };

/** Every route of the broker. What is not here does not exist. */
export const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/',
    demand: 'none',
    strangers: { counts: 'nothing', because: 'the page is a constant' },
    handler: showFrontPage,
  },
  {
    method: 'POST',
    path: '/tickets',
    demand: 'optional',
    strangers: { counts: 'tickets' },
    handler: mintTicket,
  },
  {
    method: 'POST',
    path: '/token',
    demand: 'none',
    strangers: { counts: 'failures' },
    refuse: oauthRefusal('request'),
    handler: grantToken,
  },
  {
    method: 'GET',
    path: '/auth/login',
    demand: 'none',
    strangers: USUAL,
    refuse: refuseSignIn(),
    handler: beginLogin,
  },
  {
    method: 'GET',
    path: '/auth/callback',
    demand: 'none',
    strangers: USUAL,
    refuse: refuseSignIn(),
    handler: finishLogin,
  },
  {
    method: 'GET',
    path: '/auth/logout',
    demand: 'none',
    strangers: {
      counts: 'nothing',
      because: 'without a sign-in that stands it only drops cookies, and signing out must always work',
    },
    handler: logOut,
  },
  {
    method: 'POST',
    path: '/auth/backchannel-logout',
    demand: 'none',
    strangers: { counts: 'failures' },
    refuse: oauthRefusal('request'),
    handler: hearLogout,
  },
  { method: 'GET', path: '/me', demand: 'required', handler: showPrincipal },
  { method: 'POST', path: '/explain', demand: 'required', handler: explain },
  { method: 'GET', path: '/api/agents', demand: 'optional', strangers: USUAL, handler: listAgents },
  { method: 'DELETE', path: '/api/agents/:agent/:instance', demand: 'required', handler: deleteInstance },
  { method: 'GET', path: '/sessions', demand: 'required', handler: listOwnSessions },
  { method: 'DELETE', path: '/sessions/:id', demand: 'required', handler: endOwnSession },
  {
    method: 'GET',
    path: '/.well-known/jwks.json',
    demand: 'none',
    strangers: {
      counts: 'nothing',
      because:
        'verifiers share addresses, and one that gets no keys refuses everybody; each is one short read that caches may keep',
    },
    handler: jwksRoute,
  },
  {
    method: 'GET',
    path: '/.well-known/oauth-authorization-server',
    demand: 'none',
    strangers: { counts: 'nothing', because: 'the answer is made of settings' },
    handler: showServerMetadata,
  },
  {
    method: 'GET',
    path: '/.well-known/audit-jwks.json',
    demand: 'none',
    strangers: USUAL,
    handler: auditJwksRoute,
  },
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
  {
    method: 'GET',
    path: '/healthz',
    demand: 'none',
    strangers: { counts: 'nothing', because: 'it asks nothing of anything' },
    handler: liveness,
  },
  {
    method: 'GET',
    path: '/readyz',
    demand: 'none',
    strangers: {
      counts: 'nothing',
      because:
        'one look serves everybody for a second, and a load balancer that is refused takes the broker out of service',
    },
    handler: readiness,
  },
];
