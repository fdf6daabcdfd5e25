import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { accessIdentity } from './access-identity.ts';
import type { AccessIssuer } from './access-issuer.ts';
import { signInThroughAccess, signOutOfAccess } from './access-sign-in.ts';
import type { Auth0Tenant } from './auth0-tenant.ts';
import type { Faults } from './faults.ts';
import { interact } from './interactions.ts';
import { answerJson } from './json-answer.ts';
import { Refusal } from './refusal.ts';
import { readJson } from './request-body.ts';
import type { RequestLog } from './request-log.ts';
import { accessTokenRequest, auth0TokenRequest } from './token-requests.ts';

/** Access lives under its own prefix; every path not named here is the tenant's. */
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

export interface Parts {
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
    if (await parts.faults.strike(path, response, parts.stop)) return;
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route) {
      if (method !== route.method) {
        response.setHeader('allow', route.method);
        throw new Refusal(405, `this path takes ${route.method} only`);
      }
      return answerJson(response, 200, await route.answer(request));
    }
    if (path === PATHS.accessLogin) return signInThroughAccess(access, request, response);
    if (path === PATHS.accessLogout) return signOutOfAccess(request, response);
    if (path.startsWith(PATHS.interaction)) return interact(tenant, request, response);
    await tenant.provider().callback()(request, response);
  };
  return (request, response) => {
    serve(request, response).catch((error: unknown) => answerError(response, error));
  };
}

/** A web page that points its own name at loopback must not be able to mint tokens here. */
function requireKnownHost({ headers }: IncomingMessage, hostNames: ReadonlySet<string>): void {
  const name = (headers.host ?? '').replace(/:\d*$/, '').toLowerCase();
  if (!hostNames.has(name)) throw new Refusal(403, 'this host name is not served here');
}

function answerError(response: ServerResponse, error: unknown): void {
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
