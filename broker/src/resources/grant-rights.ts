import { type Role, roleAtLeast, tierAtLeast } from '@agent-ticket/shared/names.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { findAgent } from '@agent-ticket/shared/registry.ts';
import { type Authenticated, allowsAgent } from '../credentials/principal.ts';
import type { Call } from '../http/call.ts';
import { type PolicyFacts, roleOf } from '../mint/policy.ts';
import { type Place, readFacts } from '../mint/policy-input.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/** Where grants are to be read or written; an `instance` may be `*`. What is left out is not known to the caller. */
export interface Where {
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
}

/** What somebody may do with the grants of one place. */
export type GrantRight =
  /** By permission, to anybody; no role above `upTo`. */
  | { readonly by: 'permission'; readonly upTo: Role | undefined }
  /** As owner of the instance, to named principals only, and no longer than `until`, in ms; null: for ever. */
  | { readonly by: 'ownership'; readonly upTo: 'owner'; readonly until: number | null };

/** Whether the caller may read grants there: an operator, or the owner of that one instance. */
export const mayReadGrants = async (
  ports: BrokerPorts,
  call: Call,
  where: Where,
): Promise<Outcome<unknown>> =>
  allowsAgent(call.who, where.agent) && call.who.principal.permissions.includes('grants:read')
    ? ok(undefined)
    : ownership(ports, call, 'grants:read', where);

/**
 * Whether the caller may make and end grants there, and up to which role. An operator of the tier `admin` may give
 * every role; any other holder of the permission none above its own there, and none on an agent of a higher tier.
 * Answers the same whether the agent exists or not.
 */
export async function mayWriteGrants(
  ports: BrokerPorts,
  call: Call,
  where: Where,
): Promise<Outcome<GrantRight>> {
  const { who, now } = call;
  if (!allowsAgent(who, where.agent) || !who.principal.permissions.includes('grants:write')) {
    const owner = await ownership(ports, call, 'grants:write', where);
    if (!owner.ok) return owner;
    const { locked, until } = owner.value;
    return locked ? err('locked') : ok({ by: 'ownership', upTo: 'owner', until });
  }
  if (who.principal.tier === 'admin') return ok({ by: 'permission', upTo: 'owner' });
  if (!isPlace(where)) return ok({ by: 'permission', upTo: undefined });
  const facts = (await readFacts(who, where, now, ports)).at(where);
  return ok({ by: 'permission', upTo: ownRole(who, where.agent, facts) });
}

/** Whether a right covers giving or taking a role. */
export const coversRole = ({ upTo }: GrantRight, role: Role): boolean =>
  upTo !== undefined && roleAtLeast(upTo, role);

const isPlace = (where: Where): where is Place => where.agent !== undefined && where.instance !== undefined;

/** The role that somebody has by access mode or grant, where the tier is high enough for the agent. */
function ownRole(who: Authenticated, agent: string, { registry, grants }: PolicyFacts): Role | undefined {
  const entry = findAgent(registry, agent);
  return entry !== undefined && tierAtLeast(who.principal.tier, entry.requiredTier)
    ? roleOf(who, entry, grants)
    : undefined;
}

async function ownership(
  ports: BrokerPorts,
  { who, now }: Call,
  permission: 'grants:read' | 'grants:write',
  where: Where,
): Promise<Outcome<{ readonly until: number | null; readonly locked: boolean }>> {
  const refused = err('permission_missing', { detail: permission });
  if (!isPlace(where) || where.instance === '*' || !allowsAgent(who, where.agent)) return refused;
  const { grants, locks } = (await readFacts(who, where, now, ports)).at(where);
  const ends = grants.filter((grant) => grant.role === 'owner').map((grant) => grant.expiresAt);
  if (ends.length === 0) return refused;
  const until = ends.includes(null) ? null : Math.max(...ends.map((end) => end ?? 0));
  return ok({ until, locked: locks.length > 0 });
}
