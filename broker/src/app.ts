import { isOutage, outageHint } from '@agent-ticket/drizzle/outage.ts';
import type { Denial, DenialReason } from '@agent-ticket/shared/denial.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { LOOK_DIGEST } from '@agent-ticket/shared/look.ts';
import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { redact } from '@agent-ticket/shared/redact.ts';
import { createRefusalTally, type RefusalTally } from '@agent-ticket/shared/refusal-tally.ts';
import { isLoopback } from '@agent-ticket/shared/settings.ts';
import { logNaming, type NamedRequest, nameRequest } from '@agent-ticket/shared/trace-context.ts';
import { type Context, Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { getPath } from 'hono/utils/url';
import { logAuthResult, principalFields } from './credentials/auth-result.ts';
import { anonymous, authenticate } from './credentials/authenticate.ts';
import { permissionMissing } from './credentials/permissions.ts';
import { isBeforeSignOut } from './credentials/principal.ts';
import { renderError, respond } from './http/answer.ts';
import type { ErrorRenderer, RequestContext } from './http/context.ts';
import { checkQuery } from './http/query.ts';
import { callerTargets } from './mint/policy-input.ts';
import { CONSOLE_POLICY } from './resources/console.ts';
import { ROUTES } from './resources/routes.ts';
import type { HandlerResult, Route } from './runtime/call.ts';
import { countCall } from './runtime/limit.ts';
import type { BrokerPorts } from './runtime/ports.ts';

/** The policy of every answer but the console's (CSP Level 3): `default-src` covers neither a base nor forms nor frames. */
const PLAIN_POLICY = {
  defaultSrc: ["'none'"],
  styleSrc: [LOOK_DIGEST],
  formAction: ["'none'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

/** The broker as one fetch handler, of all routes or of some. Everything it touches comes in through the ports. */
export function createApp(ports: BrokerPorts, routes: readonly Route[] = ROUTES): Hono {
  const app = new Hono({ getPath: pathOf(ports.config.issuer) });
  const { allowedOrigins } = ports.config;
  const tally = createRefusalTally(ports.log);
  const secured = (contentSecurityPolicy: typeof CONSOLE_POLICY | typeof PLAIN_POLICY) =>
    secureHeaders({ contentSecurityPolicy, strictTransportSecurity: 'max-age=31536000; includeSubDomains' });
  const [plain, ofConsole] = [secured(PLAIN_POLICY), secured(CONSOLE_POLICY)];
  app.use((c, next) => (/^\/console(\/|$)/.test(c.req.path) ? ofConsole : plain)(c, next));
  app.use(async (c, next) => {
    const origin = c.req.header('origin') ?? null;
    if (c.req.method === 'OPTIONS') return preflight(origin, allowedOrigins, ports.randomId());
    await next();
    withCors(c.res, origin, allowedOrigins);
  });

  // Path by path, or another method of `…/terminate` would be one of the session `terminate`.
  for (const path of new Set(routes.map((route) => route.path))) {
    const ofPath = routes.filter((route) => route.path === path);
    for (const route of ofPath) app.on(route.method, path, (c) => answer(c, route, ports, tally));
    const allow = ofPath.map((route) => route.method);
    app.all(path, (c) => refused(c, { reason: 'method_not_allowed', allow }, ports, ofPath[0]?.renderError));
  }
  app.notFound((c) =>
    // Relative, since a broker may be below a path.
    c.req.path === '/console/'
      ? respond({ status: 308, headers: { location: '../console' } }, ports.randomId())
      : refused(c, { reason: 'route_unknown' }, ports),
  );
  return app;
}

/**
 * Whether a request came without TLS, so that others can read its credential. A request by a loopback name stays on
 * the machine, and in development the issuer itself has no TLS.
 */
function isPlaintext(request: Request, { config, isByTls }: BrokerPorts): boolean {
  if (config.issuer.startsWith('http:') || isByTls(request)) return false;
  return !isLoopback(new URL(request.url).hostname);
}

/**
 * The path of a request as the routes name it. With an issuer like `https://id.test/broker` every address is below that
 * path, but the metadata is where RFC 8414 §3.1 has it: its well-known part comes before the issuer's path. A proxy or a
 * framework that takes the path off is fine, too.
 */
function pathOf(issuer: string): (request: Request) => string {
  const base = new URL(issuer).pathname.replace(/\/$/, '');
  if (base === '') return getPath;
  const metadata = '/.well-known/oauth-authorization-server';
  return (request) => {
    const path = getPath(request);
    if (path === base) return '/';
    if (path === metadata + base) return metadata;
    return path.startsWith(`${base}/`) ? path.slice(base.length) : path;
  };
}

const LIMITED: readonly DenialReason[] = ['rate_limited', 'credential_tried_too_often'];

/** A request to no route. Its path is not logged: people paste credentials into the strangest places. */
const refused = (
  c: Context,
  denial: Denial,
  ports: BrokerPorts,
  render: ErrorRenderer = renderError,
): Response => {
  const request = nameRequest(c.req.raw.headers, ports.randomId());
  logNaming(request, ports.log)({ event: 'refused', reason: denial.reason, method: c.req.method });
  return render(denial, request.requestId);
};

/** The ports for one request: the lines that it logs name it, and the commands that it sends are part of its trace. */
const portsFor = (request: NamedRequest, ports: BrokerPorts): BrokerPorts => ({
  ...ports,
  log: logNaming(request, ports.log),
  sendControl: (worker, token, signal) => ports.sendControl(worker, token, signal, request.trace),
});

/** One call, from the raw request to the answer: credential, permission, handler, and nothing thrown gets out. */
async function answer(c: Context, route: Route, shared: BrokerPorts, tally: RefusalTally): Promise<Response> {
  const request = c.req.raw;
  const userAgent = request.headers.get('user-agent');
  const context: RequestContext = {
    ...nameRequest(request.headers, shared.randomId()),
    now: shared.clock(),
    ipAddress: shared.addressOf(request),
    userAgent: userAgent === null ? null : redact(userAgent),
  };
  const { requestId, now } = context;
  tally.flush(now);
  const ofRoute = route.renderError ?? renderError;
  const ports = portsFor(context, shared);
  const line = { method: route.method, path: route.path };
  try {
    const { outcome, rate, who, agent, renderError: render = ofRoute } = await run(c, route, context, ports);
    if (outcome.ok) return respond(outcome.value, requestId, rate);
    const { reason, detail, field } = outcome.denial;
    // Refusals of a known principal are named in the log or the audit log, one by one.
    if (who === undefined || who.method === 'anonymous') tally.count(reason, agent, now);
    const event = LIMITED.includes(reason) ? 'rate_limit' : 'refused';
    ports.log({ event, ...line, ...(who && principalFields(who)), reason, detail, field });
    return render(outcome.denial, requestId, rate, request);
  } catch (error) {
    // An outage is a refusal that the client may retry; anything else is a bug, and must look like one.
    const outage = isOutage(error);
    const hint = outageHint(error);
    ports.log({ event: outage ? 'outage' : 'bug', ...line, error: describeError(error), hint });
    const denial: Denial = outage
      ? { reason: 'database_unavailable', retryAfter: 5 }
      : { reason: 'internal' };
    // Nothing was decided, and a caller got no ticket all the same: an alert counts on it.
    if (route.limit.counts === 'tickets')
      ports.measure('tickets_total', { outcome: 'denied', code: denial.reason });
    return ofRoute(denial, requestId, null, request);
  }
}

const LOCKED = 'a lock names the caller: another operator may lift it';
const SCOPED = 'the credential is limited to some agents, and this concerns all';

async function run(
  c: Context,
  route: Route,
  context: RequestContext,
  ports: BrokerPorts,
): Promise<HandlerResult> {
  const request = c.req.raw;
  if (route.allowsPlaintext !== true && isPlaintext(request, ports))
    return { outcome: err('plaintext_refused') };
  const credential = await (route.auth === 'none' || route.readsCredential === true
    ? ok(anonymous(context.requestId))
    : authenticate(request, ports.credentials, context.now));
  const { method, path, permission } = route;
  const logged = await logAuthResult(credential, { ...context, request }, { method, path }, ports);
  if (!logged.ok) return { outcome: logged };
  const who = logged.value;
  const isRequired = route.auth === 'required' && route.readsCredential !== true;
  if (isRequired && who.method === 'anonymous')
    return { outcome: mayBeNobody(request, route) ? ok({ status: 204 }) : err('credential_missing') };
  const { outcome: isWithin, ...rate } =
    route.readsCredential === true
      ? { outcome: ok(undefined) }
      : await countCall(route.limit, { ...context, who, request }, ports);
  const counted = { who, ...rate };
  if (!isWithin.ok) return { ...counted, outcome: isWithin };
  // In one trip: its sign-outs, and the locks that name the caller itself. One on everything stops no operator.
  const readCaller = () => ports.control.readCaller(who.principal.id, callerTargets(who), context.now);
  // Sign-ins by cookie are checked when they are read, and service tokens do not sign out.
  const maySignOut = isRequired && who.issuedAt !== undefined && who.login === undefined;
  const caller = maySignOut ? await readCaller() : undefined;
  if (isBeforeSignOut(who, caller?.signedOut)) return { ...counted, outcome: err('credential_revoked') };
  if (permission !== undefined && !who.principal.permissions.includes(permission))
    return { ...counted, outcome: permissionMissing(permission) };
  if (permission !== undefined && route.allowsScopedToken !== true && who.agents !== undefined)
    return { ...counted, outcome: err('permission_missing', { detail: 'limited to agents', hint: SCOPED }) };
  // The credential may be in wrong hands, and an export of the audit log harms as much as a change.
  const isLockable = isRequired && route.allowsLocked !== true;
  if (isLockable && (caller ?? (await readCaller())).revocations.length > 0)
    return { ...counted, outcome: err('locked', permission === undefined ? {} : { hint: LOCKED }) };
  const query = route.readsCredential === true ? ok(undefined) : checkQuery(request.url, route.query);
  if (!query.ok) return { ...counted, outcome: query };
  if (route.method === 'DELETE' && hasBody(request))
    return { ...counted, outcome: err('field_invalid', { field: 'body', hint: IN_QUERY }) };
  const result = await route.handler({ ...context, request, params: c.req.param(), who, ports });
  return { ...counted, ...('outcome' in result ? result : { outcome: result }) };
}

/** What a body says would be lost, and with it the reason of a change. */
const IN_QUERY = 'a DELETE has no body: a reason belongs into the query';
const hasBody = ({ headers }: Request): boolean =>
  headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) > 0;

/** A page asks who is signed in, and most often nobody is: a 401 would be an error in the browser's console. */
const mayBeNobody = ({ url }: Request, { allowsNobody }: Route): boolean =>
  allowsNobody === true && new URL(url).searchParams.get('optional') === 'true';

/** Which pages may read our answers (Fetch standard §3.2). An exact list; nothing from the request is echoed. */
const ALLOW = {
  'access-control-allow-methods': 'GET, POST, DELETE',
  'access-control-allow-headers':
    // MCP clients send the version with a request for metadata, and libraries for traces theirs with every request.
    'authorization, content-type, cf-access-client-id, cf-access-client-secret, cf-access-jwt-assertion, mcp-protocol-version, traceparent, tracestate',
  'access-control-max-age': '600',
} as const;

const EXPOSED = 'x-request-id, retry-after, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset';

/** Answers a preflight; without the allowing headers where the origin is not listed, so that the browser refuses. */
function preflight(origin: string | null, allowed: readonly string[], requestId: string): Response {
  const answer = new Response(null, { status: 204, headers: { 'x-request-id': requestId } });
  if (origin !== null && allowed.includes(origin)) {
    for (const [name, value] of Object.entries(ALLOW)) answer.headers.set(name, value);
  }
  return withCors(answer, origin, allowed);
}

function withCors(answer: Response, origin: string | null, allowed: readonly string[]): Response {
  answer.headers.append('vary', 'Origin');
  const listed = allowed.find((known) => known === origin);
  if (listed === undefined) return answer;
  answer.headers.set('access-control-allow-origin', listed);
  answer.headers.set('access-control-allow-credentials', 'true');
  answer.headers.set('access-control-expose-headers', EXPOSED);
  return answer;
}
