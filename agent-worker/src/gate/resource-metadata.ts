import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { AgentEntry, AgentRegistry } from '@agent-ticket/shared/registry.ts';
import { isLoopback } from '@agent-ticket/shared/settings.ts';
import { logNaming, nameRequest } from '@agent-ticket/shared/trace-context.ts';
import type { GateConfig } from '../config.ts';
import { ROUTES, WELL_KNOWN } from '../routes.ts';
import { originAllowed, ownHeaders, preflight, refuseHttp, withCors } from './answer.ts';
import { parseRoute } from './route.ts';

/*
 * Protected resource metadata (RFC 9728) of agents for machines: with it a client of MCP finds the broker that issues its
 * tickets. It is made of settings and the path alone. Of an agent it shows the name, which the gate shows everybody.
 */

/** Addresses that a client of an agent for machines asks: the endpoints of MCP, and the instance itself. */
const ENDPOINTS = ['', '/mcp', '/sse'];

interface MetadataPorts {
  readonly registry: AgentRegistry;
  readonly config: GateConfig;
  readonly randomId: () => string;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** Answers a request for metadata. Wakes no object, and reads no database. */
export async function answerMetadataRequest(request: Request, ports: MetadataPorts): Promise<Response> {
  const named = nameRequest(request.headers, ports.randomId());
  const { requestId } = named;
  const { config } = ports;
  const found = findResource(request, ports);
  if (!found.ok) {
    logNaming(named, ports.log)({ event: 'gate_refused', reason: found.denial.reason });
    return withCors(refuseHttp(found.denial, requestId), request, config, undefined);
  }
  const { entry, resource } = found.value;
  if (request.method === 'OPTIONS') return preflight(request.headers.get('origin'), requestId, entry);
  const body = {
    resource,
    authorization_servers: [config.issuer],
    bearer_methods_supported: ['header'],
  };
  const headers = ownHeaders(requestId);
  return withCors(Response.json(body, { headers }), request, config, entry);
}

function findResource(
  request: Request,
  { registry, config }: MetadataPorts,
): Outcome<{ readonly entry: AgentEntry; readonly resource: string }> {
  const { url, method } = request;
  const { pathname, protocol, hostname } = new URL(url);
  const path = pathname.slice(WELL_KNOWN.length);
  const route = parseRoute(path, { method: 'GET', isUpgrade: false }, registry);
  if (!route.ok) return route;
  const { entry, instance } = route.value;
  const isResource = ENDPOINTS.some((endpoint) => path === `/agents/${entry.slug}/${instance}${endpoint}`);
  if (entry.transport !== 'sse' || !isResource) return err('route_unknown');
  const allow: readonly string[] = ROUTES.metadata.methods;
  if (!allow.includes(method)) return err('method_not_allowed', { allow });
  if (protocol === 'http:' && !config.development && !isLoopback(hostname)) return err('plaintext_refused');
  if (!originAllowed(request, config.allowedOrigins)) return err('origin_not_allowed');
  return ok({ entry, resource: originOf(url, config) + path });
}

/** The configured origin where there is one: otherwise the `Host` of the request would name the resource. */
const originOf = (url: string, { origin }: GateConfig): string => origin ?? new URL(url).origin;

/** Adds the address of the metadata to a 401 of an agent for machines (RFC 9728 §5.1). */
export function withMetadata(
  answer: Response,
  { url }: Request,
  config: GateConfig,
  entry: AgentEntry | undefined,
): Response {
  if (answer.status !== 401 || entry?.transport !== 'sse') return answer;
  // The ticket was refused, so the route was valid: slug and instance contain no character that ends a quoted string.
  const { pathname } = new URL(url);
  const [, , slug, instance, endpoint] = pathname.split('/');
  const place = `/agents/${slug}/${instance}`;
  const known = ENDPOINTS.find((each) => each === `/${endpoint}`) ?? '';
  const metadata = `${originOf(url, config)}${WELL_KNOWN}${place}${known}`;
  answer.headers.set('www-authenticate', `Bearer realm="agents", resource_metadata="${metadata}"`);
  return answer;
}
