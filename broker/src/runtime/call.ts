import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import type { Permission } from '../credentials/permissions.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { Answer, ErrorRenderer, RequestContext } from '../http/context.ts';
import type { RateState } from '../http/rate.ts';
import type { BrokerPorts } from './ports.ts';

/** One call as a handler sees it: credential verified, permission held. */
export interface Call extends RequestContext {
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
  readonly who: Authenticated;
  readonly ports: BrokerPorts;
}

/** What a handler answers, where the outcome alone does not say it. */
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
 * What a caller without a credential may make a route do, by network address. Where the route reads credentials, a caller
 * with a right one is not counted.
 */
export type AnonymousLimit =
  /** So many requests per window, counted before anything is read. Each route by itself: one never uses up another. */
  | { readonly counts: 'requests'; readonly limit: number }
  /** Sign-ins that were begun in this browser and come back, counted before the tenant is asked. */
  | { readonly counts: 'sign-ins' }
  /** Asking for tickets, counted with the audit event. */
  | { readonly counts: 'tickets' }
  /** Credentials that were shown and are wrong, as failed credentials are: a right one must never be refused. */
  | { readonly counts: 'failures' }
  | { readonly counts: 'nothing'; readonly reason: string };

interface RouteBase {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Hono pattern. */
  readonly path: string;
  /** Checked before anything is looked up. */
  readonly permission?: Permission;
  /**
   * The handler holds a credential that is limited to some agents to those. A route with a permission that does not say
   * so is about all agents, and refuses such a credential.
   */
  readonly allowsScopedToken?: true;
  /** How its refusals look; left out: as everywhere. */
  readonly renderError?: ErrorRenderer;
  readonly handler: Handler;
}

/** A route that anybody may call says what callers without a credential may make it do. */
export type Route = RouteBase &
  (
    | { readonly auth: 'required' }
    | { readonly auth: 'none' | 'optional'; readonly anonymousLimit: AnonymousLimit }
  );
