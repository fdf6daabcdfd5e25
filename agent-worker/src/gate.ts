import { isOutage } from '@agent-ticket/drizzle/outage.ts';
import { DENIALS, type Denial, type ErrorCode } from '@agent-ticket/shared/denial.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { takeFromRequest, takeFromUpgrade } from '@agent-ticket/shared/handshake.ts';
import type { Measure } from '@agent-ticket/shared/metrics.ts';
import { SessionId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { redact } from '@agent-ticket/shared/redact.ts';
import type { RefusalTally } from '@agent-ticket/shared/refusal-tally.ts';
import { type AgentRegistry, findAgent, limitsFor, messageBytes } from '@agent-ticket/shared/registry.ts';
import { type Revocation, strongestHit } from '@agent-ticket/shared/revocation.ts';
import { CONNECT, MESSAGE, STATE_READ } from '@agent-ticket/shared/scope.ts';
import { isLoopback } from '@agent-ticket/shared/settings.ts';
import { logNaming, type NamedRequest, nameRequest } from '@agent-ticket/shared/trace-context.ts';
import { type FindKey, verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { GateConfig } from './config.ts';
import {
  faultDenial,
  faultLine,
  originAllowed,
  preflight,
  refuse,
  secureHeaders,
  socketAnswer,
  withCors,
} from './gate/answer.ts';
import { knowBrowser } from './gate/browser.ts';
import { type Admitted, admitCallback, type CallbackPorts, callbackOf } from './gate/callback.ts';
import { forward, forwardTicketless } from './gate/forward.ts';
import { readRequestBody } from './gate/request-body.ts';
import { withMetadata } from './gate/resource-metadata.ts';
import type { CheckRevoked } from './gate/revocation-feed.ts';
import { isWrite, parseRoute, pathPattern, type Route } from './gate/route.ts';
import { admitWorkerCall, workerNameOf } from './gate/worker-call.ts';
import { denialOf, type Handover, isUpgrade, targetNamesOfTicketless } from './handover.ts';

export interface GatePorts {
  readonly registry: AgentRegistry;
  readonly config: GateConfig;
  readonly findKey: FindKey;
  /** The destination object of a route. Called only with a verified ticket, so that anonymous callers create no objects. */
  readonly destination: (route: Route) => { fetch(request: Request): Promise<Response> };
  readonly checkRevoked: CheckRevoked;
  /**
   * The revocations in force of some targets, from the record database. Rejects when that is away.
   */
  readonly listRevoked: (names: readonly string[]) => Promise<readonly Revocation[]>;
  readonly callbacks: CallbackPorts;
  /** Keeps the request's context alive for work that nobody waits for. */
  readonly keepAlive: (work: Promise<unknown>) => void;
  /** Resolves after so many ms, or when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly randomId: () => string;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Counts refusals: those without a verified ticket leave nothing else. */
  readonly tally: RefusalTally;
  readonly measure: Measure;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/**
 * Answers one request to `/agents/…`: route, origin, ticket, revocations, and only then the object. Nothing that is
 * thrown gets out: an outage is a refusal that the client may retry, anything else is a bug and looks like one.
 *
 * Does NOT burn the ticket, nor check the frames of an open socket: the object does, before its agent's code runs.
 */
export async function answerAgentRequest(request: Request, shared: GatePorts): Promise<Response> {
  const named = nameRequest(request.headers, shared.randomId());
  const { requestId } = named;
  const ports = { ...shared, log: logNaming(named, shared.log) };
  ports.tally.flush(ports.clock());
  // The name of a known agent and a pattern, and no more of the path: people paste tickets into paths.
  const entry = findAgent(ports.registry, new URL(request.url).pathname.split('/')[2] ?? '');
  const agent = entry?.slug;
  const attempt: Attempt = {};
  const outcome = await passGate(request, ports, named, attempt).catch((error: unknown) => {
    ports.log({ ...faultLine(error), agent });
    return faultDenial(error);
  });
  if (isUpgrade(request.headers))
    ports.measure('upgrades_total', {
      outcome: outcome.ok ? 'admitted' : 'denied',
      ...(outcome.ok ? {} : { code: outcome.denial.reason }),
      ...(agent === undefined ? {} : { agent }),
    });
  const line = { ...attempt.line, agent };
  if (outcome.ok) {
    if (attempt.line !== undefined) ports.log({ event: 'auth_success', ...line });
    return outcome.value;
  }
  // Without `jti` in it, a ticket that somebody tries at other places could not be found by its name.
  const { reason, detail, jti = attempt.line?.jti } = outcome.denial;
  ports.tally.count(reason, agent, ports.clock());
  const isAuthFailure = attempt.line !== undefined && AUTH_FAILURES.includes(DENIALS[reason].code);
  ports.log({ event: isAuthFailure ? 'auth_failure' : 'gate_refused', ...line, jti, reason, detail });
  const refusal = withMetadata(refuse(request, outcome.denial, requestId), request, ports.config, entry);
  return withCors(refusal, request, ports.config, entry);
}

/** Refusals of the ticket or of its rights; the others say nothing about who asked. */
const AUTH_FAILURES: readonly ErrorCode[] = ['UNAUTHORIZED', 'TOKEN_EXPIRED', 'FORBIDDEN'];

/** What is known of an attempt to authenticate, once there is one: also where it fails or throws later. */
interface Attempt {
  line?: {
    readonly method: string;
    readonly path: string;
    readonly auth_method: 'ticket' | 'callback' | 'worker';
    readonly ip_address: string | null;
    readonly principal?: string;
    readonly tier?: string;
    /** Of a verified ticket, so that each of its uses can be found. An instance that nobody verified is a caller's text. */
    readonly jti?: string;
    readonly instance?: string;
    /** Let through although revocations could not be read. */
    readonly revocations?: 'unread';
  };
}

const lineOf = (
  request: Request,
  url: URL,
  auth_method: NonNullable<Attempt['line']>['auth_method'],
): NonNullable<Attempt['line']> => ({
  ...{ method: request.method, path: pathPattern(url.pathname), auth_method },
  ip_address: clientOf(request).ipAddress,
});

/** Of an origin that is refused, for the log. */
const ORIGIN_LOGGED_CHARACTERS = 128;

/** From then on an answer is checked for revocations again: what was read for its request does not count any more. */
const SLOW_ANSWER_MS = 1_000;

async function passGate(
  request: Request,
  ports: GatePorts,
  named: NamedRequest,
  attempt: Attempt,
): Promise<Outcome<Response>> {
  const { registry, config } = ports;
  const { requestId, trace } = named;
  const url = new URL(request.url);
  const upgrade = isUpgrade(request.headers);
  const origin = request.headers.get('origin');

  const route = parseRoute(url.pathname, { method: request.method, isUpgrade: upgrade }, registry);
  if (!route.ok) return route;
  if (url.protocol === 'http:' && !config.development && !isLoopback(url.hostname))
    return err('plaintext_refused');
  const name = workerNameOf(request);
  const callback =
    request.method === 'OPTIONS' || name !== undefined
      ? ok(undefined)
      : callbackOf(request, url, route.value, ports.callbacks, upgrade);
  if (!callback.ok) return callback;
  if (name !== undefined || callback.value !== undefined) {
    attempt.line = lineOf(request, url, name === undefined ? 'callback' : 'worker');
    const admitted =
      callback.value === undefined
        ? await admitWorkerCall(request, route.value, name ?? '', ports.sleep)
        : await admitCallback(request, url, route.value, callback.value, ports);
    return admitted.ok
      ? passTicketless(request, admitted.value, route.value, ports, named, attempt)
      : admitted;
  }
  if (!originAllowed(request, config.allowedOrigins))
    return err('origin_not_allowed', { detail: origin?.slice(0, ORIGIN_LOGGED_CHARACTERS) ?? '' });
  const { entry, instance } = route.value;
  if (request.method === 'OPTIONS') return ok(preflight(origin, requestId, entry));

  attempt.line = lineOf(request, url, 'ticket');
  const taken = upgrade ? takeFromUpgrade(url, request.headers) : takeFromRequest(request.headers);
  if (!taken.ok) return taken;
  const { ticket, delivery } = taken.value;
  const verified = await verifyTicket(ticket, {
    issuer: config.issuer,
    audience: config.audience,
    nowSeconds: Math.floor(ports.clock() / 1000),
    route: { agent: entry.slug, instance },
    scope: upgrade ? CONNECT : isWrite(request.method) ? MESSAGE : STATE_READ,
    transport: upgrade ? 'websocket' : undefined,
    findKey: ports.findKey,
  });
  if (!verified.ok) return verified;
  const { sub: principal, tier, jti } = verified.value.claims;
  attempt.line = { ...attempt.line, principal, tier, jti, instance };
  if (!entry.deliveries.includes(delivery)) return err('ticket_delivery_not_allowed');

  // How long a session lasts is in its ticket.
  const { bodyBytes = messageBytes(entry.access), sessionSeconds: _, ...limits } = limitsFor(entry, tier);
  // Read before anything is decided by it: with a slow body a request would be let through long after its rights ended.
  const body = isWrite(request.method) ? await readRequestBody(request, bodyBytes, ports.sleep) : ok(null);
  if (!body.ok) return body;
  // A plain request waits for a fresh feed: what it does cannot be ended later. Only a valid ticket causes a read.
  const check = () => ports.checkRevoked(verified.value, { waits: !upgrade, keepAlive: ports.keepAlive });
  const checkedAt = ports.clock();
  const revoked = await check();
  if (!revoked.ok) return revoked;
  const { feed, noteInside } = revoked.value;
  if (feed === 'away') attempt.line = { ...attempt.line, revocations: 'unread' };
  const browser = await knowBrowser(url, request.headers, entry, upgrade);
  const answer = await askObject(
    ports,
    route.value,
    forward(request, trace, body.value, verified.value, {
      sessionId: SessionId.parse(ports.randomId()),
      delivery,
      limits,
      requestId,
      ...clientOf(request),
      ...(browser.digest === undefined ? {} : { browser: browser.digest }),
      feed,
    }),
  );
  const inside = await noteInside();
  if (!answer.ok) return answer;
  // The agent took its time: what it answers is for nobody whose rights ended meanwhile. A session has an end of its own.
  const isSlow = !upgrade && ports.clock() - checkedAt > SLOW_ANSWER_MS;
  const stillValid = inside.ok && isSlow ? await check() : inside;
  if (!stillValid.ok) {
    // A stream that the object has cut fails to be cancelled.
    await answer.value.body?.cancel().catch(() => {});
    return stillValid;
  }
  const denial: Denial | undefined = denialOf(answer.value);
  if (denial !== undefined) return { ok: false, denial };
  if (upgrade) return ok(socketAnswer(request, answer.value, requestId, browser.cookie));
  const passed = new Response(answer.value.body, answer.value);
  secureHeaders(passed.headers, requestId);
  return ok(withCors(passed, request, config, entry));
}

/**
 * Passes a request without a ticket to its object, unless a lock hits it. Its token may be months old, and it opens no
 * session that a lock could end. So the gate reads the locks from the database: while that is away, nothing passes.
 */
async function passTicketless(
  request: Request,
  { call, body, enter }: Admitted,
  route: Route,
  ports: GatePorts,
  { requestId, trace }: NamedRequest,
  attempt: Attempt,
): Promise<Outcome<Response>> {
  if (attempt.line !== undefined) attempt.line = { ...attempt.line, principal: call.principal };
  const names = targetNamesOfTicketless(call);
  // Its `rev` is later than every change: only a revocation of every ticket, new ones too, hits it.
  const rights = { names, rev: Number.MAX_SAFE_INTEGER };
  const revoked = strongestHit(rights, await ports.listRevoked(names), ports.clock());
  if (revoked !== undefined) return err(revoked.code);
  const entered = enter();
  if (!entered.ok) return entered;
  const facts = { requestId, ...clientOf(request) };
  const answer = await askObject(
    ports,
    route,
    forwardTicketless(request, trace, body, { ...call, ...facts }),
  );
  if (!answer.ok) return answer;
  const denial = denialOf(answer.value);
  if (denial !== undefined) return { ok: false, denial };
  const passed = new Response(answer.value.body, answer.value);
  secureHeaders(passed.headers, requestId);
  return ok(passed);
}

/**
 * The object's answer. An object that is overloaded, reset by a deploy or destroyed in the middle throws: its clients
 * will reconnect, so they get a refusal that says so.
 */
async function askObject(ports: GatePorts, route: Route, request: Request): Promise<Outcome<Response>> {
  const object = ports.destination(route);
  try {
    return ok(await object.fetch(request));
  } catch (error) {
    // The runtime's words about the object; errors of its agent's code do not come this far.
    const detail = describeError(error);
    return isOutage(error)
      ? err('agent_worker_unavailable', { detail, retryAfter: 1 })
      : err('agent_failed', { detail });
  }
}

function clientOf({ headers }: Request): Pick<Handover, 'ipAddress' | 'userAgent'> {
  const userAgent = headers.get('user-agent');
  return {
    ipAddress: headers.get('cf-connecting-ip'),
    userAgent: userAgent === null ? null : redact(userAgent),
  };
}
