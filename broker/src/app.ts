import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import type { Denial } from '@agent-ticket/shared/denial.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { redact } from '@agent-ticket/shared/redact.ts';
import { createRefusalTally, type RefusalTally } from '@agent-ticket/shared/refusal-tally.ts';
import { type Context, Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { anonymous, authenticate } from './credentials/authenticate.ts';
import type { Authenticated } from './credentials/principal.ts';
import { logAuthResult, whoLine } from './credentials/verdict.ts';
import { admitStranger } from './http/anonymous-limit.ts';
import { renderError, respond } from './http/answer.ts';
import type { ErrorRenderer, HandlerResult, RequestContext } from './http/call.ts';
import { preflight, withCors } from './http/cors.ts';
import { PLAIN_PAGE_STYLE } from './http/plain-page.ts';
import type { Route } from './http/route.ts';
import { lockNamesOf } from './mint/policy-input.ts';
import { ROUTES } from './resources/routes.ts';
import type { BrokerPorts } from './runtime/ports.ts';

/** The broker as one fetch handler. Everything it touches comes in through the ports. */
export function createApp(ports: BrokerPorts): Hono {
  const app = new Hono();
  const tally = createRefusalTally(ports.log);
  const contentSecurityPolicy = {
    defaultSrc: ["'none'"],
    styleSrc: [PLAIN_PAGE_STYLE],
    frameAncestors: ["'none'"],
  };
  app.use(secureHeaders({ contentSecurityPolicy }));
  app.use(async (c, next) => {
    const origin = c.req.header('origin') ?? null;
    if (c.req.method === 'OPTIONS') return preflight(origin, ports.allowedOrigins, ports.randomId());
    await next();
    c.res = withCors(new Response(c.res.body, c.res), origin, ports.allowedOrigins);
  });

  for (const route of ROUTES) {
    app.on(route.method, route.path, (c) => answer(c, route, ports, tally));
  }
  for (const path of new Set(ROUTES.map((route) => route.path))) {
    const routes = ROUTES.filter((route) => route.path === path);
    const allow = routes.map((route) => route.method);
    app.all(path, (c) => refused(c, { reason: 'method_not_allowed', allow }, ports, routes[0]?.renderError));
  }
  app.notFound((c) => refused(c, { reason: 'route_unknown' }, ports));
  return app;
}

/** A request to no route. Its path is not logged: people paste credentials into the strangest places. */
const refused = (
  c: Context,
  denial: Denial,
  ports: BrokerPorts,
  face: ErrorRenderer = renderError,
): Response => {
  const requestId = ports.randomId();
  ports.log({ event: 'refused', reason: denial.reason, method: c.req.method, request_id: requestId });
  return face(denial, requestId);
};

/** One call, from the raw request to the answer: credential, permission, handler, and nothing thrown gets out. */
async function answer(c: Context, route: Route, ports: BrokerPorts, tally: RefusalTally): Promise<Response> {
  const request = c.req.raw;
  const facts: RequestContext = {
    requestId: ports.randomId(),
    now: ports.clock(),
    ipAddress: ports.addressOf(request),
    userAgent: redacted(request.headers.get('user-agent')),
  };
  tally.turn(facts.now);
  const face = route.renderError ?? renderError;
  const line = { method: route.method, path: route.path, request_id: facts.requestId };
  try {
    const { outcome, rate, who, agent, renderError: own = face } = await run(c, request, route, facts, ports);
    if (outcome.ok) return respond(outcome.value, facts.requestId, rate);
    const { reason, detail, field } = outcome.denial;
    // Whoever is known is in the audit log.
    if (who === undefined || who.method === 'anonymous') tally.count(reason, agent, facts.now);
    const event = reason === 'rate_limited' ? 'rate_limit' : 'refused';
    ports.log({ event, ...line, ...(who && whoLine(who)), reason, detail, field });
    return own(outcome.denial, facts.requestId, rate, request);
  } catch (error) {
    // An outage is a refusal that the client may retry; anything else is a bug, and must look like one.
    const outage = isOutage(error);
    ports.log({ event: outage ? 'outage' : 'bug', ...line, error: describeError(error) });
    if (outage)
      return face({ reason: 'database_unavailable', retryAfter: 5 }, facts.requestId, null, request);
    return face({ reason: 'internal' }, facts.requestId, null, request);
  }
}

async function run(
  c: Context,
  request: Request,
  route: Route,
  facts: RequestContext,
  ports: BrokerPorts,
): Promise<HandlerResult> {
  const credential = await (route.auth === 'none'
    ? ok(anonymous(facts.requestId))
    : authenticate(request, ports.credentials, facts.now));
  const { method, path } = route;
  const told = await logAuthResult(credential, { ...facts, request }, { method, path }, ports);
  if (!told.ok) return { outcome: told };
  const who = told.value;
  const { principal, method: authMethod } = who;
  if (route.auth === 'required' && authMethod === 'anonymous') return { outcome: err('credential_missing') };
  if (route.permission !== undefined && !principal.permissions.includes(route.permission)) {
    return { outcome: err('permission_missing', { detail: route.permission }), who };
  }
  if (route.permission !== undefined && route.allowsScopedToken !== true && who.agents !== undefined) {
    return { outcome: err('permission_missing', { detail: 'limited to agents' }), who };
  }
  if (route.auth === 'required' && route.method !== 'GET' && (await isLocked(who, facts.now, ports))) {
    return { outcome: err('locked'), who };
  }
  const call = { ...facts, request, params: c.req.param(), who };
  if (route.auth === 'required' || authMethod !== 'anonymous')
    return { who, ...(await route.handler(ports)(call)) };
  const { outcome, rate } = await admitStranger(route.anonymousLimit, route.path, facts, ports.ledger);
  return outcome.ok ? { who, rate, ...(await route.handler(ports)(call)) } : { who, rate, outcome };
}

/** Whether a lock names the caller itself: it may look, and change nothing. One on everything stops no operator. */
const isLocked = async (who: Authenticated, now: number, { locks }: BrokerPorts): Promise<boolean> =>
  (await locks.onTargets(lockNamesOf(who), now)).length > 0;

const redacted = (text: string | null): string | null => (text === null ? null : redact(text));
