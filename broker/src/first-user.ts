import type { grantQueries } from '@agent-ticket/drizzle/control/grants.ts';
import type { GrantRow } from '@agent-ticket/drizzle/control/policy.ts';
import type { sessionQueries } from '@agent-ticket/drizzle/record/sessions.ts';
import { type AgentRegistry, findAgent } from '@agent-ticket/shared/registry.ts';
import type { Authenticated } from './principal.ts';

export interface FirstUserPorts {
  readonly registry: AgentRegistry;
  readonly grants: ReturnType<typeof grantQueries>;
  readonly sessions: ReturnType<typeof sessionQueries>;
  /** How long sessions are kept after their end, in ms: beyond it nobody can tell whether there was one. */
  readonly sessionRetentionMs: number;
  readonly randomId: () => string;
}

/** Instances that one user may hold by having been first. Each costs a row for ever. */
export const MAX_CLAIMS = 100;

/** A claim that nobody opened this long is free again, or a stranger could reserve names for nothing. In ms. */
export const CLAIM_LAPSES_MS = 10 * 60_000;

interface Wanted {
  readonly agent: string;
  readonly instance: string;
}

const mayClaim = (who: Authenticated, { agent }: Wanted, registry: AgentRegistry): boolean =>
  who.method !== 'anonymous' &&
  who.principal.kind === 'user' &&
  findAgent(registry, agent)?.access === 'first-user';

export const claimFirst = {
  /** Whether a user would become owner by asking. A moment later somebody else may be. */
  async isOpen(who: Authenticated, wanted: Wanted, ports: FirstUserPorts): Promise<boolean> {
    if (!mayClaim(who, wanted, ports.registry)) return false;
    const owners = await ports.grants.ownersEver(wanted.agent, wanted.instance);
    return owners.length === 0;
  },

  /**
   * Makes a user the owner of an instance that never had one, or whose claim lapsed unopened. Answers the grant, or
   * `undefined` when the instance is somebody's. `now` in ms.
   */
  async take(
    who: Authenticated,
    wanted: Wanted,
    ports: FirstUserPorts,
    now: number,
  ): Promise<GrantRow | undefined> {
    if (!mayClaim(who, wanted, ports.registry)) return undefined;
    const claim = await ports.grants.findClaim(wanted.agent, wanted.instance);
    if (claim !== undefined && !(await lapsed(claim, wanted, ports, now))) return undefined;
    const grant = {
      id: ports.randomId(),
      subject: who.principal.id,
      agentSlug: wanted.agent,
      instanceId: wanted.instance,
      role: 'owner',
      reason: 'first user',
      createdBy: who.principal.id,
      createdAt: now,
      expiresAt: null,
    };
    const won = await ports.grants.claim(grant, MAX_CLAIMS);
    return won ? { ...grant, claimed: true, openedAt: null, deletedAt: null } : undefined;
  },
};

/** Whether a claim was never opened in time; if so it is gone afterwards. */
async function lapsed(
  claim: GrantRow,
  { agent, instance }: Wanted,
  ports: FirstUserPorts,
  now: number,
): Promise<boolean> {
  const due = claim.openedAt === null && claim.deletedAt === null && claim.createdAt < now - CLAIM_LAPSES_MS;
  // Its sessions may have been purged since: an owner who stays away long is an owner.
  if (!due || claim.createdAt <= now - ports.sessionRetentionMs) return false;
  if (await ports.sessions.wasOpened(agent, instance, claim.subject)) {
    await ports.grants.noteOpened(claim.id, now);
    return false;
  }
  return ports.grants.dropLapsed(claim.id, now - CLAIM_LAPSES_MS);
}
