import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import type * as z from 'zod';
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
  /** The caller, where the handler itself asked for a credential; `undefined`: the credential was refused. */
  readonly who?: Authenticated | undefined;
  /** Slug of the known agent that a ticket was asked for. */
  readonly agent?: string | undefined;
  /** Left out: as the route says. */
  readonly renderError?: ErrorRenderer;
}

export type Handler = (call: Call) => Promise<Outcome<Answer> | HandlerResult>;

/**
 * Units of one call, out of the limit of its caller (see RATE_LIMITS). A change writes the change, its event and its
 * command, and may call on every object of an agent; an export reads the whole audit log.
 */
export const COSTS = { read: 1, change: 4, export: 15 } as const;

/** What bounds the calls of a route. */
export type Limit =
  /**
   * Each request, before anything is looked up: by principal and tier, or by network address without a credential. All
   * routes share the limit of the caller. Holders of the permission `exempt` are not counted: what they ask for must be
   * answered while the counter is unreachable.
   */
  | { readonly counts: 'requests'; readonly cost: keyof typeof COSTS; readonly exempt?: Permission }
  /** Sign-ins that were begun in this browser and come back, counted before the tenant is asked. */
  | { readonly counts: 'sign-ins' }
  /** Requests for tickets, counted with the audit event. */
  | { readonly counts: 'tickets'; readonly isBatch?: true }
  /** Counts only presented credentials that are invalid: a valid credential must never be refused by the limit. */
  | { readonly counts: 'failures' }
  | { readonly counts: 'nothing'; readonly reason: string };

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Hono pattern. */
  readonly path: string;
  /** What the handler reads its parameters by; left out: any text. */
  readonly params?: z.ZodObject;
  readonly query: QueryRule;
  /** JSON that it reads; left out: none. */
  readonly body?: z.ZodType;
  /** Checked before anything is looked up. */
  readonly permission?: Permission;
  /**
   * Whether the handler enforces the agents of a credential that is limited to some. Without it, a route with a
   * permission concerns all agents and refuses such a credential.
   */
  readonly allowsScopedToken?: true;
  /**
   * The handler reads the credential itself, and after it the query, and counts by it: the mint shard looks a service token
   * up, and OAuth clients may send theirs in the body. `who` of the call is anonymous.
   */
  readonly readsCredential?: true;
  /** Whether it answers 204 to a caller without a credential who asks with `optional=true`, in place of 401. */
  readonly allowsNobody?: true;
  /** Whether a caller that a lock names may use it. */
  readonly allowsLocked?: true;
  /** Whether the route answers without TLS: a probe of a broker behind its proxy uses the address of the machine. */
  readonly allowsPlaintext?: true;
  /** How its refusals look; left out: as everywhere. */
  readonly renderError?: ErrorRenderer;
  /** Whether a credential is read, and whether the call needs one. */
  readonly auth: 'none' | 'optional' | 'required';
  readonly limit: Limit;
  readonly handler: Handler;
}
