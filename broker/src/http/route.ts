import type { Permission } from '../credentials/permissions.ts';
import type { BrokerPorts } from '../runtime/ports.ts';
import type { AnonymousLimit } from './anonymous-limit.ts';
import type { ErrorRenderer, Handler } from './call.ts';

/** What a route asks of its caller: nothing at all, a credential if there is one, or a credential. */
type Auth = 'none' | 'optional' | 'required';

export interface RouteBase {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Hono pattern. */
  readonly path: string;
  /** Checked before anything is looked up. */
  readonly permission?: Permission;
  /**
   * That the handler holds a credential which is limited to some agents to those. A route with a permission that does
   * not say so is about all agents, and refuses such a credential.
   */
  readonly allowsScopedToken?: true;
  /** How its refusals look; left out: as everywhere. */
  readonly renderError?: ErrorRenderer;
  readonly handler: (ports: BrokerPorts) => Handler;
}

/** A route that anybody may call says what strangers may make it do. */
export type Route = RouteBase &
  (
    | { readonly auth: 'required' }
    | { readonly auth: Exclude<Auth, 'required'>; readonly anonymousLimit: AnonymousLimit }
  );
