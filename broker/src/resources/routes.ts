import type { AnonymousLimit } from '../http/anonymous-limit.ts';
import type { Route } from '../http/route.ts';
import { showServerMetadata } from '../oauth/metadata.ts';
import { oauthRefusal } from '../oauth/refusal.ts';
import { receiveLogout } from '../sign-in/backchannel-logout.ts';
import { finishLogin } from '../sign-in/callback.ts';
import { beginLogin } from '../sign-in/login.ts';
import { logOut } from '../sign-in/logout.ts';
import { refuseSignIn } from '../sign-in/refusal-page.ts';
import { listAgents } from './agents.ts';
import { explain } from './explain.ts';
import { showFrontPage } from './front-page.ts';
import { liveness, readiness } from './health.ts';
import { deleteInstance } from './instances.ts';
import { auditJwksRoute, jwksRoute } from './jwks.ts';
import { showPrincipal } from './me.ts';
import { OPERATOR_ROUTES } from './operator-routes.ts';
import { endOwnSession, listOwnSessions } from './sessions.ts';
import { mintTicket } from './tickets.ts';
import { grantToken } from './token.ts';

/**
 * Requests of strangers per address and minute: a page makes one or two, and an office has many people behind one
 * address. No more, as each makes work here.
 */
const USUAL: AnonymousLimit = { counts: 'requests', limit: 60 };

/** Every route of the broker. What is not here does not exist. */
export const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/',
    auth: 'none',
    anonymousLimit: { counts: 'nothing', reason: 'the page is a constant' },
    handler: showFrontPage,
  },
  {
    method: 'POST',
    path: '/tickets',
    auth: 'optional',
    anonymousLimit: { counts: 'tickets' },
    handler: mintTicket,
  },
  {
    method: 'POST',
    path: '/token',
    auth: 'none',
    anonymousLimit: { counts: 'failures' },
    renderError: oauthRefusal('request'),
    handler: grantToken,
  },
  {
    method: 'GET',
    path: '/auth/login',
    auth: 'none',
    anonymousLimit: {
      counts: 'nothing',
      reason: 'it asks nobody, and any page could use up what its visitors have',
    },
    renderError: refuseSignIn(),
    handler: beginLogin,
  },
  {
    method: 'GET',
    path: '/auth/callback',
    auth: 'none',
    anonymousLimit: { counts: 'sign-ins' },
    renderError: refuseSignIn(),
    handler: finishLogin,
  },
  {
    method: 'GET',
    path: '/auth/logout',
    auth: 'none',
    anonymousLimit: {
      counts: 'nothing',
      reason: 'without a sign-in that stands it only drops cookies, and signing out must always work',
    },
    handler: logOut,
  },
  {
    method: 'POST',
    path: '/auth/backchannel-logout',
    auth: 'none',
    anonymousLimit: { counts: 'failures' },
    renderError: oauthRefusal('request'),
    handler: receiveLogout,
  },
  { method: 'GET', path: '/me', auth: 'required', handler: showPrincipal },
  { method: 'POST', path: '/explain', auth: 'required', handler: explain },
  { method: 'GET', path: '/api/agents', auth: 'optional', anonymousLimit: USUAL, handler: listAgents },
  { method: 'DELETE', path: '/api/agents/:agent/:instance', auth: 'required', handler: deleteInstance },
  { method: 'GET', path: '/sessions', auth: 'required', handler: listOwnSessions },
  { method: 'DELETE', path: '/sessions/:id', auth: 'required', handler: endOwnSession },
  {
    method: 'GET',
    path: '/.well-known/jwks.json',
    auth: 'none',
    anonymousLimit: {
      counts: 'nothing',
      reason:
        'verifiers share addresses, and one that gets no keys refuses everybody; each is one short read that caches may keep',
    },
    handler: jwksRoute,
  },
  {
    method: 'GET',
    path: '/.well-known/oauth-authorization-server',
    auth: 'none',
    anonymousLimit: { counts: 'nothing', reason: 'the answer is made of settings' },
    handler: showServerMetadata,
  },
  {
    method: 'GET',
    path: '/.well-known/audit-jwks.json',
    auth: 'none',
    anonymousLimit: USUAL,
    handler: auditJwksRoute,
  },
  ...OPERATOR_ROUTES,
  {
    method: 'GET',
    path: '/healthz',
    auth: 'none',
    anonymousLimit: { counts: 'nothing', reason: 'it asks nothing of anything' },
    handler: liveness,
  },
  {
    method: 'GET',
    path: '/readyz',
    auth: 'none',
    anonymousLimit: {
      counts: 'nothing',
      reason:
        'after its first an isolate looks once a second, and a load balancer that is refused takes the broker out of service',
    },
    handler: readiness,
  },
];
