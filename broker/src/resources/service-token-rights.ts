import type { ServiceTokenRow } from '@agent-ticket/drizzle/control/service-tokens.ts';
import { Tier, tierAtLeast } from '@agent-ticket/shared/names.ts';
import type { Authenticated } from '../credentials/principal.ts';
import type { Call } from '../http/call.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

/** What a service token is worth. */
interface Worth {
  readonly permissions: readonly string[];
  readonly tier: string;
  /** Slugs; null or left out: every agent. */
  readonly agents?: readonly string[] | null | undefined;
}

/** Whether a token would have more than its maker: a higher tier, a permission, or an agent that the maker lacks. */
export function isAbove(wanted: Worth, { principal, agents }: Authenticated): boolean {
  const within =
    agents === undefined || (wanted.agents ?? undefined)?.every((slug) => agents.includes(slug)) === true;
  return (
    !tierAtLeast(principal.tier, Tier.parse(wanted.tier)) ||
    !wanted.permissions.every((permission) => principal.permissions.includes(permission)) ||
    !within
  );
}

/**
 * Whether a token is worth more than the caller. Its grants count as well: whoever may manage grants could give
 * themselves the same, and nobody else may come by a role through a secret.
 */
export async function holdsMore(
  ports: BrokerPorts,
  { who, now }: Call,
  token: ServiceTokenRow,
): Promise<boolean> {
  if (isAbove(token, who)) return true;
  if (who.principal.permissions.includes('grants:write') || token.createdBy === who.principal.id)
    return false;
  return (await ports.grants.ofSubjects([`token:${token.id}`], now)).length > 0;
}

/** When a new token ends: as asked, and no later than the service token that makes it. In ms. */
export function endOf(
  { expires_in: wanted }: { readonly expires_in?: number | undefined },
  { who, now }: Call,
): number | null {
  const ends = [
    ...(wanted === undefined ? [] : [now + wanted * 1000]),
    ...(who.method === 'service-token' && who.expiresAt !== undefined ? [who.expiresAt * 1000] : []),
  ];
  return ends.length === 0 ? null : Math.min(...ends);
}
