import { PAGE } from '../http/page.ts';
import { NO_PARAMETERS, type QueryRule } from '../http/query.ts';
import { TicketRequest } from '../mint/ticket-request.ts';
import { oauthRefusal } from '../oauth/refusal.ts';
import type { COSTS, Handler, Limit, Route } from '../runtime/call.ts';
import { receiveLogout } from '../sign-in/backchannel-logout.ts';
import { receiveSecurityEvent, refuseSet } from '../sign-in/caep.ts';
import { finishLogin } from '../sign-in/callback.ts';
import { beginLogin, LoginQuery } from '../sign-in/login.ts';
import { LogoutQuery, logOut } from '../sign-in/logout.ts';
import { refuseSignIn } from '../sign-in/refusal-page.ts';
import { ADMIN_ROUTES } from './admin-routes.ts';
import { listAgents } from './agents.ts';
import { showConsole } from './console.ts';
import { ExplainRequest, explain } from './explain.ts';
import { showFrontPage } from './front-page.ts';
import { liveness, readiness } from './health.ts';
import { deleteInstance, InstanceParams } from './instances.ts';
import { showAuditKeySet, showTicketKeySet } from './keys.ts';
import { MeQuery, showPrincipal } from './me.ts';
import { showMetrics } from './metrics.ts';
import { showOpenApi } from './openapi.ts';
import { ReasonQuery } from './reason.ts';
import { costs, known, permitted } from './route-row.ts';
import { showSecurityTxt } from './security-txt.ts';
import { endOwnSession, listOwnSessions, SessionParams } from './sessions.ts';
import { introspectTicket, revokeTicket } from './ticket-status.ts';
import { BatchRequest, mintTicket, mintTickets } from './tickets.ts';
import { grantToken, showServerMetadata } from './token.ts';

const FAILURES: Limit = { counts: 'failures' };

const unlimited = (reason: string): Limit => ({ counts: 'nothing', reason });

const ignoring = (reason: string): QueryRule => ({ ignored: reason });

const STATIC = 'the file is the same for everybody';

const BY_OAUTH = ignoring('parameters that are not known must be ignored (RFC 6749 §3.2, §4.1.2)');
const BY_PROBES = ignoring('some probes and clients add one, to get around a cache');

/** A route that reads no credential of its own accord. */
const open = (limit: Limit, handler: Handler, query: QueryRule = NO_PARAMETERS) =>
  ({ auth: 'none', limit, handler, query }) as const;

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
    method: 'POST',
    path: '/caep/events',
    ...open(FAILURES, receiveSecurityEvent),
    renderError: refuseSet,
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
  ...ADMIN_ROUTES,
  {
    method: 'GET',
    path: '/metrics',
    ...permitted('metrics:read', 'read', showMetrics),
    // A scrape must not end with the record database, in which a broker on Node counts. One reading is for all.
    limit: { counts: 'requests', cost: 'read', exempt: 'metrics:read' },
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
