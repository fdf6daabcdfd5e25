import type { Denial } from '@agent-ticket/shared/denial.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { takeFromRequest, takeFromUpgrade } from '@agent-ticket/shared/handshake.ts';
import { SessionId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { redact } from '@agent-ticket/shared/redact.ts';
import type { RefusalTally } from '@agent-ticket/shared/refusal-tally.ts';
import { type AgentRegistry, findAgent } from '@agent-ticket/shared/registry.ts';
import { CONNECT, MESSAGE, STATE_READ } from '@agent-ticket/shared/scope.ts';
import { isLoopback } from '@agent-ticket/shared/settings.ts';
import { type FindKey, verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import type { GateConfig } from './config.ts';
import { forward } from './gate/forward.ts';
import { corsHeaders, originAllowed, preflight } from './gate/origin.ts';
import { isUpgrade, refuse, socketAnswer } from './gate/refuse.ts';
import { parseRoute, type Route } from './gate/route.ts';
import { denialOf } from './ticketed/answer.ts';

export interface GatePorts {
  readonly registry: AgentRegistry;
  readonly config: GateConfig;
  readonly findKey: FindKey;
  /** The destination object of a route. Called only with a verified ticket, so that strangers make no objects. */
  readonly destination: (route: Route) => { fetch(request: Request): Promise<Response> };
  readonly randomId: () => string;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Counts refusals: those without a verified ticket leave nothing else. */
  readonly tally: RefusalTally;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/**
 * Answers one request to `/agents/…`: where to, from where, with which ticket, and only then the object.
 *
 * Refuses everything that it does not know; passes on nothing that it did not check. Does NOT burn the ticket nor
 * look at the frames of an open socket: the object does, before its agent's code.
 */
export async function answerAgentRequest(request: Request, ports: GatePorts): Promise<Response> {
  const requestId = ports.randomId();
  ports.tally.turn(ports.clock());
  const outcome = await passGate(request, ports, requestId);
  if (outcome.ok) return outcome.value;
  const { reason, detail } = outcome.denial;
  // A known name and no more of the path: people paste tickets into the strangest places.
  const agent = findAgent(ports.registry, new URL(request.url).pathname.split('/')[2] ?? '')?.slug;
  ports.tally.count(reason, agent, ports.clock());
  ports.log({
    event: 'gate_refused',
    reason,
    detail,
    request_id: requestId,
    agent,
  });
  return withCors(refuse(request, outcome.denial, requestId), request, ports.config);
}

async function passGate(request: Request, ports: GatePorts, requestId: string): Promise<Outcome<Response>> {
  const { registry, config } = ports;
  const url = new URL(request.url);
  const upgrade = isUpgrade(request.headers);
  const origin = request.headers.get('origin');

  const route = parseRoute(url.pathname, request.method, registry);
  if (!route.ok) return route;
  if (url.protocol === 'http:' && !config.development && !isLoopback(url.hostname))
    return err('plaintext_refused');
  if (!originAllowed(origin, config.allowedOrigins)) return err('origin_not_allowed');
  if (request.method === 'OPTIONS') return ok(preflight(origin));

  const { entry, instance } = route.value;
  const taken = upgrade ? takeFromUpgrade(url, request.headers) : takeFromRequest(request.headers);
  if (!taken.ok) return taken;
  const { ticket, delivery } = taken.value;
  const verified = await verifyTicket(ticket, {
    issuer: config.issuer,
    audience: config.audience,
    nowSeconds: Math.floor(ports.clock() / 1000),
    route: { agent: entry.slug, instance },
    scope: upgrade ? CONNECT : request.method === 'GET' ? STATE_READ : MESSAGE,
    transport: upgrade ? 'websocket' : undefined,
    findKey: ports.findKey,
  });
  if (!verified.ok) return verified;
  if (!entry.deliveries.includes(delivery)) return err('ticket_delivery_not_allowed');

  const userAgent = request.headers.get('user-agent');
  const answer = await askObject(
    ports,
    route.value,
    forward(request, verified.value, {
      sessionId: SessionId.parse(ports.randomId()),
      delivery,
      limits: entry.limits,
      requestId,
      ipAddress: request.headers.get('cf-connecting-ip'),
      userAgent: userAgent === null ? null : redact(userAgent),
    }),
  );
  if (!answer.ok) return answer;
  const denial: Denial | undefined = denialOf(answer.value);
  if (denial !== undefined) return { ok: false, denial };
  return ok(
    upgrade
      ? socketAnswer(request, answer.value.webSocket, requestId)
      : passedOn(request, answer.value, requestId, config),
  );
}

/**
 * The object's answer. One that is overloaded, reset by a deploy or destroyed in the middle throws: its clients come
 * back, so they must be told in a way that they understand.
 */
async function askObject(ports: GatePorts, route: Route, request: Request): Promise<Outcome<Response>> {
  const object = ports.destination(route);
  try {
    return ok(await object.fetch(request));
  } catch (error) {
    // What the runtime says of the object; its agent's own errors never come this far.
    return err('agent_failed', { detail: describeError(error) });
  }
}

function passedOn(request: Request, answer: Response, requestId: string, config: GateConfig): Response {
  const passed = new Response(answer.body, answer);
  passed.headers.set('x-request-id', requestId);
  passed.headers.set('cache-control', 'no-store');
  return withCors(passed, request, config);
}

function withCors(answer: Response, request: Request, config: GateConfig): Response {
  const origin = request.headers.get('origin');
  if (answer.status === 101 || !originAllowed(origin, config.allowedOrigins)) return answer;
  for (const [name, value] of corsHeaders(origin)) answer.headers.set(name, value);
  return answer;
}
