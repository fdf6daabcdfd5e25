import type { Permission } from '../credentials/permissions.ts';
import { PAGE } from '../http/page.ts';
import { NO_PARAMETERS, type QueryRule } from '../http/query.ts';
import { TicketRequest } from '../mint/ticket-request.ts';
import { oauthRefusal } from '../oauth/refusal.ts';
import type { COSTS, Handler, Limit, Route } from '../runtime/call.ts';
import { receiveLogout } from '../sign-in/backchannel-logout.ts';
import { finishLogin } from '../sign-in/callback.ts';
import { beginLogin, LoginQuery } from '../sign-in/login.ts';
import { LogoutQuery, logOut } from '../sign-in/logout.ts';
import { refuseSignIn } from '../sign-in/refusal-page.ts';
import { listAgents } from './agents.ts';
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
import { showConsole } from './console.ts';
import { ExplainRequest, explain } from './explain.ts';
import { ForgetRequest, forgetPrincipal } from './forget.ts';
import { showFrontPage } from './front-page.ts';
import { CreateGrant, createGrant, deleteGrant, GrantParams, GrantQuery, listGrants } from './grants.ts';
import { liveness, readiness } from './health.ts';
import { deleteInstance, InstanceParams } from './instances.ts';
import {
  KeyParams,
  KeyQuery,
  listKeys,
  RotateRequest,
  resealKeys,
  revokeKey,
  rotateKeys,
  showAuditKeySet,
  showTicketKeySet,
} from './keys.ts';
import { CreateLock, createLock, LockParams, liftLock, listLocks } from './locks.ts';
import { MeQuery, showPrincipal } from './me.ts';
import { showOpenApi } from './openapi.ts';
import { listPrincipals, PrincipalQuery } from './principals.ts';
import { ReasonQuery } from './reason.ts';
import { showSecurityTxt } from './security-txt.ts';
import {
  CreateServiceToken,
  createServiceToken,
  listServiceTokens,
  RotateServiceToken,
  revokeServiceToken,
  rotateServiceToken,
  ServiceTokenParams,
  showServiceToken,
} from './service-tokens.ts';
import {
  endOwnSession,
  listOwnSessions,
  listSessions,
  SessionParams,
  SessionQuery,
  showSession,
  terminateSession,
} from './sessions.ts';
import { StatsQuery, showStats } from './stats.ts';
import { TerminateRequest, terminateSessions } from './terminate.ts';
import { introspectTicket, revokeTicket } from './ticket-status.ts';
import { BatchRequest, mintTicket, mintTickets } from './tickets.ts';
import { grantToken, showServerMetadata } from './token.ts';

const costs = (cost: keyof typeof COSTS): Limit => ({ counts: 'requests', cost });
const FAILURES: Limit = { counts: 'failures' };

const unlimited = (reason: string): Limit => ({ counts: 'nothing', reason });

const ignoring = (reason: string): QueryRule => ({ ignored: reason });

const STATIC = 'the file is the same for everybody';

const BY_OAUTH = ignoring('parameters that are not known must be ignored (RFC 6749 §3.2, §4.1.2)');
const BY_PROBES = ignoring('some probes and clients add one, to get around a cache');

/** A route that reads no credential of its own accord. */
const open = (limit: Limit, handler: Handler, query: QueryRule = NO_PARAMETERS) =>
  ({ auth: 'none', limit, handler, query }) as const;

/** A route for callers with a credential. Those without a permission ask the handler, which knows what an owner may. */
const known = (cost: keyof typeof COSTS, handler: Handler, query: QueryRule = NO_PARAMETERS) =>
  ({ auth: 'required', limit: costs(cost), handler, query }) as const;

const permitted = (
  permission: Permission,
  cost: keyof typeof COSTS,
  handler: Handler,
  query: QueryRule = NO_PARAMETERS,
) => ({ ...known(cost, handler, query), permission }) as const;

/** {@link permitted}; the handler holds a credential that is limited to some agents to those. */
const scoped = (
  permission: Permission,
  cost: keyof typeof COSTS,
  handler: Handler,
  query: QueryRule = NO_PARAMETERS,
) => ({ ...permitted(permission, cost, handler, query), allowsScopedToken: true }) as const;

/** A route of OAuth about a ticket that the caller presents. */
const ofTickets = (cost: keyof typeof COSTS, handler: Handler) =>
  ({
    ...known(cost, handler, BY_OAUTH),
    readsCredential: true,
    renderError: oauthRefusal('request'),
  }) as const;

/** Every route of the broker. What is not here does not exist. */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/', ...open(unlimited('the page is made of settings'), showFrontPage, BY_PROBES) },
  { method: 'GET', path: '/console', ...open(unlimited(STATIC), showConsole, BY_PROBES) },
  { method: 'GET', path: '/console/:file', ...open(unlimited(STATIC), showConsole, BY_PROBES) },
  {
    method: 'POST',
    path: '/tickets',
    body: TicketRequest,
    auth: 'optional',
    limit: { counts: 'tickets' },
    readsCredential: true,
    handler: mintTicket,
    query: NO_PARAMETERS,
  },
  {
    method: 'POST',
    path: '/tickets/batch',
    body: BatchRequest,
    auth: 'required',
    limit: { counts: 'tickets', isBatch: true },
    readsCredential: true,
    handler: mintTickets,
    query: NO_PARAMETERS,
  },
  {
    method: 'POST',
    path: '/token',
    ...open(FAILURES, grantToken, BY_OAUTH),
    renderError: oauthRefusal('request'),
  },
  { method: 'POST', path: '/revoke', ...ofTickets('change', revokeTicket) },
  { method: 'POST', path: '/introspect', ...ofTickets('read', introspectTicket) },
  {
    method: 'GET',
    path: '/auth/login',
    ...open(
      unlimited('it asks nobody, and any page could use up what its visitors have'),
      beginLogin,
      LoginQuery,
    ),
    renderError: refuseSignIn(),
  },
  {
    method: 'GET',
    path: '/auth/callback',
    ...open({ counts: 'sign-ins' }, finishLogin, BY_OAUTH),
    renderError: refuseSignIn(),
  },
  {
    method: 'GET',
    path: '/auth/logout',
    ...open(
      unlimited('without a valid sign-in the route only deletes cookies, and signing out must always work'),
      logOut,
      LogoutQuery,
    ),
  },
  {
    method: 'POST',
    path: '/auth/backchannel-logout',
    ...open(FAILURES, receiveLogout, BY_OAUTH),
    renderError: oauthRefusal('request'),
  },
  {
    method: 'GET',
    path: '/me',
    ...known('read', showPrincipal, MeQuery),
    allowsNobody: true,
    allowsLocked: true,
  },
  { method: 'POST', path: '/explain', body: ExplainRequest, ...known('read', explain) },
  {
    method: 'GET',
    path: '/api/agents',
    auth: 'optional',
    limit: costs('read'),
    handler: listAgents,
    query: NO_PARAMETERS,
  },
  {
    method: 'DELETE',
    path: '/api/agents/:agent/:instance',
    params: InstanceParams,
    ...known('change', deleteInstance, ReasonQuery),
  },
  { method: 'GET', path: '/sessions', ...known('read', listOwnSessions, PAGE) },
  { method: 'DELETE', path: '/sessions/:id', params: SessionParams, ...known('change', endOwnSession) },
  {
    method: 'GET',
    path: '/.well-known/jwks.json',
    ...open(
      unlimited(
        'verifiers share addresses, and one that gets no keys refuses everybody; each is one short read that caches may keep',
      ),
      showTicketKeySet,
      BY_PROBES,
    ),
  },
  {
    method: 'GET',
    path: '/.well-known/oauth-authorization-server',
    ...open(unlimited('the answer is made of settings'), showServerMetadata, BY_PROBES),
  },
  { method: 'GET', path: '/.well-known/audit-jwks.json', ...open(costs('read'), showAuditKeySet, BY_PROBES) },
  {
    method: 'GET',
    path: '/.well-known/security.txt',
    ...open(unlimited('the answer is made of settings'), showSecurityTxt, BY_PROBES),
  },
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
  {
    method: 'GET',
    path: '/openapi.json',
    ...open(unlimited('the document is a constant'), showOpenApi, BY_PROBES),
  },
  {
    method: 'GET',
    path: '/healthz',
    allowsPlaintext: true,
    ...open(unlimited('it calls no database and no other service'), liveness, BY_PROBES),
  },
  {
    method: 'GET',
    path: '/readyz',
    allowsPlaintext: true,
    ...open(
      unlimited(
        'after its first an isolate looks once a second, and a load balancer that is refused takes the broker out of service',
      ),
      readiness,
      BY_PROBES,
    ),
  },
];
