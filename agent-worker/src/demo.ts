import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import type { DemoAgent, DemoFacts } from '../demo/facts.ts';
import { refuse } from './gate/answer.ts';

/** The demo page: what this worker answers beside its agents. Nothing here knows a ticket or an object. */

export interface DemoPorts {
  readonly registry: AgentRegistry;
  /** Base address of the broker, which the page asks for tickets. */
  readonly broker: string;
  /** Where people sign in and out by Access, where that is not the broker's own address. */
  readonly accessUrl: string | undefined;
  /** The built page. */
  readonly assets: { fetch(request: Request): Promise<Response> };
  readonly randomId: () => string;
}

/**
 * Path → file of the page. The asset store is asked for these and nothing else, so that no spelling of a path, and no
 * redirect that it would answer to one, reaches the outside.
 */
const FILES: Readonly<Record<string, string>> = {
  '/': '/index.html',
  '/demo.css': '/demo.css',
  '/demo.js': '/demo.js',
  '/icon.svg': '/icon.svg',
  '/chat': '/chat/chat.html',
  '/chat.css': '/chat/chat.css',
  '/chat.js': '/chat/chat.js',
};
const FACTS = '/demo.json';
const METHODS = ['GET', 'HEAD'] as const;

/** Answers one request that is no agent's. */
export async function answerDemoRequest(request: Request, ports: DemoPorts): Promise<Response> {
  const url = new URL(request.url);
  const requestId = ports.randomId();
  const file = Object.hasOwn(FILES, url.pathname) ? FILES[url.pathname] : undefined;
  if (file === undefined && url.pathname !== FACTS)
    return refuse(request, { reason: 'route_unknown' }, requestId);
  if (!METHODS.some((method) => method === request.method))
    return refuse(request, { reason: 'method_not_allowed', allow: METHODS }, requestId);

  const found =
    file === undefined
      ? Response.json(factsOf(ports), { headers: { 'cache-control': 'no-store' } })
      : await ports.assets.fetch(new Request(new URL(file, url.origin), request));
  const answer = new Response(found.body, found);
  for (const [name, value] of Object.entries(securityHeaders(url, ports.broker)))
    answer.headers.set(name, value);
  answer.headers.set('x-request-id', requestId);
  return answer;
}

/** Agents that only some may know of stay out of a list for everybody, and so do those that take no socket. */
function factsOf({ broker, registry, accessUrl }: DemoPorts): DemoFacts {
  const agents = registry.flatMap(
    ({ slug, displayName, description, access, instances, enabled, transport }): DemoAgent[] =>
      enabled && access !== 'grant' && transport === 'websocket'
        ? [{ slug, displayName, description, access, instances: instances ?? [] }]
        : [],
  );
  return {
    broker,
    agents,
    ...(agents.some(({ slug }) => slug === 'chat') ? { chat: '/chat' } : {}),
    ...(accessUrl === undefined ? {} : { accessUrl }),
  };
}

/** The page loads its own files, asks the broker, opens sockets here, and does nothing else (CSP Level 3). */
function securityHeaders(url: URL, broker: string): Record<string, string> {
  // Not every browser counts sockets of the page's own origin as 'self'.
  const sockets = `${url.protocol === 'https:' ? 'wss:' : 'ws:'}//${url.host}`;
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${new URL(broker).origin} ${sockets}`,
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  };
}
