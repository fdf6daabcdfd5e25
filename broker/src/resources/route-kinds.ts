import type { Permission } from '../credentials/permissions.ts';
import { NO_PARAMETERS, type QueryRule } from '../http/query.ts';
import { oauthRefusal } from '../oauth/refusal.ts';
import type { COSTS, Handler, Limit } from '../runtime/call.ts';

/** What rows of routes have in common. */

export const costs = (cost: keyof typeof COSTS): Limit => ({ counts: 'requests', cost });
export const FAILURES: Limit = { counts: 'failures' };

export const unlimited = (reason: string): Limit => ({ counts: 'nothing', reason });

const ignoring = (reason: string): QueryRule => ({ ignored: reason });

export const STATIC = 'the file is the same for everybody';

export const BY_OAUTH = ignoring('parameters that are not known must be ignored (RFC 6749 §3.2, §4.1.2)');
export const BY_PROBES = ignoring('some probes and clients add one, to get around a cache');

/** A route that reads no credential of its own accord. */
export const open = (limit: Limit, handler: Handler, query: QueryRule = NO_PARAMETERS) =>
  ({ auth: 'none', limit, handler, query }) as const;

/** A route for callers with a credential. Those without a permission ask the handler, which knows what an owner may. */
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

/** A route of OAuth about a ticket that the caller presents. */
export const ofTickets = (cost: keyof typeof COSTS, handler: Handler) =>
  ({
    ...known(cost, handler, BY_OAUTH),
    readsCredential: true,
    renderError: oauthRefusal('request'),
  }) as const;
