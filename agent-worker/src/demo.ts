import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import type { DemoAgent, DemoFacts } from '../demo/facts.ts';
import { refuse, STRICT_TRANSPORT } from './gate/answer.ts';

/** The demo page: requests to this worker that are for no agent. Uses neither tickets nor objects. */

interface DemoPorts {
  readonly registry: AgentRegistry;
  /** Base address of the broker, which the page asks for tickets. */
  readonly broker: string;
  /** Address of the stand-in for Access, where Access is not in front of the broker. */
  readonly accessUrl: string | undefined;
  /** Address of an MCP server for trying, where there is one. */
  readonly mcpServer: string | undefined;
  /** The built page. */
  readonly assets: { fetch(request: Request): Promise<Response> };
  readonly randomId: () => string;
}

/**
 * Path → file of the page. Only these are requested from the asset store, so that its redirects for other spellings of a
 * path never reach a client.
 */
const FILES: Readonly<Record<string, string>> = {
  '/': '/index.html',
  '/demo.css': '/demo.css',
  '/demo.js': '/demo.js',
  '/icon.svg': '/icon.svg',
  '/chat': '/chat/chat.html',
  '/chat.css': '/chat/chat.css',
  '/chat.js': '/chat/chat.js',
  '/integrations': '/integrations/integrations.html',
  '/integrations.css': '/integrations/integrations.css',
  '/integrations.js': '/integrations/integrations.js',
  '/integrations/done': '/integrations/done.html',
  '/integrations/done.js': '/integrations/done.js',
};
const FACTS = '/demo.json';
/** Agents with a page of their own, at a path of the same name. */
const PAGES = ['chat', 'integrations'] as const;
const METHODS = ['GET', 'HEAD'] as const;

/** Answers one request that is for no agent. */
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

/** A public list: without agents that only some principals may see, and without those that accept no socket. */
function factsOf({ broker, registry, accessUrl, mcpServer }: DemoPorts): DemoFacts {
  const agents = registry.flatMap(
    ({ slug, displayName, description, access, instances, enabled, transport }): DemoAgent[] =>
      enabled && access !== 'grant' && transport === 'websocket'
        ? [{ slug, displayName, description, access, instances: instances ?? [] }]
        : [],
  );
  return {
    broker,
    agents,
    pages: PAGES.filter((page) => agents.some(({ slug }) => slug === page)),
    ...(accessUrl === undefined ? {} : { accessUrl }),
    ...(mcpServer === undefined ? {} : { mcpServer }),
  };
}

/** The page may load its own files, call the broker, and open sockets here, and nothing else (CSP Level 3). */
function securityHeaders(url: URL, broker: string): Record<string, string> {
  // Not every browser includes sockets of the page's own origin in 'self'.
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
    'strict-transport-security': STRICT_TRANSPORT,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  };
}
