import type { Permission } from '../credentials/permissions.ts';
import type { QueryRule } from '../http/query.ts';
import { oauthRefusal } from '../oauth/refusal.ts';
import type { COSTS, Handler, Limit, Route } from '../runtime/call.ts';
import { receiveLogout } from '../sign-in/backchannel-logout.ts';
import { finishLogin } from '../sign-in/callback.ts';
import { beginLogin } from '../sign-in/login.ts';
import { logOut } from '../sign-in/logout.ts';
import { refuseSignIn } from '../sign-in/refusal-page.ts';
import { listAgents } from './agents.ts';
import { AUDIT_FILTERS, exportAuditLog, listAudit, listCheckpoints } from './audit.ts';
import { explain } from './explain.ts';
import { showFrontPage } from './front-page.ts';
import { createGrant, deleteGrant, listGrants } from './grants.ts';
import { liveness, readiness } from './health.ts';
import { deleteInstance } from './instances.ts';
import { listKeys, resealKeys, revokeKey, rotateKeys, showAuditKeySet, showTicketKeySet } from './keys.ts';
import { createLock, liftLock, listLocks } from './locks.ts';
import { showPrincipal } from './me.ts';
import {
  createServiceToken,
  listServiceTokens,
  revokeServiceToken,
  rotateServiceToken,
  showServiceToken,
} from './service-tokens.ts';
import {
  endOwnSession,
  listOwnSessions,
  listSessions,
  SESSION_FILTERS,
  showSession,
  terminateSession,
} from './sessions.ts';
import { introspectTicket, revokeTicket } from './ticket-status.ts';
import { mintTicket, mintTickets } from './tickets.ts';
import { grantToken, showServerMetadata } from './token.ts';

const costs = (cost: keyof typeof COSTS): Limit => ({ counts: 'requests', cost });
const FAILURES: Limit = { counts: 'failures' };

const unlimited = (reason: string): Limit => ({ counts: 'nothing', reason });

const ignoring = (reason: string): QueryRule => ({ ignored: reason });

const BY_OAUTH = ignoring('parameters that are not known must be ignored (RFC 6749 §3.2, §4.1.2)');
const BY_PROBES = ignoring('some probes and clients add one, to get around a cache');

const PAGE = ['limit', 'cursor'];

/** A route that reads no credential of its own accord. */
const open = (limit: Limit, handler: Handler, query: QueryRule = []) =>
  ({ auth: 'none', limit, handler, query }) as const;

/** A route for callers with a credential. Those without a permission ask the handler, which knows what an owner may. */
const known = (cost: keyof typeof COSTS, handler: Handler, query: QueryRule = []) =>
  ({ auth: 'required', limit: costs(cost), handler, query }) as const;

const permitted = (
  permission: Permission,
  cost: keyof typeof COSTS,
  handler: Handler,
  query: QueryRule = [],
) => ({ ...known(cost, handler, query), permission }) as const;

/** {@link permitted}; the handler holds a credential that is limited to some agents to those. */
const scoped = (permission: Permission, cost: keyof typeof COSTS, handler: Handler, query: QueryRule = []) =>
  ({ ...permitted(permission, cost, handler, query), allowsScopedToken: true }) as const;

/** A route of OAuth about a ticket that the caller presents. */
const ofTickets = (cost: keyof typeof COSTS, handler: Handler) =>
  ({
    ...known(cost, handler, BY_OAUTH),
    readsCredential: true,
    renderError: oauthRefusal('request'),
  }) as const;

/** Every route of the broker. What is not here does not exist. */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/', ...open(unlimited('the page is a constant'), showFrontPage, BY_PROBES) },
  {
    method: 'POST',
    path: '/tickets',
    auth: 'optional',
    limit: { counts: 'tickets' },
    readsCredential: true,
    handler: mintTicket,
    query: [],
  },
  {
    method: 'POST',
    path: '/tickets/batch',
    auth: 'required',
    limit: { counts: 'tickets', isBatch: true },
    readsCredential: true,
    handler: mintTickets,
    query: [],
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
    ...open(unlimited('it asks nobody, and any page could use up what its visitors have'), beginLogin, [
      'return_to',
      'login_hint',
      'renewed',
    ]),
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
      ['return_to', 'everywhere'],
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
    ...known('read', showPrincipal, ['optional']),
    allowsNobody: true,
    allowsLocked: true,
  },
  { method: 'POST', path: '/explain', ...known('read', explain) },
  {
    method: 'GET',
    path: '/api/agents',
    auth: 'optional',
    limit: costs('read'),
    handler: listAgents,
    query: [],
  },
  { method: 'DELETE', path: '/api/agents/:agent/:instance', ...known('change', deleteInstance) },
  { method: 'GET', path: '/sessions', ...known('read', listOwnSessions, PAGE) },
  { method: 'DELETE', path: '/sessions/:id', ...known('change', endOwnSession) },
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
  { method: 'GET', path: '/admin/keys', ...permitted('keys:read', 'read', listKeys, ['purpose']) },
  { method: 'POST', path: '/admin/keys/rotate', ...permitted('keys:rotate', 'change', rotateKeys) },
  { method: 'POST', path: '/admin/keys/reseal', ...permitted('keys:rotate', 'change', resealKeys) },
  { method: 'POST', path: '/admin/keys/:kid/revoke', ...permitted('keys:revoke', 'change', revokeKey) },
  {
    method: 'GET',
    path: '/admin/service-tokens',
    ...permitted('service-tokens:read', 'read', listServiceTokens, PAGE),
  },
  {
    method: 'POST',
    path: '/admin/service-tokens',
    ...scoped('service-tokens:write', 'change', createServiceToken),
  },
  {
    method: 'GET',
    path: '/admin/service-tokens/:id',
    ...permitted('service-tokens:read', 'read', showServiceToken),
  },
  {
    method: 'POST',
    path: '/admin/service-tokens/:id/rotate',
    ...scoped('service-tokens:write', 'change', rotateServiceToken),
  },
  {
    method: 'DELETE',
    path: '/admin/service-tokens/:id',
    ...scoped('service-tokens:write', 'change', revokeServiceToken),
  },
  {
    method: 'GET',
    path: '/admin/grants',
    ...known('read', listGrants, [...PAGE, 'agent', 'instance', 'subject']),
  },
  { method: 'POST', path: '/admin/grants', ...known('change', createGrant) },
  { method: 'DELETE', path: '/admin/grants/:id', ...known('change', deleteGrant) },
  { method: 'GET', path: '/admin/locks', ...permitted('locks:read', 'read', listLocks, PAGE) },
  { method: 'POST', path: '/admin/locks', ...scoped('locks:write', 'change', createLock) },
  { method: 'DELETE', path: '/admin/locks/:id', ...scoped('locks:write', 'change', liftLock) },
  {
    method: 'GET',
    path: '/admin/agents/sessions',
    ...scoped('sessions:read', 'read', listSessions, [...PAGE, ...SESSION_FILTERS]),
  },
  {
    method: 'GET',
    path: '/admin/agents/sessions/:id',
    ...scoped('sessions:read', 'read', showSession, PAGE),
  },
  {
    method: 'DELETE',
    path: '/admin/agents/sessions/:id',
    ...scoped('sessions:terminate', 'change', terminateSession),
  },
  {
    method: 'GET',
    path: '/admin/agents/audit',
    ...scoped('audit:read', 'read', listAudit, [...PAGE, ...AUDIT_FILTERS]),
  },
  {
    method: 'GET',
    path: '/admin/agents/audit/export',
    ...permitted('audit:read', 'export', exportAuditLog, ['after']),
  },
  {
    method: 'GET',
    path: '/admin/agents/audit/checkpoints',
    ...permitted('audit:read', 'read', listCheckpoints, PAGE),
  },
  { method: 'GET', path: '/healthz', ...open(unlimited('it asks nothing of anything'), liveness, BY_PROBES) },
  {
    method: 'GET',
    path: '/readyz',
    ...open(
      unlimited(
        'after its first an isolate looks once a second, and a load balancer that is refused takes the broker out of service',
      ),
      readiness,
      BY_PROBES,
    ),
  },
];
