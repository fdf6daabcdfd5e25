import type { grantQueries } from '@agent-ticket/drizzle/control/grants.ts';
import type { lockQueries } from '@agent-ticket/drizzle/control/locks.ts';
import type { GrantRow, policyQueries } from '@agent-ticket/drizzle/control/policy.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import { targetName, targetNamesOfPlace, targetNamesOfPrincipal } from '@agent-ticket/shared/target.ts';
import { partiesOf } from '../credentials/delegation.ts';
import { type Authenticated, subjectsOf } from '../credentials/principal.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { PolicyFacts } from './policy.ts';

/** One instance of one agent. */
export interface Place {
  readonly agent: string;
  readonly instance: string;
}

export interface FactsPorts {
  readonly registry: AgentRegistry;
  readonly policy: ReturnType<typeof policyQueries>;
  readonly grants: ReturnType<typeof grantQueries>;
  readonly locks: ReturnType<typeof lockQueries>;
  readonly keyring: Keyring;
  /** Issuers whose verified addresses e-mail grants may match. */
  readonly trustEmail: readonly string[];
}

/** What the policy must know about one caller. */
export interface Facts {
  /** What bears on a request for one of the places that were read. */
  readonly at: (place: Place) => PolicyFacts;
  /** Every grant that was read. */
  readonly grants: readonly GrantRow[];
  /** The key that would sign. */
  readonly signing: Awaited<ReturnType<Keyring['signer']>>;
}

/**
 * Everything that {@link decide} must know, read the same way for all who ask it: for one place, or for everywhere
 * that the caller has a grant or the registry names. `now` in ms.
 */
export async function readFacts(
  who: Authenticated,
  where: Place | 'everywhere',
  now: number,
  ports: FactsPorts,
): Promise<Facts> {
  const signing = await ports.keyring.signer(now);
  const subjects = subjectsOf(who.principal, ports.trustEmail);
  const always = [
    ...lockNamesOf(who),
    ...(signing.ok ? [targetName({ kind: 'key', kid: signing.value.material.kid })] : []),
  ];
  const held =
    where === 'everywhere'
      ? await readEverywhere(subjects, always, now, ports)
      : await ports.policy.read({
          subjects,
          ...where,
          lockTargets: [...always, ...targetNamesOfPlace(where)],
          now,
        });
  return {
    signing,
    grants: held.grants,
    at: (place) => {
      const names = [...always, ...targetNamesOfPlace(place)];
      return {
        registry: ports.registry,
        grants: held.grants.filter((grant) => isAt(grant, place)),
        locks: held.locks.filter((lock) => names.includes(lock.target)),
        nowSeconds: Math.floor(now / 1000),
      };
    },
  };
}

/** Names under which a lock may be on the caller itself, or on whoever acts for it or comes with it. */
export const lockNamesOf = (who: Authenticated): string[] => partiesOf(who).flatMap(targetNamesOfPrincipal);

async function readEverywhere(
  subjects: readonly string[],
  always: readonly string[],
  now: number,
  { registry, grants, locks }: FactsPorts,
) {
  const held = await grants.ofSubjects(subjects, now);
  const names = placesOf(registry, held).flatMap(targetNamesOfPlace);
  return { grants: held, locks: await locks.onTargets([...new Set([...always, ...names])], now) };
}

/** Stands for an instance that nothing names: no instance is called so. */
const ANY_OTHER = '';

/** The places where a decision may differ from that about any other place: listed ones, those with a grant, the rest. */
export const placesOf = (registry: AgentRegistry, grants: readonly GrantRow[]): Place[] =>
  registry.flatMap(({ slug: agent, instances }) => {
    const granted = grants.filter((grant) => grant.agentSlug === agent && grant.instanceId !== '*');
    const names = instances ?? [ANY_OTHER, ...granted.map((grant) => grant.instanceId)];
    return [...new Set(names)].map((instance) => ({ agent, instance }));
  });

const isAt = (grant: GrantRow, { agent, instance }: Place): boolean =>
  grant.agentSlug === agent && (grant.instanceId === '*' || grant.instanceId === instance);
