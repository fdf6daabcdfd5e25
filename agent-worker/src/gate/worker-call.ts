import { AgentSlug, PrincipalId } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { messageBytes, roleScopes } from '@agent-ticket/shared/registry.ts';
import { covers, MESSAGE, Scope, STATE_READ } from '@agent-ticket/shared/scope.ts';
import type { Admitted } from './callback.ts';
import { readRequestBody } from './request-body.ts';
import { isWrite, type Route } from './route.ts';

/** Requests of the worker's own code, known by the object itself. No header, `cf` or copy of a request makes one. */
const callers = new WeakMap<Request, string>();

/**
 * A request of the worker's own code, for the gate: a new one of method, URL and body (with its media type). Nothing else
 * of the given one goes on: no `cf`, no cookies, no `Authorization`, no upgrade. The gate must get this very object.
 *
 * @param name one of the agent's `workerCalls` in the registry, which has its scopes.
 */
export function asWorker(request: Request, name: string): Request {
  const { url, method, body } = request;
  const type = request.headers.get('content-type');
  const headers = type === null ? undefined : { 'content-type': type };
  const call = new Request(url, { method, redirect: 'manual', ...(headers && { headers }), body });
  callers.set(call, name);
  return call;
}

/** The name under which the worker's own code made a request; `undefined` for a request from outside. */
export const workerNameOf = (request: Request): string | undefined => callers.get(request);

/** Admits a call of the worker's own code: its name and scopes are those of the registry. Does NOT check revocations. */
export async function admitWorkerCall(
  request: Request,
  { entry, instance }: Route,
  name: string,
  sleep: (ms: number, signal: AbortSignal) => Promise<void>,
): Promise<Outcome<Admitted>> {
  const declared = entry.workerCalls?.find((each) => each.name === name);
  if (declared === undefined) return err('worker_call_undeclared', { detail: 'name' });
  const scope = declared.scopes.map((text) => Scope.parse(text));
  if (!covers(scope, isWrite(request.method) ? MESSAGE : STATE_READ))
    return err('worker_call_undeclared', { detail: 'scope' });
  const bytes = entry.limits.bodyBytes ?? messageBytes(entry.access);
  const body = isWrite(request.method) ? await readRequestBody(request, bytes, sleep) : ok(null);
  if (!body.ok) return body;
  const ofViewer = roleScopes(entry, 'viewer');
  return ok({
    body: body.value,
    call: {
      agent: AgentSlug.parse(entry.slug),
      instance,
      principal: PrincipalId.parse(`worker:${name}`),
      role: scope.every((each) => covers(ofViewer, each)) ? 'viewer' : 'admin',
      scope,
    },
    enter: () => ok(undefined),
  });
}
