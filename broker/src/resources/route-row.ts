import type { Permission } from '../credentials/permissions.ts';
import { NO_PARAMETERS, type QueryRule } from '../http/query.ts';
import type { COSTS, Handler, Limit } from '../runtime/call.ts';

/** The members that rows of routes have in common. */

export const costs = (cost: keyof typeof COSTS): Limit => ({ counts: 'requests', cost });

/** A route for callers with a credential. The handler checks permissions, since it knows the rights of an owner. */
export const known = (cost: keyof typeof COSTS, handler: Handler, query: QueryRule = NO_PARAMETERS) =>
  ({ auth: 'required', limit: costs(cost), handler, query }) as const;

export const permitted = (
  permission: Permission,
  cost: keyof typeof COSTS,
  handler: Handler,
  query: QueryRule = NO_PARAMETERS,
) => ({ ...known(cost, handler, query), permission }) as const;

/** {@link permitted}; the handler holds a credential that is limited to some agents to those. */
export const scoped = (
  permission: Permission,
  cost: keyof typeof COSTS,
  handler: Handler,
  query: QueryRule = NO_PARAMETERS,
) => ({ ...permitted(permission, cost, handler, query), allowsScopedToken: true }) as const;
