import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import type { Permission } from '../credentials/permissions.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { Answer, ErrorRenderer, RequestContext } from '../http/context.ts';
import type { QueryRule } from '../http/query.ts';
import type { RateState } from '../http/rate.ts';
import type { BrokerPorts } from './ports.ts';

/** One call with a verified credential and the permission of the route. */
export interface Call extends RequestContext {
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
  readonly who: Authenticated;
  readonly ports: BrokerPorts;
}

/** A handler's answer where the route reports more than the outcome. */
export interface HandlerResult {
  readonly outcome: Outcome<Answer>;
  readonly rate?: RateState | null;
  /** The caller, where the handler itself asked for a credential. */
  readonly who?: Authenticated;
  /** Slug of the known agent that a ticket was asked for. */
  readonly agent?: string | undefined;
  /** Left out: as the route says. */
  readonly renderError?: ErrorRenderer;
}

export type Handler = (call: Call) => Promise<Outcome<Answer> | HandlerResult>;

/**
 * The limit of a route for anonymous callers, by network address. Where the route reads credentials, a caller with a
 * valid credential is not counted.
 */
export type AnonymousLimit =
  /** So many requests per window, counted before anything is read. Each route by itself: one never uses up another. */
  | { readonly counts: 'requests'; readonly limit: number }
  /** Sign-ins that were begun in this browser and come back, counted before the tenant is asked. */
  | { readonly counts: 'sign-ins' }
  /** Asking for tickets, counted with the audit event. */
  | { readonly counts: 'tickets' }
  /** Counts only presented credentials that are invalid: a valid credential must never be refused by the limit. */
  | { readonly counts: 'failures' }
  | { readonly counts: 'nothing'; readonly reason: string };

interface RouteBase {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Hono pattern. */
  readonly path: string;
  readonly query: QueryRule;
  /** Checked before anything is looked up. */
  readonly permission?: Permission;
  /**
   * Whether the handler enforces the agents of a credential that is limited to some. Without it, a route with a
   * permission concerns all agents and refuses such a credential.
   */
  readonly allowsScopedToken?: true;
  /** Whether it answers 204 to a caller without a credential who asks with `optional=true`, in place of 401. */
  readonly allowsNobody?: true;
  /** How its refusals look; left out: as everywhere. */
  readonly renderError?: ErrorRenderer;
  readonly handler: Handler;
}

/** A route that anonymous callers may use declares its limit for them. */
export type Route = RouteBase &
  (
    | { readonly auth: 'required' }
    | { readonly auth: 'none' | 'optional'; readonly anonymousLimit: AnonymousLimit }
  );
