import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type AccessIssuer, accessIdentity } from './access-issuer.ts';
import { signInThroughAccess, signOutOfAccess } from './access-sign-in.ts';
import type { Auth0Tenant } from './auth0-tenant.ts';
import { answerJson, Refusal, readJson } from './http.ts';
import { createMcpServer } from './mcp-server.ts';
import { signInAtTenant } from './tenant-sign-in.ts';
import { accessTokenRequest, auth0TokenRequest } from './token-requests.ts';

/** Access and the MCP server have their own prefixes; every other path belongs to the tenant. */
export const PATHS = {
  accessCerts: '/access/cdn-cgi/access/certs',
  accessIdentity: '/access/cdn-cgi/access/get-identity',
  accessLogin: '/access/cdn-cgi/access/login',
  accessLogout: '/access/cdn-cgi/access/logout',
  accessToken: '/access/token',
  auth0Token: '/auth0/token',
  interaction: '/interaction/',
  tenantJwks: '/.well-known/jwks.json',
} as const;

/** How a path fails. With a status or a body it answers only that; with a delay alone it is only slow. */
export interface Fault {
  /** Default 200. */
  status?: number;
  /** Default empty. */
  body?: string;
  delayMs?: number;
}

export class Faults {
  readonly #byPath = new Map<string, Fault>();

  /** `path` may also be a whole URL, of which only the path counts. */
  set(path: string, fault: Fault | null): void {
    const { pathname } = new URL(path, 'http://any.test');
    if (fault) this.#byPath.set(pathname, fault);
    else this.#byPath.delete(pathname);
  }

  /** True when the fault has answered; rejects when `stop` is aborted during a delay. */
  async apply(path: string, response: ServerResponse, stop: AbortSignal): Promise<boolean> {
    const fault = this.#byPath.get(path);
    if (!fault) return false;
    if (fault.delayMs !== undefined) await delay(fault.delayMs, undefined, { signal: stop });
    if (fault.status === undefined && fault.body === undefined) return false;
    const body = fault.body ?? '';
    const type = body.trimStart().startsWith('<') ? 'text/html; charset=utf-8' : 'application/json';
    response.writeHead(fault.status ?? 200, { 'content-type': type });
    response.end(body);
    return true;
  }
}

/** One request; `path` is without the query, which may contain codes and tokens. */
export interface SeenRequest {
  method: string;
  path: string;
}

/** A development server may run for days: the log has only the newest requests. */
const MAX_SEEN_REQUESTS = 10_000;

export class RequestLog {
  readonly #seen: SeenRequest[] = [];

  add(request: SeenRequest): void {
    this.#seen.push(request);
    if (this.#seen.length > MAX_SEEN_REQUESTS) this.#seen.shift();
  }

  /** Oldest first. */
  all(): readonly SeenRequest[] {
    return [...this.#seen];
  }
}

interface Parts {
  access: AccessIssuer;
  tenant: Auth0Tenant;
  now: () => number;
  faults: Faults;
  log: RequestLog;
  /** Host names that a request may be for. */
  hostNames: ReadonlySet<string>;
  /** Aborted when the server closes. */
  stop: AbortSignal;
}

interface Route {
  method: 'GET' | 'POST';
  answer(request: IncomingMessage): Promise<unknown>;
}

export function requestListener(parts: Parts): RequestListener {
  const { access, tenant, now } = parts;
  const mcpServer = createMcpServer();
  const routes: Readonly<Record<string, Route>> = {
    [PATHS.accessCerts]: { method: 'GET', answer: () => access.certs() },
    [PATHS.accessIdentity]: {
      method: 'GET',
      answer: ({ headers }) => accessIdentity(access, headers, now()),
    },
    [PATHS.accessToken]: {
      method: 'POST',
      answer: async (request) => ({ token: await access.token(await readJson(request, accessTokenRequest)) }),
    },
    [PATHS.auth0Token]: {
      method: 'POST',
      answer: async (request) => ({ token: await tenant.token(await readJson(request, auth0TokenRequest)) }),
    },
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '/' } = request;
    const path = url.split('?', 1)[0] ?? '/';
    parts.log.add({ method, path });
    requireKnownHost(request, parts.hostNames);
    if (await parts.faults.apply(path, response, parts.stop)) return;
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route) {
      if (method !== route.method) {
        response.setHeader('allow', route.method);
        throw new Refusal(405, `this path takes ${route.method} only`);
      }
      return answerJson(response, 200, await route.answer(request));
    }
    if (await mcpServer.answer(request, response)) return;
    if (path === PATHS.accessLogin) return signInThroughAccess(access, request, response);
    if (path === PATHS.accessLogout) return signOutOfAccess(request, response);
    if (path.startsWith(PATHS.interaction)) return signInAtTenant(tenant, request, response);
    await tenant.provider().callback()(request, response);
  };
  return (request, response) => {
    serve(request, response).catch((error: unknown) => answerError(response, error));
  };
}

/** Against DNS rebinding: a web page must not be able to mint tokens by a name of its own for loopback. */
function requireKnownHost({ headers }: IncomingMessage, hostNames: ReadonlySet<string>): void {
  const name = (headers.host ?? '').replace(/:\d*$/, '').toLowerCase();
  if (!hostNames.has(name)) throw new Refusal(403, 'this host name is not served here');
}

export function answerError(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
  } else if (error instanceof Refusal) {
    const { status, message, field } = error;
    answerJson(response, status, {
      error: { code: status === 400 ? 'BAD_REQUEST' : 'REFUSED', message, field },
    });
  } else {
    const message = error instanceof Error ? error.message : 'unknown';
    answerJson(response, 500, { error: { code: 'INTERNAL', message } });
  }
}
